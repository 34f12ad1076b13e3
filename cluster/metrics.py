"""The metrics of a sweep, and the place where they are recorded."""

from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["gauge", "histogram"]


@dataclass(frozen=True)
class Metric:
    """One line of the table in docs/monitoring.md.

    Counts are gauges too: Ray's counters cannot show that nothing has happened yet.

    Attributes
    ----------
    name : str
        Its name as this program records it.
    kind : str
        A gauge shows how things stand, a histogram how often which values came.
    meaning : str
        Its description in Prometheus and in the documentation.
    tag : str or None
        The tag that tells its series apart, besides the run.
    bounds : tuple of float
        Upper ends of a histogram's buckets.
    """

    name: str
    kind: Kind
    meaning: str
    tag: str | None = None
    bounds: tuple[float, ...] = ()

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags."""
        return ("run", self.tag) if self.tag else ("run",)

    @property
    def exported(self) -> str:
        """Its name in Prometheus: Ray puts its own name before all of its metrics."""
        return f"ray_{self.name}"


TRIALS = Metric("packsweep_trials", "gauge", "Trials in the log", tag="state")
PLANNED = Metric("packsweep_trials_planned", "gauge", "Trials of the whole sweep")
BEST = Metric("packsweep_best_val_cost", "gauge", "Lowest validation cost so far")
TRIALS_RATE = Metric(
    "packsweep_trials_per_second", "gauge", "Trials logged a second, over the last minute"
)
GFLOPS = Metric(
    "packsweep_gflops", "gauge", "GFLOP/s of a worker, by the links logged in the last minute"
)
WORKERS = Metric("packsweep_workers", "gauge", "Links that can run at the same time")
BUSY = Metric("packsweep_workers_busy", "gauge", "Workers that have a link to run")
LOST = Metric("packsweep_links_lost", "gauge", "Links tried again since they were lost")
LINK_SECONDS = Metric(
    "packsweep_link_seconds", "histogram", "Compute time of a link, seconds", tag="batch_size",
    bounds=(0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0, 40.0, 80.0),
)  # fmt: skip
FLUSH_SECONDS = Metric(
    "packsweep_flush_seconds", "histogram", "Time to make a link durable, seconds",
    bounds=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0),
)  # fmt: skip

METRICS = (
    TRIALS, PLANNED, BEST, TRIALS_RATE, GFLOPS, WORKERS, BUSY, LOST, LINK_SECONDS, FLUSH_SECONDS,
)  # fmt: skip
"""All there are."""


class Metrics(Protocol):
    """Where the metrics of one run are recorded."""

    def record(self, metric: Metric, value: float, tag: str = "") -> None:
        """Set a gauge, or add a value to a histogram; never fails.

        Parameters
        ----------
        metric : Metric
        value : float
        tag : str, optional
            The value of the metric's own tag, where it has one.
        """


class NoMetrics:
    """Records nothing: nobody could read it."""

    def record(self, metric: Metric, value: float, tag: str = "") -> None:
        """Do nothing."""
