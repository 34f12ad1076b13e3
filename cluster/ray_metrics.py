"""Metrics that Ray's agents collect and Prometheus reads from them."""

import logging
from contextlib import suppress
from typing import Any

import ray
from ray.util.metrics import Gauge, Histogram

from cluster.metrics import Metric

log = logging.getLogger(__name__)


class RayMetrics:
    """Records the metrics of a run with Ray, until that fails once.

    Ray forgets a gauge that is not set again within two of its intervals.

    Parameters
    ----------
    run : str
        The value of the tag of that name.
    """

    def __init__(self, run: str) -> None:
        self._run, self._failed = run, False
        self._series: dict[Metric, Any] = {}

    def record(self, metric: Metric, value: float, tag: str = "") -> None:
        """Set a gauge, or add a value to a histogram; never fails."""
        if self._failed:
            return
        try:
            self._record(metric, value, tag)
        except Exception:  # whatever it is, a sweep should not end by it
            self._failed = True
            log.warning("No more metrics are recorded", exc_info=True)

    def _record(self, metric: Metric, value: float, tag: str) -> None:
        if metric not in self._series:
            self._series[metric] = _series(metric)
        tags = {"run": self._run} | ({metric.tag: tag} if metric.tag else {})
        series = self._series[metric]
        (series.set if metric.kind == "gauge" else series.observe)(value, tags)


class RemoteMetrics:
    """Records the metrics of a run from outside the cluster, by a process inside it.

    Parameters
    ----------
    run : str
        The value of the tag of that name.
    """

    def __init__(self, run: str) -> None:
        self._actor: Any = ray.remote(num_cpus=0, max_restarts=-1)(RayMetrics).remote(run)

    def record(self, metric: Metric, value: float, tag: str = "") -> None:
        """Set a gauge, or add a value to a histogram, a moment later; never fails."""
        with suppress(Exception):  # whatever it is, a sweep should not end by it
            self._actor.record.remote(metric, value, tag)


def _series(metric: Metric) -> Any:
    if metric.kind == "gauge":
        return Gauge(metric.name, metric.meaning, metric.tags)
    return Histogram(metric.name, metric.meaning, list(metric.bounds), metric.tags)
