"""Drives the packs of a plan through an executor, logging every finished link."""

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from cluster.errors import ClusterError
from cluster.executor import Executor, Finished, Lost
from model.pack import PackState
from search.checkpoints import Checkpoint, Checkpoints
from search.errors import InterruptedSweepError
from search.link import LinkResult, run_link
from search.links import open_positions
from search.planner import Pack, Plan
from search.rows import link_rows
from search.schedule import Chain, Link, Schedule
from search.store import TrialStore
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
    started_at : float
        When the first link started, seconds since 1970 by its worker's clock;
        infinite before one has ended.
    """

    executor: Executor
    store: TrialStore
    checkpoints: Checkpoints
    study: Study
    start: Callable[[Pack], PackState]
    observer: Observer
    interrupted: Callable[[], bool] = lambda: False
    started_at: float = field(init=False, default=math.inf)

    def run(self, chains: Iterable[Chain], examples: Any) -> None:
        """Train and score trials.

        Parameters
        ----------
        chains : iterable of Chain
            What is left of every pack that the log does not complete.
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
        self._schedule, self._in_flight = Schedule(chains), 0
        self.started_at = math.inf
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
            state = self._checkpoint(link).state
            self.executor.submit(link, link.name, run_link, examples, state, link.stops, link.epoch)
            self._in_flight += 1
            self.observer.started(link)

    def _checkpoint(self, link: Link) -> Checkpoint:
        """Return where the link's pack stands: at the link's start, or at the very beginning."""
        checkpoint = self.checkpoints.load(link.pack) if link.start_epoch else None
        return checkpoint or Checkpoint(self.start(link.pack))

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
        """Make a link's result durable, then tell of it.

        The rows are staged, then the state is saved, then the rows are published:
        whenever this is killed, `settle` finds either both or none.
        """
        self.started_at = min(self.started_at, result.started_at)
        seconds = self._checkpoint(link).unlogged_seconds + result.seconds
        columns = link_rows(link, result, node, seconds)
        index = link.pack.index
        if link.positions:
            self.store.stage(index, link.epoch, columns)
            seconds = 0.0
        self.checkpoints.save(link.pack, Checkpoint(result.state, seconds))
        if link.positions:
            self.store.publish(index, link.epoch)
        log.info(
            "done: pack %d, %s, trained %d epochs in %.2f s on %s",
            index, link.name, result.trained_epochs, result.seconds, node,
        )  # fmt: skip
        self.study.tell(columns["number"], columns["val_cost"], columns["val_accuracy"])
        if self._schedule.done(link):
            self.checkpoints.remove(link.pack)
        self.observer.advanced(link, self.study)


def settle(plan: Plan, store: TrialStore, checkpoints: Checkpoints) -> None:
    """Finish what a killed command had begun to record.

    Staged rows count where their state was saved, and a pack with all its rows
    needs no state.

    Raises
    ------
    StoreError
        If the log cannot be read or written.
    """
    for index, epoch in store.staged():
        saved = index < len(plan.packs) and checkpoints.epoch(plan.packs[index]) >= epoch
        (store.publish if saved else store.discard)(index, epoch)
    for pack, positions in open_positions(plan, store.columns("number")[0]):
        if not positions:
            checkpoints.remove(pack)


def _queue_length(workers: int) -> int:
    return workers + max(1, workers // 4)
