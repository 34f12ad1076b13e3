"""The one place from which the tasks of all sweeps start: whoever is next gets the next cores."""

import logging
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cluster.errors import ClusterError
from cluster.executor import Executor
from cluster.metrics import Metrics
from cluster.outcomes import Finished, Lost, Running, reason_of
from cluster.resources import Resources
from model.errors import PacksweepError
from search.ledger import LeaseRow, Ledger, LedgerError, SweepRow
from search.queue import Decision, Lease, Snapshot, Sweep, Wait, decide
from search.service.share import Mistake, Share, Waiting, guarded

log = logging.getLogger(__name__)

# How long the cluster is waited for at a time: what is asked of the hub meanwhile waits as long.
_WAIT_SECONDS = 0.05

# How long nothing is done where nothing runs and nobody asks.
_IDLE_SECONDS = 0.25

# How long the answer to what is running is believed: sweeps ask four times a second each.
_LOOK_SECONDS = 0.5

# Between two attempts to start or to join a cluster.
_AGAIN_SECONDS = 5.0

# The seconds of a task about which nobody knows anything.
_UNKNOWN_SECONDS = 1.0


class NoClusterError(ClusterError):
    """There is no cluster now; there may be one in a while."""


@dataclass(frozen=True)
class _Started:
    """A task that runs: whose it is, under which key, and its lease."""

    share: Share
    task: Waiting
    lease: LeaseRow


