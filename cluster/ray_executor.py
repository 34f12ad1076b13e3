"""Work on a Ray cluster, local or joined by its address."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.connection import connect, disconnect
from cluster.errors import ClusterError
from cluster.metrics import Metrics
from cluster.outcomes import Finished, Lost, Running, Trouble, reason_of
from cluster.ray_metrics import RayMetrics, RemoteMetrics
from cluster.ray_task import SentTask, kill_if_stopped, on_worker
from cluster.resources import ONE_CORE, Resources
from cluster.shared import Shared
from cluster.token import token_place
from cluster.versions import library_versions
from cluster.whereabouts import Whereabouts
from model.errors import PacksweepError
from model.mapped import HasFiles, MappedRows, all_here

log = logging.getLogger(__name__)

# How many seconds the number of workers is believed: machines join and leave at any time.
_COUNT_SECONDS = 0.5

# Seconds in which machines look for files; a worker may have to be started.
_LOOK_SECONDS = 60.0

# How often a task is queued again because what it shares was lost; then it is lost itself.
_SHARED_AGAIN = 3

# The label that Ray itself gives each node.
_NODE_LABEL = "ray.io/node-id"


@contextmanager
def _in_reach() -> Iterator[None]:
    """Say in the user's terms that the cluster does not do what it is asked."""
    try:
        yield
    except PacksweepError:
        raise
    except Exception as error:
        away = isinstance(error, ConnectionError) or not ray.is_initialized()
        if not away and not isinstance(error, ray.exceptions.RayError):
            raise
        what = "is out of reach" if away else "fails"
        raise ClusterError(
            f"The cluster {what}: {reason_of(error, None)}. What was logged is safe; the same "
            "command continues."
        ) from error


def _lacks_shared(task: SentTask, error: Exception) -> bool:
    """Return whether Ray has lost a shared value of a task, which is shared again then."""
    if not isinstance(error, ray.exceptions.ObjectLostError):
        return False
    lost = error.object_ref_hex
    return any(arg.was(lost) for arg in task.call if isinstance(arg, Shared))


