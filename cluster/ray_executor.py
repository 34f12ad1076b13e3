"""Work on a Ray cluster, local or joined by its address."""

import math
import time
from collections.abc import Callable, Hashable
from typing import Any

import ray

from cluster.blas import one_blas_thread
from cluster.connection import cluster_address, connect
from cluster.executor import Finished, Lost
from cluster.metrics import Metrics
from cluster.ray_metrics import RayMetrics, RemoteMetrics
from cluster.versions import Versions, check_versions, library_versions

# How long the number of workers is believed: a machine may join or leave at any time.
_COUNT_SECONDS = 0.5


def _node_address() -> str:
    address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    return address


def _run(
    detail: str, versions: Versions, function: Callable[..., Any], *args: Any
) -> tuple[str, Any]:
    node = _node_address()
    check_versions(versions, node)
    if detail:
        print(detail, flush=True)  # noqa: T201  (the dashboard shows it on the task's page)
    with one_blas_thread():
        return node, function(*args)


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
        self.dashboard_url = connect(cluster_address(address), workers)
        self._limit = workers
        self._counted, self._count = -math.inf, 1
        self._task = ray.remote(num_cpus=1, max_retries=0)(_run)
        self._keys: dict[Any, Hashable] = {}

    @property
    def workers(self) -> int:
        """Tasks at the same time: as many as was asked for, or all cores that there are now."""
        if self._limit:
            return self._limit
        now = time.monotonic()
        if now > self._counted + _COUNT_SECONDS:
            resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
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
        kind, _, detail = name.partition(": ")
        self._keys[
            self._task.options(name=kind).remote(detail, library_versions(), function, *args)
        ] = key

    def wait(self, timeout: float) -> list[Finished | Lost]:
        """Collect all tasks that have ended, waiting up to `timeout` seconds for one."""
        if not self._keys:
            return []
        first, _ = ray.wait(list(self._keys), num_returns=1, timeout=timeout)
        if not first:
            return []
        ready, _ = ray.wait(list(self._keys), num_returns=len(self._keys), timeout=0)
        return [self._collect(reference) for reference in ready]

    def _collect(self, reference: Any) -> Finished | Lost:
        key = self._keys.pop(reference)
        try:
            node, value = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except ray.exceptions.RayError as error:
            return Lost(key, f"{type(error).__name__}: {str(error).splitlines()[0]}")
        return Finished(key, value, node)

    def metrics(self, run: str) -> Metrics:
        """Return Ray's metrics, which Prometheus can read from its agents."""
        outside = ray.util.client.ray.is_connected()  # type: ignore[no-untyped-call]
        return RemoteMetrics(run) if outside else RayMetrics(run)

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._keys.clear()
        ray.shutdown()
