"""The run that a report is about: its log, its settings, its summary and its data set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from model.data.dataset import Dataset
from search.config import SweepConfig
from search.record import FAIL, READOUTS, Manifest, RunFolder, Summary, TrialLog
from search.report.axis import Axis

Columns = Mapping[str, NDArray[Any]]
"""Columns of the log by name, in the order of the trials' numbers."""

_COLUMNS = (
    "train_cost", "last_cost", "last_epoch", "reports",
    "pack", "node", "started_at", "finished_at", "error", "source",
)  # fmt: skip


@dataclass(frozen=True)
class Measure:
    """What charts show of costs, of which the lowest is the best.

    Attributes
    ----------
    name : str
        As the texts of a chart have it.
    title : str
        As an axis has it.
    sign : float
        -1 for scores, of which the highest is the best: a cost is a score with the other sign.
    """

    name: str = "cost"
    title: str = "validation cost"
    sign: float = 1.0

    def shown(self, costs: Any) -> Any:
        """Return what is shown of costs."""
        return self.sign * costs

    def ends(self, low: float, high: float) -> list[float]:
        """Return the ends of an axis from one cost to another, the smaller number first."""
        return sorted((self.sign * low, self.sign * high))


COSTS = Measure()
SCORES = Measure("score", "mean test score", -1.0)


class Drawn(Protocol):
    """Trials as charts see them: those of a run, or the candidates of a search.

    Charts call it, and change nothing.
    """

    @property
    def trials(self) -> Columns:
        """Columns by name, ``val_cost`` and those of the axes among them."""

    @property
    def axes(self) -> Mapping[str, Axis]:
        """One for each hyperparameter."""

    @property
    def varying(self) -> list[Axis]:
        """Those that have more than one value."""

    @property
    def measure(self) -> Measure:
        """What is shown of costs."""


@dataclass(frozen=True)
class RunData:
    """A finished run as its report sees it.

    Attributes
    ----------
    folder : RunFolder
    manifest : Manifest
    config : SweepConfig
    summary : Summary
    trials : Columns
    compared : ndarray of shape (n,), float64
        The value of each trial's objective, by which the best ones are told; the charts show costs.
    axes : dict of str to Axis
        One for each hyperparameter.
    data : Dataset or None
        The data set; None where it cannot be had.
    """

    folder: RunFolder
    manifest: Manifest
    config: SweepConfig
    summary: Summary
    trials: Columns
    compared: NDArray[np.float64]
    axes: dict[str, Axis]
    data: Dataset | None

    @classmethod
    def read(
        cls,
        folder: RunFolder,
        manifest: Manifest,
        trial_log: TrialLog,
        summary: Summary,
        data: Dataset | None,
    ) -> Self:
        """Read the log.

        Raises
        ------
        StoreError
            If it cannot be read.
        """
        config = SweepConfig.from_dict(manifest.config)
        layout = trial_log.layout
        stds = (f"{readout.cost}_std" for readout in layout.readouts.values())
        names = (*layout.standings, *stds, *_COLUMNS)
        columns = trial_log.columns(*names)
        order = np.argsort(columns[0])
        trials = {name: column[order] for name, column in zip(names, columns, strict=True)}
        # The sections show the readout that selects, in the columns of the last weights.
        readout = READOUTS[config.select]
        trials["val_cost"], trials["val_accuracy"] = trials[readout.cost], trials[readout.accuracy]
        trials["val_cost_std"] = trials[f"{readout.cost}_std"]
        compared = trials[layout.compared].astype(np.float64)
        if not layout.objective.is_cost:
            trials["reports"] = np.full(len(order), None)  # these are not costs
        axes = {
            name: Axis.of(name, axis, has_gaps=_has_gaps(trials[name]))
            for name, axis in config.axes_by_name.items()
        }
        return cls(folder, manifest, config, summary, trials, compared, axes, data)

    @property
    def measure(self) -> Measure:
        """Costs, as they are."""
        return COSTS

    @property
    def varying(self) -> list[Axis]:
        """The hyperparameters that have more than one value."""
        return [axis for axis in self.axes.values() if axis.varies]


def _has_gaps(values: NDArray[Any]) -> bool:
    """Whether some trials lack a hyperparameter, as those of another table of the space do."""
    if values.dtype == object:
        return any(value is None for value in values.tolist())
    return bool(np.isnan(values).any()) if values.dtype.kind == "f" else False


def outcomes(trials: Columns) -> NDArray[np.float64]:
    """Return the cost of each trial, infinite where it diverged, NaN where it was pruned."""
    return np.where(trials["state"] == FAIL, np.inf, trials["val_cost"].astype(np.float64))


def best_first(costs: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the indices of the finite costs, the lowest cost first, equal ones in their order."""
    finite = np.flatnonzero(np.isfinite(costs))
    return finite[np.argsort(costs[finite], kind="stable")]


def thinned(costs: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """Return the indices of at most `most` trials with a finite cost, the best trial last.

    The best trials make up a tenth of them; the others are evenly spread over the rest.
    """
    order = best_first(costs)
    if len(order) > most:
        kept = most // 10
        rest = np.linspace(kept, len(order) - 1, most - kept).astype(int)
        order = np.concatenate([order[:kept], order[rest]])
    return order[::-1]


def clip_of(costs: NDArray[np.float64], quantile: float = 0.8) -> tuple[float, float]:
    """Return the ends of the colour scale: the lowest cost, and a quantile of the costs.

    Otherwise a few trials that nearly diverged would take all the colours.
    """
    finite = costs[np.isfinite(costs)]
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(np.quantile(finite, quantile))
    return low, high if high > low else low + max(abs(low), 1e-6) * 1e-3
