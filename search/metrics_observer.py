"""Turns what an orchestrator tells into metrics."""

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
from search.pace import Pace
from search.plan.links import Link
from search.record.columns import COMPLETE, FAIL, PRUNED
from search.record.standings import Study


class MetricsObserver:
    """Sets all gauges whenever it is told something, because Ray forgets those that stand still.

    Parameters
    ----------
    metrics : Metrics
    study : Study
    workers : callable
        Returns how many tasks can run at the same time now.
    flops : callable
        Returns the floating-point operations of some epochs of single trajectories.
    pace : Pace, optional
    """

    def __init__(
        self,
        metrics: Metrics,
        study: Study,
        workers: Callable[[], int],
        flops: Callable[[int], float],
        pace: Pace | None = None,
    ) -> None:
        self._metrics, self._study, self._workers, self._flops = metrics, study, workers, flops
        self._pace, self._finished = pace or Pace(), study.finished
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

    def advanced(self, link: Link, study: Study, node: str) -> None:
        """Count a link whose trials are in the log."""
        del link, node
        self._in_flight -= 1
        self._pace.add(trials=study.finished - self._finished)
        self._finished = study.finished
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
        record, study = self._metrics.record, self._study
        for state in (COMPLETE, FAIL, PRUNED):
            record(TRIALS, study.states[state], state)
        if study.best_trial is not None:
            record(BEST, study.best_trial.value)
        record(PLANNED, study.total)
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
