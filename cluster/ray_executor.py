"""Work on a Ray cluster, local or joined by its address."""

import math
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import ray

from cluster.connection import connect, disconnect
from cluster.errors import ClusterError
from cluster.executor import Finished, Lost, one_blas_thread, result_of
from cluster.metrics import Metrics
from cluster.ray_metrics import RayMetrics, RemoteMetrics
from cluster.token import token_place
from cluster.versions import Versions, check_versions, library_versions
from cluster.whereabouts import Whereabouts, record_start

# How many seconds the number of workers is believed: machines join and leave at any time.
_COUNT_SECONDS = 0.5


def _node_address() -> str:
    address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    return address


@dataclass(frozen=True)
class _Task:
    """A task as it was submitted, to submit it again if a machine never answers.

    Attributes
    ----------
    key : hashable
        The key that it was submitted under.
    name : str
        Its kind, and after a colon what tells it from others of the kind.
    ticket : str
        Its name in the cluster's table of where tasks have started.
    call : tuple
        The function and its arguments.
    """

    key: Hashable
    name: str
    ticket: str
    call: tuple[Any, ...]


def _on_worker(
    detail: str, ticket: str, versions: Versions, function: Callable[..., Any], *args: Any
) -> tuple[str, Any]:
    """Run a task, as the worker that has it; return the worker's address and the value."""
    record_start(ticket)
    node = _node_address()
    check_versions(versions, node)
    if detail:
        print(detail, flush=True)  # noqa: T201  (the dashboard shows it on the task's page)
    with one_blas_thread():
        return node, result_of(function, args)


@contextmanager
def _in_reach() -> Iterator[None]:
    """Say in the user's terms that a command outside the cluster has lost its connection."""
    try:
        yield
    except ConnectionError as error:
        raise ClusterError(
            f"The cluster is out of reach: {error}. What was logged is safe; the same command "
            "continues when it can be reached."
        ) from error


class RayExecutor:
    """Runs tasks as Ray tasks of one core each.

    Ray's own retries are off: a lost task is reported, so that the attempt is
    counted and starts from the newest checkpoint.

    Parameters
    ----------
    address : str, optional
        A cluster to join; left out, that of RAY_ADDRESS, or one is started here and ends with
        `close`.
    workers : int, optional
        Tasks at the same time; left out, as many as the cluster has cores at any time.

    Raises
    ------
    ClusterError
        If no cluster can be started or joined.
    """

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        self.dashboard_url = connect(address, workers)
        self.dashboard_token = token_place()
        self._limit = workers
        # The cores of the cluster, and when they were counted.
        self._cores, self._counted_at = 1, -math.inf
        self._remote = ray.remote(num_cpus=1, max_retries=0)(_on_worker)
        # All tasks that were submitted and not returned by `wait`, by their reference in Ray.
        self._tasks: dict[Any, _Task] = {}
        self._whereabouts = Whereabouts()
        # Bytes of memory that each task asks for: as many as nodes have gone. Ray keeps one
        # queue per resource request, and the old one may be blocked on the dead node: one more
        # byte opens a new queue.
        self._queue_salt = 0

    @property
    def workers(self) -> int:
        """Tasks at the same time: as many as was asked for, or all cores that there are now."""
        if self._limit:
            return self._limit
        now = time.monotonic()
        if now > self._counted_at + _COUNT_SECONDS:
            with _in_reach():
                resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
            # One where there is none yet: a cluster that grows on demand has to be asked.
            self._cores, self._counted_at = max(1, int(resources.get("CPU", 0))), now
        return self._cores

    def share(self, value: Any) -> Any:
        """Put a value into the object store; tasks read its arrays there without a copy."""
        return ray.put(value)

    def submit(self, key: Hashable, name: str, function: Callable[..., Any], *args: Any) -> None:
        """Queue a call as a Ray task with the name of its kind.

        The dashboard has one bar of progress for all tasks of the same name.
        """
        with _in_reach():
            self._submit(_Task(key, name, self._whereabouts.ticket(), (function, *args)))

    def _submit(self, task: _Task) -> None:
        kind, _, detail = task.name.partition(": ")
        remote = self._remote.options(name=kind, memory=self._queue_salt)
        self._tasks[remote.remote(detail, task.ticket, library_versions(), *task.call)] = task

    def wait(self, timeout: float) -> list[Finished | Lost]:
        """Collect all tasks that have ended, waiting up to `timeout` seconds for one."""
        if not self._tasks:
            return []
        with _in_reach():
            ready, _ = ray.wait(list(self._tasks), num_returns=1, timeout=timeout)
            if ready:
                ready, _ = ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=0)
            ended = [self._collect(reference) for reference in ready]
            return ended + self._give_up(self._whereabouts.newly_gone())

    def _collect(self, reference: Any) -> Finished | Lost:
        task = self._tasks.pop(reference)
        self._whereabouts.forget(task.ticket)
        try:
            node, value = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except ray.exceptions.RayError as error:
            return Lost(task.key, f"{type(error).__name__}: {str(error).splitlines()[0]}")
        return Finished(task.key, value, node)

    def _give_up(self, gone: set[str]) -> list[Finished | Lost]:
        """Return the tasks of nodes that are gone, and queue anew those that have not started."""
        if not gone:
            return []
        self._queue_salt += len(gone)
        ended: list[Finished | Lost] = []
        for reference, task in list(self._tasks.items()):
            node = self._whereabouts.node_of(task.ticket)
            if ray.wait([reference], timeout=0)[0]:  # it ended before its machine did
                ended.append(self._collect(reference))
            elif node is None:
                self._queue_anew(reference)
            elif node in gone:
                self._forget(reference)
                ended.append(Lost(task.key, f"the node {node} is gone"))
        return ended

    def _queue_anew(self, reference: Any) -> None:
        """Move a task that has not started to the queue of the new salt."""
        task = self._forget(reference)
        # Under a new ticket: the old one may yet be used by a machine that comes back.
        self._submit(replace(task, ticket=self._whereabouts.ticket()))

    def _forget(self, reference: Any) -> _Task:
        """Forget a task and cancel it."""
        task = self._tasks.pop(reference)
        self._whereabouts.forget(task.ticket)
        ray.cancel(reference)
        return task

    def metrics(self, run: str) -> Metrics:
        """Return Ray's metrics, which Prometheus can read from its agents."""
        outside = ray.util.client.ray.is_connected()  # type: ignore[no-untyped-call]
        return RemoteMetrics(run) if outside else RayMetrics(run)

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._tasks.clear()
        disconnect()
