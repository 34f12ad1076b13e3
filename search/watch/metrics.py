"""The events of an orchestrator, turned into metrics."""

import time
from collections import deque
from collections.abc import Callable

from cluster.metrics import (
    BEST,
    BUSY,
    FLUSH_SECONDS,
    GFLOPS,
    LINK_SECONDS,
    LOST,
    PLANNED,
    TRIALS,
    TRIALS_RATE,
    WORKERS,
    Metrics,
)
from model.results import LinkResult
from search.plan import Link
from search.record import COMPLETE, FAIL, PRUNED, Standings

# Long enough to even out links that end together, short enough to show a change.
WINDOW_SECONDS = 60.0


class Pace:
    """Rates over the last minute, from counts of trials, arithmetic and compute time.

    Parameters
    ----------
    clock : callable, optional
        A clock that returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._sums = clock, (0.0, 0.0, 0.0)
        self._past = deque([(clock(), self._sums)])

    def add(self, trials: int = 0, flops: float = 0.0, compute_s: float = 0.0) -> None:
        """Count trials, floating-point operations and seconds of compute time."""
        before = self._sums
        self._sums = (before[0] + trials, before[1] + flops, before[2] + compute_s)
        self._past.append((self._clock(), self._sums))

    @property
    def trials_per_second(self) -> float:
        """Trials per second within the window."""
        seconds, trials, _, _ = self._window()
        return trials / seconds if seconds > 0 else 0.0

    @property
    def gflops(self) -> float:
        """Billions of operations per second of compute time within the window."""
        _, _, flops, compute_s = self._window()
        return flops / 1e9 / compute_s if compute_s > 0 else 0.0

    def _window(self) -> tuple[float, float, float, float]:
        """Return the seconds since the window began, and what was counted in them."""
        now, past = self._clock(), self._past
        while len(past) > 1 and past[1][0] <= now - WINDOW_SECONDS:
            past.popleft()
        began, sums = past[0]
        trials, flops, compute_s = (new - old for new, old in zip(self._sums, sums, strict=True))
        return now - began, trials, flops, compute_s


class MetricsObserver:
    """Sets all gauges at every event, because Ray forgets gauges that are not set again.

    Parameters
    ----------
    metrics : Metrics
    standings : Standings
    workers : callable
        A function that returns how many tasks can run at the same time now.
    flops : callable
        A function from epochs of single trajectories to their floating-point operations.
    pace : Pace, optional
    """

    def __init__(
        self,
        metrics: Metrics,
        standings: Standings,
        workers: Callable[[], int],
        flops: Callable[[int], float],
        pace: Pace | None = None,
    ) -> None:
        self._metrics, self._standings, self._workers, self._flops = (
            metrics,
            standings,
            workers,
            flops,
        )
        self._pace, self._finished = pace or Pace(), standings.finished
        self._in_flight = self._lost = 0

    def started(self, link: Link) -> None:
        """Count a link that has been handed out."""
        del link
        self._in_flight += 1
        self._set_gauges()

    def measured(self, link: Link, result: LinkResult, flush_s: float) -> None:
        """Record what a link has cost; it is called before `advanced`."""
        batch_size = str(link.pack.shared.get("batch_size", ""))
        self._metrics.record(LINK_SECONDS, result.seconds, batch_size)
        self._metrics.record(FLUSH_SECONDS, flush_s)
        flops = self._flops(_column_epochs(link, result))
        self._pace.add(flops=flops, compute_s=result.seconds)

    def advanced(self, link: Link, standings: Standings, node: str) -> None:
        """Count a link whose trials are in the log."""
        del link, node
        self._in_flight -= 1
        self._pace.add(trials=standings.finished - self._finished)
        self._finished = standings.finished
        self._set_gauges()

    def lost(self, link: Link, reason: str) -> None:
        """Count a link that is handed out again."""
        del link, reason
        self._in_flight -= 1
        self._lost += 1
        self._set_gauges()

    def late(self, link: Link, how: str) -> None:
        """Record nothing: it is under way."""

    def idle(self) -> None:
        """Set the gauges again."""
        self._set_gauges()

    def _set_gauges(self) -> None:
        record, standings = self._metrics.record, self._standings
        for state in (COMPLETE, FAIL, PRUNED):
            record(TRIALS, standings.states[state], state)
        if standings.best_cost is not None:
            record(BEST, standings.best_cost)
        record(PLANNED, standings.total)
        record(TRIALS_RATE, self._pace.trials_per_second)
        record(GFLOPS, self._pace.gflops)
        workers = self._workers()
        record(WORKERS, workers)
        record(BUSY, min(self._in_flight, workers))
        record(LOST, self._lost)


def _column_epochs(link: Link, result: LinkResult) -> int:
    """Return how many epochs a link has trained, summed over its columns.

    A link that is tried again finds some of its epochs done.
    """
    at, column_epochs = link.epoch - result.trained_epochs, 0
    for leg in link.legs:
        column_epochs += max(leg.epoch - at, 0) * len(leg.columns)
        at = max(at, leg.epoch)
    return column_epochs