class Hub:
    """Has the executor, and lets tasks start as `search.queue.decide` says.

    Its own thread alone calls the executor. Each task that runs has a lease in the ledger, whose
    number is its key: a result that comes under another number is nobody's.

    Parameters
    ----------
    open_executor : callable
        Joins the cluster, or starts one; called again after a while where that fails.
    ledger : Ledger
    """

    def __init__(self, open_executor: Callable[[], Executor], ledger: Ledger) -> None:
        self._open_executor, self._ledger = open_executor, ledger
        self._thread = threading.Thread(target=self._run, name="hub", daemon=True)
        # Whether something has changed since the last decision.
        self._stopping, self._woken = False, True
        # Notified when there is something to do.
        self._news = threading.Condition()
        # What other threads ask of the executor.
        self._asked: deque[tuple[Callable[[Executor], Any], Future[Any]]] = deque()
        # The sweeps that are open, with their rows, by their identity.
        self._shares: dict[str, tuple[Share, SweepRow]] = {}
        # What runs, by the number of its lease.
        self._started: dict[int, _Started] = {}
        # What has ended and was handed to nobody yet, and leases that the ledger still holds.
        self._ended: deque[Finished | Lost] = deque()
        self._over: deque[LeaseRow] = deque()
        self._executor: Executor | None = None
        self._again_at = -math.inf
        self._seen: tuple[float, list[Running]] = (-math.inf, [])
        self.cores = 1.0
        """Cores of the cluster, as they were last counted."""
        self.failure = ""
        """Why there is no cluster; empty where there is one."""
        self.waits: dict[str, Wait] = {}
        """Why sweeps have no more links under way, as of the last decision."""

    # --- For other threads.

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Withdraw what runs, leave the cluster and end."""
        with self._news:
            self._stopping = True
            self._news.notify_all()
        self._thread.join()

    def admit(self, share: Share, row: SweepRow) -> None:
        """Let the tasks of a sweep start when it is their turn; again where its row has changed."""
        with self._news:
            self._shares[row.id] = share, row
        self.wake()

    def wake(self) -> None:
        """Take notice that there is something to do."""
        with self._news:
            self._woken = True
            self._news.notify_all()

    def room(self, resources: Resources) -> int:
        """Return how many tasks there would be room for, were there no others; at least 1."""
        return max(1, int(self.cores / resources.cpus + 1e-9))

    def running_by_sweep(self) -> dict[str, int]:
        """Return how many tasks run of each sweep of which any does."""
        return dict(Counter(started.share.sweep for started in list(self._started.values())))

    def busy_seconds(self, sweep: str) -> float:
        """Return the seconds in which a task of a sweep was running, since it was submitted."""
        return self._ledger.sweeps.busy_seconds(sweep)

    def used(self) -> dict[str, float]:
        """Return the cores that each queue has at work: the sum of its leases."""
        cores: dict[str, float] = {}
        for started in list(self._started.values()):
            lease = self._lease_of(started.lease)
            cores[lease.queue] = cores.get(lease.queue, 0.0) + lease.cores
        return cores

    def put(self, value: Any) -> Any:
        """Hand a large value over once."""
        return self._ask(lambda executor: executor.share(value))

    def metrics(self, run: str) -> Metrics:
        """Return where the metrics of a run are recorded."""
        found: Metrics = self._ask(lambda executor: executor.metrics(run))
        return found

    def running(self, share: Share) -> list[Running]:
        """Return the tasks of a share that are known to have begun."""
        asked, found = self._seen
        if time.monotonic() > asked + _LOOK_SECONDS:
            found = self._ask(self._look)
        mine = ((task, self._started.get(task.key)) for task in found)
        return [
            Running(started.task.key, task.seconds, task.address, task.node)
            for task, started in mine
            if started is not None and started.share is share
        ]

    def _look(self, executor: Executor) -> list[Running]:
        asked, found = self._seen
        if time.monotonic() > asked + _LOOK_SECONDS:  # nobody else has asked meanwhile
            found = executor.running()
            self._seen = time.monotonic(), found
        return found

    def withdraw(self, share: Share, key: Hashable) -> None:
        """End a task that has started; return when its lease is gone."""
        self._ask(
            lambda executor: self._withdraw(
                executor, lambda started: started.share is share and started.task.key == key
            )
        )

    def leave(self, share: Share) -> None:
        """Withdraw all tasks of a share; no other one will start."""
        with self._news:
            if self._shares.get(share.sweep, (None,))[0] is share:
                del self._shares[share.sweep]
        share.clear()
        with suppress(ClusterError):  # with the cluster its tasks are gone
            self._ask(
                lambda executor: self._withdraw(executor, lambda started: started.share is share)
            )

    def _ask(self, what: Callable[[Executor], Any]) -> Any:
        """Have the hub's thread do something with the executor; return what it returns."""
        answer: Future[Any] = Future()
        with self._news:
            if self._stopping:
                raise NoClusterError("The service ends; what was logged is safe.")
            self._asked.append((what, answer))
            self._news.notify_all()
        return answer.result()

    # --- In its own thread.

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._turn()
            except ClusterError as error:
                self._fail(str(error))
            except Exception:
                # An error of the ledger or of one sweep: running tasks go on, to be checked later.
                log.exception("a turn of the hub has failed")
                self._woken = True
                time.sleep(_IDLE_SECONDS)
        self._fail("The service ends; what was logged is safe.")
        self._refuse_asked(self.failure)

    def _turn(self) -> None:
        """Do what there is to do, and wait a moment."""
        executor = self._executor or self._connect()
        if executor is None:
            self._refuse_asked(self.failure)
            self._sleep(_IDLE_SECONDS)
            return
        self._answer(executor)
        self._end_leases()
        self._count(executor)
        if self._woken:
            self._woken = False
            self._start_some(executor)
        self._ended += executor.wait(_WAIT_SECONDS)
        while self._ended:
            self._end(self._ended[0])
            self._ended.popleft()
            self._woken = True
        if not self._started:
            self._sleep(_IDLE_SECONDS)

    def _count(self, executor: Executor) -> None:
        cores = float(executor.workers)
        if cores != self.cores:
            self.cores, self._woken = cores, True

    def _sleep(self, seconds: float) -> None:
        with self._news:
            if not (self._asked or self._stopping or self._woken):
                self._news.wait(seconds)

    def _connect(self) -> Executor | None:
        if time.monotonic() < self._again_at:
            return None
        try:
            self._executor = executor = self._open_executor()
        except PacksweepError as error:
            self._again_at = time.monotonic() + _AGAIN_SECONDS
            self.failure = str(error)
            log.warning("no cluster: %s", error)
            return None
        self.failure = ""
        return executor

    def _answer(self, executor: Executor) -> None:
        while self._asked:
            what, answer = self._asked.popleft()
            try:
                answer.set_result(what(executor))
            except ClusterError as error:
                answer.set_exception(NoClusterError(str(error)))
                self._check(executor)
            except Exception as error:  # for whoever has asked
                answer.set_exception(error)

    @staticmethod
    def _check(executor: Executor) -> None:
        """Raise where the cluster is gone: else it was what one sweep asked that it cannot do."""
        executor.running()

    def _refuse_asked(self, reason: str) -> None:
        with self._news:
            while self._asked:
                _, answer = self._asked.popleft()
                answer.set_exception(NoClusterError(reason))

    def _snapshot(self) -> Snapshot:
        people, queues = self._ledger.people.all(), self._ledger.queues.all()
        known = {queue.name for queue in queues}
        with self._news:
            # One that was moved from a queue which is gone since is told of its new one soon.
            shares = [(s, row) for s, row in self._shares.values() if row.queue in known]
        sweeps = tuple(
            Sweep(
                row.id, row.person, row.queue, row.place, row.priority, share.links,
                share.resources.cpus, share.seconds or _UNKNOWN_SECONDS,
            )
            for share, row in shares
        )  # fmt: skip
        leases = tuple(self._lease_of(started.lease) for started in self._started.values())
        return Snapshot(self.cores, tuple(people), tuple(queues), sweeps, leases)

    def _lease_of(self, lease: LeaseRow) -> Lease:
        # The lease counts for the queue in which its sweep is now.
        _, row = self._shares.get(lease.sweep, (None, None))
        return Lease(lease.sweep, row.queue if row else lease.queue, lease.cores)

    def _start_some(self, executor: Executor) -> None:
        if not any(share.links for share, _ in list(self._shares.values())):
            self.waits = {}
            return
        decision: Decision = decide(self._snapshot())
        for start in decision.starts:
            self._start(executor, start.sweep)
        self.waits = {wait.sweep: wait for wait in decision.waits}

    def _start(self, executor: Executor, sweep: str) -> None:
        share, _ = self._shares.get(sweep, (None, None))
        task = share.next() if share else None
        if share is None or task is None:
            return  # it has left, or the task was given up
        try:
            lease = self._lease(share, task)
        except BaseException:
            share.put_back(task)
            raise
        self._started[lease.id] = _Started(share, task, lease)
        try:
            task.context.run(
                executor.submit, lease.id, task.name, guarded, task.function, *task.args,
                avoid=task.avoid, resources=share.resources,
            )  # fmt: skip
        except ClusterError as error:
            self._end(Lost(lease.id, reason_of(error, None)))
            self._check(executor)
        except PacksweepError as error:
            self._end(Finished(lease.id, Mistake(error), ""))
        except Exception as error:  # such as an argument that cannot be sent
            self._end(Lost(lease.id, reason_of(error, None)))

    def _lease(self, share: Share, task: Waiting) -> LeaseRow:
        seconds = task.seconds or _UNKNOWN_SECONDS
        with self._ledger.transaction():
            lease = self._ledger.leases.start(share.sweep, share.resources.cpus, seconds, task.name)
            self._ledger.sweeps.started(share.sweep)
        return lease

    def _end(self, ended: Finished | Lost) -> None:
        """Hand a task's end to its sweep, unless it is nobody's any more."""
        started = self._started.get(ended.key)
        # The lease first: what cannot be written down now is handed out another time.
        if started is None or not self._ledger.leases.end(started.lease):
            self._started.pop(ended.key, None)
            log.warning("late: what came under lease %s is refused", ended.key)
            return
        del self._started[ended.key]
        key = started.task.key
        if isinstance(ended, Finished):
            started.share.deliver(key, Finished(key, ended.value, ended.node))
        else:
            started.share.deliver(key, Lost(key, ended.reason, ended.node, ended.details))

    def _withdraw(self, executor: Executor, of: Callable[[_Started], bool]) -> None:
        for number, started in list(self._started.items()):
            if of(started):
                executor.give_up(number)
                self._forget(number)

    def _forget(self, number: int) -> None:
        started = self._started.pop(number)
        self._over.append(started.lease)
        started.share.forget(started.task.key)
        self._woken = True  # there are cores for others
        self._end_leases()

    def _end_leases(self) -> None:
        """Take what is over out of the ledger, now or when it can be written again."""
        with suppress(LedgerError):
            while self._over:
                self._ledger.leases.end(self._over[0])
                self._over.popleft()

    def _fail(self, reason: str) -> None:
        """Give the cluster up, with all that runs there; the sweeps hear of it."""
        self.failure = reason
        self._again_at = time.monotonic() + _AGAIN_SECONDS
        executor, self._executor = self._executor, None
        with self._news:
            shares = [share for share, _ in self._shares.values()]
            self._shares.clear()
        for share in shares:
            share.fail(NoClusterError(reason))
        for number in list(self._started):
            self._forget(number)
        if executor is not None:
            with suppress(Exception):  # it may be gone already
                executor.close()
