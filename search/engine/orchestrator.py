"""Drives links through an executor, logging every one that is finished."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cluster.executor import Executor
from cluster.outcomes import Finished, Lost
from model.results import LegTask, LinkResult
from model.tasks import run_link
from search.engine.attempts import check_attempts, with_node
from search.engine.protocols import Observer, Source
from search.engine.stage import WAIT_SECONDS, Stage
from search.plan import Link, Pack, WaitingLinks, patience, slowness
from search.record import Books, Checkpoint, Standings, record
from search.text import duration

log = logging.getLogger(__name__)

_WAY_OUT = (
    "What was logged is safe; look for machines that run out of memory or of disk, or restart "
    "(sweep.log in the run folder says more), then give the same command to continue."
)

TRAINER_ATTEMPTS = 3
"""A link that was lost so often fails with its trials, where the trainer may be to blame."""

# So many of the newest links say how slow the machines are.
_NEWEST = 100


@dataclass(eq=False)
class Orchestrator:
    """Keeps all workers busy until every trial has its row.

    Attributes
    ----------
    executor : Executor
    books : Books
        Their standings have counted what the log holds from before.
    start : callable
        Returns the state of a pack before its first epoch.
    observer : Observer
    interrupted : callable
        Tells between two waits whether the user or the system has asked to stop.
    run_link : callable
        The task of a link: that of the softmax trainer, or of another one; see
        `model.tasks.run_link`.
    failed_link : callable or None
        Returns the result of a link that no worker has brought to its end: its arguments but for
        the examples and the replicate, and the reason. Without it the sweep ends there.
    enough : callable
        Returns between two waits why the sweep ends before all its trials are trained; None where
        it does not. No link is started from then on, and those under way come to their end.
    measured : callable
        Takes each link, its result, and the seconds in which that was made durable.
    started_at : float
        Time at which the first link started, in seconds since 1970 by its worker's clock;
        infinite before a link has ended.
    ended_early : str or None
        What `enough` has returned; None where all was trained.
    """

    executor: Executor
    books: Books
    start: Callable[[Pack], Any]
    observer: Observer
    interrupted: Callable[[], bool] = lambda: False
    measured: Callable[[Link, LinkResult, float], None] = lambda *_: None
    run_link: Callable[..., LinkResult] = run_link
    failed_link: Callable[..., LinkResult] | None = None
    enough: Callable[[], str | None] = lambda: None
    started_at: float = field(init=False, default=math.inf)
    # Once there is a reason it stays.
    ended_early: str | None = field(init=False, default=None)
    # Set by `run` before its first task, and then of that call alone.
    _source: Source = field(init=False, repr=False)
    # What is left of each pack but its link that is under way, of which there is one at most.
    _waiting: WaitingLinks = field(init=False, repr=False)
    # By index of a pack, nodes where its link was lost; gone when the link is in the log.
    _avoid: dict[int, tuple[str, ...]] = field(init=False, repr=False, default_factory=dict)
    # What the newest links should take and took, in seconds; never more than _NEWEST.
    _paces: deque[tuple[float, float]] = field(init=False, repr=False)

    def run(self, source: Source, examples: Any) -> None:
        """Train and score trials.

        Parameters
        ----------
        source : Source
            Source of what the log does not hold yet.
        examples : object
            The `Examples` as the executor's `share` has returned them.

        Raises
        ------
        InterruptedSweepError
            If `interrupted` says so; the log holds all that was done.
        ClusterError
            If the same link is lost again and again.
        StoreError
            If the log or a checkpoint cannot be written.
        """
        self._source, self._waiting = source, WaitingLinks()
        self._avoid, self._paces = {}, deque(maxlen=_NEWEST)
        self.started_at = math.inf
        with Stage(self.executor, self.interrupted, self._patience, self._tell_late) as stage:
            while not source.finished:
                self.ended_early = self.ended_early or self.enough()
                if not self.ended_early:
                    idle = not (len(stage) or len(self._waiting))
                    self._waiting.add(source.ready(WAIT_SECONDS if idle else 0.0))
                    self._submit_some(stage, examples)
                elif not len(stage):
                    return
                ended = stage.wait()
                for task in ended:
                    self._take(task)
                if not ended:
                    self.observer.idle()

    def _submit_some(self, stage: Stage, examples: Any) -> None:
        # A few more than there are workers, so that none waits for this process.
        while len(self._waiting) and len(stage) < _queue_length(self.executor.workers):
            link = self._waiting.pop()
            before = self._checkpoint(link)
            stage.submit(
                link, link.task, self.run_link,
                examples, before.state, before.columns, _tasks(link), link.pack.replicate,
                avoid=self._avoid.get(link.pack.index, ()),
            )  # fmt: skip
            self.observer.started(link)

    def _patience(self, link: Link) -> float:
        """Seconds that a link may run, by what it and those before should take and have taken."""
        return patience(link.seconds, slowness(self._paces), link.attempt)

    def _tell_late(self, link: Link, how: str) -> None:
        how = f"{how}; expected: {duration(max(1.0, link.seconds))}"
        log.warning("late: '%s', attempt %d: %s", link.name, link.attempt, how)
        self.observer.late(link, how)

    def _checkpoint(self, link: Link) -> Checkpoint:
        """Return where the link's pack stands: at the link's start, or at the very beginning."""
        checkpoint = self.books.checkpoints.load(link.pack) if link.start_epoch else None
        return checkpoint or Checkpoint.before(link.pack, self.start(link.pack))

    def _take(self, task: Finished | Lost) -> None:
        if isinstance(task, Lost):
            self._retry(task.key, task)
        else:
            self._record(task.key, task.value, task.node)

    def _retry(self, link: Link, lost: Lost) -> None:
        self.ended_early = self.ended_early or self.enough()
        if self.ended_early:
            log.info("not tried again: '%s': %s", link.name, lost.reason)
            return
        if self.failed_link is not None and link.attempt == TRAINER_ATTEMPTS:
            log.warning("lost: '%s', attempt %d: %s", link.name, link.attempt, lost.reason)
            before = self._checkpoint(link)
            reason = f"{lost.reason}, {TRAINER_ATTEMPTS} times"
            result = self.failed_link(before.state, before.columns, _tasks(link), reason)
            self._record(link, result, lost.node or "")
            return
        check_attempts(f"'{link.name}'", link.attempt, lost, _WAY_OUT)
        # Each pack has one link under way at a time.
        self._avoid[link.pack.index] = with_node(self._avoid.get(link.pack.index, ()), lost)
        self._waiting.lost(link)
        self.observer.lost(link, lost.reason)

    def _record(self, link: Link, result: LinkResult, node: str) -> None:
        """Make a link's result durable, then tell of it."""
        self.started_at = min(self.started_at, result.started_at)
        self._paces.append((link.seconds, result.seconds))
        self._avoid.pop(link.pack.index, None)
        layout = self.books.standings.layout
        rows, after = record(link, result, node, self._checkpoint(link), layout)
        began = time.perf_counter()
        self.books.log_link(link, result, rows, after)
        self.measured(link, result, time.perf_counter() - began)
        log.info(
            "trained: pack %d, %s, %d epochs in %.2f s on %s",
            link.pack.index, link.name, result.trained_epochs, result.seconds, node,
        )  # fmt: skip
        if self._waiting.done(link):
            self._source.ended(link.pack)
        self.observer.advanced(link, self.books.standings, node)


def _tasks(link: Link) -> list[LegTask]:
    return [LegTask(leg.epoch, leg.columns, leg.scored) for leg in link.legs]


def _queue_length(workers: int) -> int:
    return workers + max(1, workers // 4)


class Observers:
    """Tells all of its observers what it is told, in their order.

    Parameters
    ----------
    *observers : Observer
    """

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def started(self, link: Link) -> None:
        """Tell that a link was handed to the executor."""
        for observer in self._observers:
            observer.started(link)

    def advanced(self, link: Link, standings: Standings, node: str) -> None:
        """Tell that a link is in the log."""
        for observer in self._observers:
            observer.advanced(link, standings, node)

    def lost(self, link: Link, reason: str) -> None:
        """Tell that a link was lost and will be tried again."""
        for observer in self._observers:
            observer.lost(link, reason)

    def late(self, link: Link, how: str) -> None:
        """Tell that a link takes much longer than it should."""
        for observer in self._observers:
            observer.late(link, how)

    def idle(self) -> None:
        """Tell that nothing has ended for a moment."""
        for observer in self._observers:
            observer.idle()
