"""Work on a Ray cluster, local or joined by its address."""

import math
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import ray

from cluster.blas import one_blas_thread
from cluster.connection import connect
from cluster.errors import ClusterError
from cluster.executor import Finished, Lost
from cluster.metrics import Metrics
from cluster.ray_metrics import RayMetrics, RemoteMetrics
from cluster.versions import Versions, check_versions, library_versions
from cluster.whereabouts import Whereabouts, started

# How long the number of workers is believed: a machine may join or leave at any time.
_COUNT_SECONDS = 0.5


def _node_address() -> str:
    address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    return address


@dataclass(frozen=True)
class _Task:
    """What was submitted, to be submitted again where a machine never answers."""

    key: Hashable
    name: str
    ticket: str
    call: tuple[Any, ...]


def _run(
    detail: str, ticket: str, versions: Versions, function: Callable[..., Any], *args: Any
) -> tuple[str, Any]:
    started(ticket)
    node = _node_address()
    check_versions(versions, node)
    if detail:
        print(detail, flush=True)  # noqa: T201  (the dashboard shows it on the task's page)
    with one_blas_thread():
        return node, function(*args)


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
        self._limit = workers
        self._counted, self._count = -math.inf, 1
        self._remote = ray.remote(num_cpus=1, max_retries=0)(_run)
        self._tasks: dict[Any, _Task] = {}
        self._whereabouts, self._gone = Whereabouts(), 0

    @property
    def workers(self) -> int:
        """Tasks at the same time: as many as was asked for, or all cores that there are now."""
        if self._limit:
            return self._limit
        now = time.monotonic()
        if now > self._counted + _COUNT_SECONDS:
            with _in_reach():
                resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
            # One where there is none yet: a cluster that grows on demand has to be asked.
            self._counted, self._count = now, max(1, int(resources.get("CPU", 0)))
        return self._count

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
        # Some bytes of memory more for each machine that has gone: tasks of another size have a
        # queue of their own in Ray, and the old one may wait for the answer of that machine.
        remote = self._remote.options(name=kind, memory=self._gone)
        self._tasks[remote.remote(detail, task.ticket, library_versions(), *task.call)] = task

    def wait(self, timeout: float) -> list[Finished | Lost]:
        """Collect all tasks that have ended, waiting up to `timeout` seconds for one."""
        if not self._tasks:
            return []
        with _in_reach():
            ready, _ = ray.wait(list(self._tasks), num_returns=1, timeout=timeout)
            if ready:
                ready, _ = ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=0)
            return [self._collect(reference) for reference in ready] + self._give_up()

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

    def _give_up(self) -> list[Finished | Lost]:
        """Return the tasks of machines that are gone; those that wait get into another queue."""
        gone = self._whereabouts.gone()
        if not gone:
            return []
        self._gone += len(gone)
        lost: list[Finished | Lost] = []
        for reference, task in list(self._tasks.items()):
            node = self._whereabouts.node_of(task.ticket)
            if ray.wait([reference], timeout=0)[0]:  # it ended before its machine did
                lost.append(self._collect(reference))
            elif node in gone:
                self._drop(reference)
                lost.append(Lost(task.key, f"the node {node} is gone"))
            elif node is None:
                self._drop(reference)
                # Under a new ticket: the old one may yet be used by a machine that comes back.
                self._submit(replace(task, ticket=self._whereabouts.ticket()))
        return lost

    def _drop(self, reference: Any) -> None:
        """Take no more notice of a task, which need not run any longer."""
        self._whereabouts.forget(self._tasks.pop(reference).ticket)
        ray.cancel(reference)

    def metrics(self, run: str) -> Metrics:
        """Return Ray's metrics, which Prometheus can read from its agents."""
        outside = ray.util.client.ray.is_connected()  # type: ignore[no-untyped-call]
        return RemoteMetrics(run) if outside else RayMetrics(run)

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._tasks.clear()
        ray.shutdown()
