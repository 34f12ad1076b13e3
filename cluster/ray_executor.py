"""Work on a Ray cluster, local or joined by its address."""

import logging
import os
import socket
from collections.abc import Callable, Hashable
from typing import Any

from cluster.blas import one_blas_thread
from cluster.errors import ClusterError
from cluster.executor import Finished, Lost, available_cores
from cluster.metrics import Metrics

# Before ray is imported: nothing is reported to anybody, and no notice about it printed.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
# Metrics are told every two seconds instead of ten: many sweeps take no minute.
os.environ.setdefault("RAY_metrics_report_interval_ms", "2000")

import ray

from cluster.ray_metrics import RayMetrics

_KNOCK_SECONDS = 5.0


def _node_address() -> str:
    address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    return address


def _run(detail: str, function: Callable[..., Any], *args: Any) -> tuple[str, Any]:
    if detail:
        print(detail, flush=True)  # noqa: T201  (the dashboard shows it on the task's page)
    with one_blas_thread():
        return _node_address(), function(*args)


def _check_reachable(address: str) -> None:
    """Knock before Ray does, which would try for minutes and fill the terminal.

    Raises
    ------
    ClusterError
        If nothing answers.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not port.isdigit():
        return  # "auto" and the like name no place
    try:
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"No Ray cluster answers at {address}: {error}. Check the address (`ray start --head` "
            "prints it) and that this machine reaches it, or leave --address out."
        ) from error


class RayExecutor:
    """Runs tasks as Ray tasks of one core each.

    Ray's own retries are off: a lost task is reported, so that the attempt is
    counted and starts from the newest checkpoint.

    Parameters
    ----------
    address : str, optional
        A cluster to join; left out, one is started here and ends with `close`.
    workers : int, optional
        Tasks at the same time; all cores where left out.

    Raises
    ------
    ClusterError
        If no cluster can be started or joined.
    """

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        if address is not None:
            _check_reachable(address)
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address is None:
            options |= {"num_cpus": workers or available_cores(), "include_dashboard": True}
        try:
            context = ray.init(address=address or "local", **options)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            where = f"the Ray cluster at {address}" if address else "a local Ray cluster"
            raise ClusterError(
                f"Cannot use {where}: {error}. Check that it runs and can be reached, or use "
                "--executor serial."
            ) from error
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self.workers = workers or int(resources.get("CPU", 1))
        url = context.dashboard_url
        self.dashboard_url: str | None = f"http://{url}" if url else None
        self._task = ray.remote(num_cpus=1, max_retries=0)(_run)
        self._keys: dict[Any, Hashable] = {}

    def share(self, value: Any) -> Any:
        """Put a value into the object store; tasks read its arrays there without a copy."""
        return ray.put(value)

    def submit(self, key: Hashable, name: str, function: Callable[..., Any], *args: Any) -> None:
        """Queue a call as a Ray task with the name of its kind.

        The dashboard has one bar of progress for all tasks of the same name.
        """
        kind, _, detail = name.partition(": ")
        self._keys[self._task.options(name=kind).remote(detail, function, *args)] = key

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
        return RayMetrics(run)

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._keys.clear()
        ray.shutdown()
