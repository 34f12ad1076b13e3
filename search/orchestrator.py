"""Drives the packs of a plan through an executor, logging every finished link."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from cluster.errors import ClusterError
from cluster.executor import Executor, Finished, Lost
from model.pack import PackState
from search.checkpoints import Checkpoints
from search.errors import InterruptedSweepError
from search.link import LinkResult, run_link
from search.planner import NO_TRIAL, Pack
from search.schedule import Link, Schedule
from search.store import COMPLETE, FAIL, TrialStore
from search.study import Study

log = logging.getLogger(__name__)

# A link that takes a worker down this often will do so again.
MAX_ATTEMPTS = 5

# How long one wait may last: an interruption is noticed between two waits.
WAIT_SECONDS = 0.25


class Observer(Protocol):
    """Is told how a sweep goes."""

    def started(self, link: Link) -> None:
        """Tell that a link was handed to the executor."""

    def advanced(self, link: Link, study: Study) -> None:
        """Tell that a link is in the log."""

    def lost(self, link: Link, reason: str) -> None:
        """Tell that a worker was lost and its link will be tried again."""

    def idle(self) -> None:
        """Tell that nothing has ended for a moment."""


@dataclass
class Orchestrator:
    """Keeps all workers busy until every trial has its row.

    Attributes
    ----------
    executor : Executor
    store : TrialStore
    checkpoints : Checkpoints
    study : Study
        Is told every result; knows those that the log holds from before.
    start : callable
        Returns the state of a pack before its first epoch.
    observer : Observer
    interrupted : callable
        Asked between waits; true stops the sweep.
    """

    executor: Executor
    store: TrialStore
    checkpoints: Checkpoints
    study: Study
    start: Callable[[Pack], PackState]
    observer: Observer
    interrupted: Callable[[], bool] = lambda: False

    def run(self, links: Iterable[Link], examples: Any) -> None:
        """Train and score trials.

        Parameters
        ----------
        links : iterable of Link
            The next link of every pack that the log does not complete.
        examples : object
            What the executor's `share` returned for the `Examples`.

        Raises
        ------
        InterruptedSweepError
            If `interrupted` said so; the log holds all that was done.
        ClusterError
            If workers are lost on the same link again and again.
        StoreError
            If the log or a checkpoint cannot be written.
        """
        self._schedule, self._in_flight = Schedule(links), 0
        while len(self._schedule) or self._in_flight:
            self._submit_some(examples)
            ended = self.executor.wait(WAIT_SECONDS)
            for task in ended:
                self._take(task)
            if not ended:
                self.observer.idle()
            if self.interrupted():
                raise InterruptedSweepError("Interrupted.")

    def _submit_some(self, examples: Any) -> None:
        # A few more than there are workers, so that none waits for this process.
        while len(self._schedule) and self._in_flight < _queue_length(self.executor.workers):
            link = self._schedule.pop()
            state = self.checkpoints.load(link.pack, link.epoch) or self.start(link.pack)
            self.executor.submit(link, link.name, run_link, examples, state, link.epoch)
            self._in_flight += 1
            self.observer.started(link)

    def _take(self, task: Finished | Lost) -> None:
        self._in_flight -= 1
        link: Link = task.key
        if isinstance(task, Lost):
            self._retry(link, task.reason)
        else:
            self._record(link, task.value, task.node)

    def _retry(self, link: Link, reason: str) -> None:
        log.warning("lost: %s, attempt %d: %s", link.name, link.attempt, reason)
        if link.attempt == MAX_ATTEMPTS:
            raise ClusterError(
                f"'{link.name}' lost its worker {MAX_ATTEMPTS} times, the last time by {reason}. "
                "What was logged is safe; look for machines that run out of memory or restart, "
                "then give the same command to continue."
            )
        self._schedule.lost(link)
        self.observer.lost(link, reason)

    def _record(self, link: Link, result: LinkResult, node: str) -> None:
        """State first, rows after it: killed between the two, the state is scored again."""
        self.checkpoints.save(link.pack, result.state)
        columns = _rows(link, result, node)
        self.store.append(link.pack.index, link.epoch, columns)
        if link.is_last:
            self.checkpoints.remove(link.pack)
        log.info(
            "done: pack %d, %s, trained %d epochs in %.2f s on %s",
            link.pack.index, link.name, result.trained_epochs, result.seconds, node,
        )  # fmt: skip
        self.study.tell(columns["number"], columns["val_cost"], columns["val_accuracy"])
        self._schedule.done(link)
        self.observer.advanced(link, self.study)


def _queue_length(workers: int) -> int:
    return workers + max(1, workers // 4)


def _rows(link: Link, result: LinkResult, node: str) -> dict[str, Any]:
    """Return the log's rows of the trials that a link finishes."""
    numbers = link.pack.numbers[:, link.position]
    columns = np.flatnonzero(numbers != NO_TRIAL)
    cost, accuracy = result.scores.cost[columns], result.scores.accuracy[columns]
    finite = np.isfinite(cost)
    return {
        "number": numbers[columns],
        "state": np.where(finite, COMPLETE, FAIL),
        "batch_size": link.pack.batch_size,
        "learning_rate": link.pack.learning_rate[columns],
        "epochs": link.epoch,
        "alpha": link.pack.alpha[columns],
        "val_cost": np.where(finite, cost, np.nan),
        "val_accuracy": np.where(finite, accuracy, np.nan),
        "seconds": result.seconds / len(columns),
        "pack": link.pack.index,
        "node": node,
        "started_at": result.started_at,
        "finished_at": result.finished_at,
        "attempt": link.attempt,
        "error": [None if ok else "diverged" for ok in finite],
    }