class RayExecutor:
    """Runs tasks as Ray tasks, of one core each unless they ask for more.

    Ray's own retries are off: a lost task is reported, so that the attempt is
    counted and starts from the newest checkpoint.

    Parameters
    ----------
    address : str, optional
        A cluster to join; left out, that of RAY_ADDRESS, or one is started here and ends with
        `close`.
    workers : int, optional
        Tasks at the same time; left out, as many as the cluster has room for at any time.
    resources : Resources
        What each task asks for that says nothing else.

    Raises
    ------
    ClusterError
        If no cluster can be started or joined, or one that is started here has no room for a task.
    """

    def __init__(
        self,
        address: str | None = None,
        workers: int | None = None,
        resources: Resources = ONE_CORE,
    ) -> None:
        self.dashboard_url = connect(address, workers and math.ceil(workers * resources.cpus))
        self.dashboard_token = token_place()
        self._limit = workers
        self._resources = resources
        # The tasks for which the cluster has room, and when that was counted.
        self._room, self._counted_at = 1, -math.inf
        self._remote = ray.remote(max_retries=0)(on_worker)
        self._killer = ray.remote(num_cpus=0, max_retries=0)(kill_if_stopped)
        # All tasks that were submitted and not returned by `wait`, by their reference in Ray.
        self._tasks: dict[Any, SentTask] = {}
        # What could not even be submitted, and the errors of tasks that `wait` has still to raise.
        self._unsent: list[Finished | Lost] = []
        self._mistakes: deque[PacksweepError] = deque()
        with _in_reach():
            self._whereabouts = Whereabouts()
        # Bytes of memory that each task asks for besides: as many as nodes have gone. Ray keeps one
        # queue per resource request, and the old one may be blocked on the dead node: one more
        # byte opens a new queue.
        self._queue_salt = 0

    @property
    def workers(self) -> int:
        """Tasks at the same time: as many as was asked for, or as there is room for now."""
        if self._limit:
            return self._limit
        now = time.monotonic()
        if now > self._counted_at + _COUNT_SECONDS:
            # One where there is none yet: a cluster that grows on demand has to be asked.
            self._room, self._counted_at = max(1, self.room()), now
        return self._room

    def room(self) -> int:
        """Return for how many tasks the machines have room, one by one; 0 where none has."""
        with _in_reach():
            nodes = ray.nodes()  # type: ignore[no-untyped-call]
        return sum(self._resources.fit(node["Resources"]) for node in nodes if node["Alive"])

    def share(self, value: Any) -> Shared:
        """Put a value into the object store; tasks read its arrays there without a copy.

        Files that every machine has as this one has them do not go along: each worker opens them.
        Where Ray loses the value, it is put there again, and the tasks that lack it with it.
        """
        with _in_reach():
            if isinstance(value, HasFiles) and value.files and not self._all_have(value.files):
                value = value.with_rows()
            return Shared(value)

    def _all_have(self, files: tuple[MappedRows, ...]) -> bool:
        """Ask each other machine whether it has some files; one that does not answer has not."""
        others = self._whereabouts.workplaces()
        if not ray.util.client.ray.is_connected():  # type: ignore[no-untyped-call]
            others.discard(ray.get_runtime_context().get_node_id())
        if not others:
            return not ray.util.client.ray.is_connected()  # type: ignore[no-untyped-call]
        look = ray.remote(num_cpus=0, max_retries=0)(all_here)
        asked = [
            look.options(
                name="look for files",
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
            ).remote(files)
            for node in others
        ]
        answered, _ = ray.wait(asked, num_returns=len(asked), timeout=_LOOK_SECONDS)
        try:
            return len(answered) == len(asked) and all(ray.get(answered))
        except ray.exceptions.RayError:
            return False

    def submit(
        self,
        key: Hashable,
        name: str,
        function: Callable[..., Any],
        *args: Any,
        avoid: Sequence[str] = (),
        resources: Resources | None = None,
    ) -> None:
        """Queue a call as a Ray task with the name of its kind.

        The dashboard has one bar of progress for all tasks of the same name.
        """
        with _in_reach():
            ticket, asked = self._whereabouts.ticket(), resources or self._resources
            self._submit(SentTask(key, name, ticket, (function, *args), avoid, asked))

    def _submit(self, task: SentTask) -> None:
        kind, _, detail = task.name.partition(": ")
        remote = self._remote.options(
            name=kind,
            num_cpus=task.resources.cpus,
            num_gpus=task.resources.gpus,
            memory=task.resources.memory + self._queue_salt,
            label_selector=self._elsewhere(task),
        )
        call = (arg.reference if isinstance(arg, Shared) else arg for arg in task.call)
        try:
            reference = remote.remote(detail, task.ticket, library_versions(), *call)
        except ray.exceptions.RayError as error:  # such as no room for its arguments
            self._unsent.append(Lost(task.key, reason_of(error, None)))
        else:
            self._tasks[reference] = task

    def _elsewhere(self, task: SentTask) -> dict[str, str] | None:
        """Return what keeps a task from the nodes where it was lost, if there are others."""
        if not task.avoid or not self._whereabouts.workplaces() - set(task.avoid):
            return None
        return {_NODE_LABEL: f"!in({','.join(task.avoid)})"}

    def wait(self, timeout: float) -> list[Finished | Lost]:
        """Collect all tasks that have ended, waiting up to `timeout` seconds for one."""
        ended, self._unsent = self._unsent, []
        if self._tasks:
            with _in_reach():
                ended += self._ended(0.0 if ended or self._mistakes else timeout)
                ended += self._give_up_gone(self._whereabouts.newly_gone())
        if self._mistakes and not ended:
            raise self._mistakes.popleft()
        return ended

    def _ended(self, timeout: float) -> list[Finished | Lost]:
        ready, _ = ray.wait(list(self._tasks), num_returns=1, timeout=timeout)
        if ready:
            ready, _ = ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=0)
        return [ended for reference in ready for ended in self._collect(reference)]

    def _collect(self, reference: Any) -> list[Finished | Lost]:
        """Return how a task has ended; nothing where that is an error to raise."""
        task = self._tasks.pop(reference)
        try:
            node, value = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, PacksweepError):
                self._mistakes.append(error.cause)
                return []
            return self._lost_or_again(task, error.cause or error)
        except ConnectionError:  # a command outside the cluster has lost it
            raise
        except Exception as error:  # Ray's own errors, or no memory here for what has come
            return self._lost_or_again(task, error)
        else:
            return [self._ended_as(task, node, value)]
        finally:
            self._whereabouts.forget(task.ticket)

    def _ended_as(self, task: SentTask, node: str, value: Any) -> Finished | Lost:
        if isinstance(value, Trouble):
            where = self._whereabouts.node_of(task.ticket)
            return Lost(task.key, value.reason, where, value.details)
        return Finished(task.key, value, node)

    def _lost_or_again(self, task: SentTask, error: Exception) -> list[Finished | Lost]:
        """Queue a task again that lacks what it shares: that is not trouble of its own."""
        again = replace(task, ticket=self._whereabouts.ticket(), again=task.again + 1)
        try:
            if task.again == _SHARED_AGAIN or not _lacks_shared(task, error):
                return [self._lost(task, error)]
        except ray.exceptions.RayError as other:  # such as no room to share it again
            return [self._lost(task, other)]
        reason = reason_of(error, None)
        task.context.run(log.warning, "shared again: %s lacked its data: %s", task.name, reason)
        self._submit(again)
        return []

    def _lost(self, task: SentTask, error: Exception) -> Lost:
        node = self._whereabouts.node_of(task.ticket)
        return Lost(task.key, reason_of(error, self._whereabouts.address_of(node)), node)

    def running(self) -> list[Running]:
        """Return the tasks that have begun, as they have written down themselves."""
        with _in_reach():
            begun = self._whereabouts.begun([task.ticket for task in self._tasks.values()])
            return [
                Running(task.key, seconds, self._whereabouts.address_of(node) or node, node)
                for task in self._tasks.values()
                if task.ticket in begun
                for node, seconds in [begun[task.ticket]]
            ]

    def give_up(self, key: Hashable) -> None:
        """Forget a task and end its worker, even one that is stopped and does not hear of it."""
        with _in_reach():
            for reference, task in list(self._tasks.items()):
                if task.key == key:
                    # By force only where it has begun: else another task may have its worker.
                    begun = self._whereabouts.process_of(task.ticket)
                    self._forget(reference, force=begun is not None)
                    if begun:
                        self._kill_if_stopped(*begun)

    def _kill_if_stopped(self, node: str, process: int) -> None:
        """Look after a worker from another one on its machine, which needs no core for that."""
        there = NodeAffinitySchedulingStrategy(node, soft=False)
        self._killer.options(name="give up", scheduling_strategy=there).remote(process)

    def _give_up_gone(self, gone: set[str]) -> list[Finished | Lost]:
        """Return the tasks of nodes that are gone, and queue again those that have not started."""
        if not gone:
            return []
        self._queue_salt += len(gone)
        ended: list[Finished | Lost] = []
        for reference, task in list(self._tasks.items()):
            node = self._whereabouts.node_of(task.ticket)
            if ray.wait([reference], timeout=0)[0]:  # it ended before its machine did
                ended += self._collect(reference)
            elif node is None:
                self._queue_anew(reference)
            elif node in gone:
                self._forget(reference)
                address = self._whereabouts.address_of(node) or node
                ended.append(Lost(task.key, f"the node {address} is gone", node))
        return ended

    def _queue_anew(self, reference: Any) -> None:
        """Move a task that has not started to the queue of the new salt."""
        task = self._forget(reference)
        # Under a new ticket: the old one may yet be used by a machine that comes back.
        self._submit(replace(task, ticket=self._whereabouts.ticket()))

    def _forget(self, reference: Any, *, force: bool = False) -> SentTask:
        """Forget a task and cancel it."""
        task = self._tasks.pop(reference)
        self._whereabouts.forget(task.ticket)
        ray.cancel(reference, force=force)
        return task

    def metrics(self, run: str) -> Metrics:
        """Return Ray's metrics, which Prometheus can read from its agents."""
        outside = ray.util.client.ray.is_connected()  # type: ignore[no-untyped-call]
        return RemoteMetrics(run) if outside else RayMetrics(run)

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._tasks.clear()
        self._unsent.clear()
        self._mistakes.clear()
        disconnect()
