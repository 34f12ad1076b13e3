"""How the trials stand: how many have ended in which state, and which are the best."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.config import Params
from search.plan import NO_TRIAL
from search.record.log import SOFTMAX_LAYOUT, Layout, metric_column

TOP = 10
"""How many of the best trials are kept and shown."""


@dataclass(frozen=True)
class BestTrial:
    """One of the best trials.

    Attributes
    ----------
    number : int
    params : Params
    value : float
        The value of the objective by which it is one of the best: its validation cost, or another
        metric.
    val_cost, val_accuracy : float
        Validation cost of the last weights, and the fraction of images they classify correctly.
    val_cost_avg, val_accuracy_avg : float or None
        Validation cost and accuracy of the averaged weights, where the trainer has them.
    metrics : dict of str to float, or None
        What else is known of it; None where nothing is.
    """

    number: int
    params: Params
    value: float
    val_cost: float
    val_accuracy: float
    val_cost_avg: float | None = None
    val_accuracy_avg: float | None = None
    metrics: Mapping[str, float] | None = None


@dataclass
class Standings:
    """Counts of trials by state, and the ten best; flat in the number of trials.

    A trial is counted once, after its final row is durable.

    Attributes
    ----------
    total : int
        Number of trials of the sweep.
    layout : Layout
        The columns of the log that depend on the trainer; by one of them trials are compared.
    states : Counter
        Number of trials with a final row, by their state.
    top : list of BestTrial
        At most `TOP` trials, the best first; of trials with the same value the lowest number.
    closed : ndarray of shape (total + 1,), bool
        Whether a trial has its final row; the last entry, true, is that of `NO_TRIAL`.
    """

    total: int
    layout: Layout = SOFTMAX_LAYOUT
    # Their sum is the number of entries of `closed` that are true, but for the last.
    states: Counter[str] = field(default_factory=Counter)
    # Only closed trials, sorted by the objective and number.
    top: list[BestTrial] = field(default_factory=list)
    # Entries only ever become true.
    closed: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.closed = np.zeros(self.total + 1, bool)
        self.closed[NO_TRIAL] = True

    @property
    def finished(self) -> int:
        """Number of trials with a final row."""
        return self.states.total()

    @property
    def select(self) -> str:
        """Name of the readout by which trials are compared."""
        return self.layout.select

    @property
    def best_trial(self) -> BestTrial | None:
        """The best trial."""
        return self.top[0] if self.top else None

    @property
    def best_cost(self) -> float | None:
        """The validation cost of the best trial by the readout that selects."""
        return getattr(self.best_trial, self.layout.readout.cost) if self.best_trial else None

    def count(self, rows: Mapping[str, Any]) -> None:
        """Count the final rows of some trials.

        Parameters
        ----------
        rows : mapping of str to array
            The columns `Layout.standings` of the log.
        """
        self.closed[rows["number"]] = True
        self.states.update(rows["state"].tolist())
        selected, sign = self.layout.compared, self.layout.sign
        complete = np.flatnonzero(np.isfinite(rows[selected]))
        if not len(complete):
            return
        names = ("number", *self.layout.axes, *self.layout.figures)
        columns = {name: np.asarray(rows[name])[complete] for name in names}
        best = np.lexsort([columns["number"], sign * columns[selected]])[:TOP]
        new = [
            self._trial({name: _plain(values[i]) for name, values in columns.items()}, selected)
            for i in best
        ]
        self.top = sorted([*self.top, *new], key=lambda t: (sign * t.value, t.number))[:TOP]

    def _trial(self, row: Mapping[str, Any], selected: str) -> BestTrial:
        axes = {name: row[name] for name in self.layout.axes}
        present = {name: value for name, value in axes.items() if value is not None}
        dtypes = dict(self.layout.dtypes)
        params = Params({n: _of_type(value, dtypes[n]) for n, value in present.items()})
        pairs = [(r.cost, r.accuracy) for r in self.layout.readouts.values()]
        figures = {name: row[name] for pair in pairs for name in pair}
        found = {name: row[metric_column(name)] for name in self.layout.metrics}
        others = {name: value for name, value in found.items() if value is not None}
        return BestTrial(row["number"], params, row[selected], **figures, metrics=others or None)


def _plain(value: Any) -> Any:
    """Return a value of Python's; None for one that is missing, which arrays may hold as NaN."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if value != value else value  # noqa: PLR0124 - NaN is not itself


def _of_type(value: Any, dtype: str) -> Any:
    """Return a whole number as one where a column with missing values has made it a float."""
    return value if np.dtype(dtype).hasobject else np.dtype(dtype).type(value).item()
