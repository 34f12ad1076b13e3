"""What an orchestrator tells, turned into metrics."""

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
from model.tasks import LinkResult
from search.plan import Link
from search.record import COMPLETE, FAIL, PRUNED, Standings

# Long enough to even out links that end together, short enough to show a change.
WINDOW_SECONDS = 60.0


class Pace:
    """Remembers for a while how much had been counted when.

    Parameters
    ----------
    clock : callable, optional
        Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._sums = clock, (0.0, 0.0, 0.0)
        self._past = deque([(clock(), self._sums)])

    def add(self, trials: int = 0, flops: float = 0.0, compute_s: float = 0.0) -> None:
        """Count something."""
        before = self._sums
        self._sums = (before[0] + trials, before[1] + flops, before[2] + compute_s)
        self._past.append((self._clock(), self._sums))

    @property
    def trials_per_second(self) -> float:
        """Trials in the window by its length."""
        seconds, trials, _, _ = self._window()
        return trials / seconds if seconds > 0 else 0.0

    @property
    def gflops(self) -> float:
        """Arithmetic in the window by the compute time that it took."""
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
    """Sets all gauges whenever it is told something, because Ray forgets those that stand still.

    Parameters
    ----------
    metrics : Metrics
    standings : Standings
    workers : callable
        Returns how many tasks can run at the same time now.
    flops : callable
        Returns the floating-point operations of some epochs of single trajectories.
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
        """Take what a link has cost, before it is told that it is in the log."""
        self._metrics.record(LINK_SECONDS, result.seconds, str(link.pack.batch_size))
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

    def idle(self) -> None:
        """Say again how things stand."""
        self._set_gauges()

    def _set_gauges(self) -> None:
        record, standings = self._metrics.record, self._standings
        for state in (COMPLETE, FAIL, PRUNED):
            record(TRIALS, standings.states[state], state)
        if standings.best_trial is not None:
            record(BEST, standings.best_trial.value)
        record(PLANNED, standings.total)
        record(TRIALS_RATE, self._pace.trials_per_second)
        record(GFLOPS, self._pace.gflops)
        workers = self._workers()
        record(WORKERS, workers)
        record(BUSY, min(self._in_flight, workers))
        record(LOST, self._lost)


def _column_epochs(link: Link, result: LinkResult) -> int:
    """Epochs that a link has trained, of each column; it may have found some of them done."""
    at, column_epochs = link.epoch - result.trained_epochs, 0
    for leg in link.legs:
        column_epochs += max(leg.epoch - at, 0) * len(leg.columns)
        at = max(at, leg.epoch)
    return column_epochs
