"""The columns of the log that others ask for by name: states, figures and readouts."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from model.examples import AVERAGE, LAST, READOUT_NAMES
from search.config import ACCURACY, BY_COST, COST, Objective


@dataclass(frozen=True)
class Readout:
    """One way to read the weights.

    Attributes
    ----------
    title : str
        The name that people read.
    cost, accuracy : str
        The columns of the log that have its validation cost and accuracy.
    """

    title: str
    cost: str
    accuracy: str


Key = tuple[Any, ...]
"""The values of a trial's hyperparameters, in their order."""

READOUTS = {
    LAST: Readout("last weights", "val_cost", "val_accuracy"),
    AVERAGE: Readout("averaged weights", "val_cost_avg", "val_accuracy_avg"),
}
"""All readouts, by the name that `select` has in a config; every trial is scored by each."""

COMPLETE, PRUNED, FAIL = "COMPLETE", "PRUNED", "FAIL"


DIVERGED = "diverged"
"""The reason of a trial whose cost is not finite; trained again it would be the same."""


@dataclass(frozen=True)
class Layout:
    """The columns of a log that depend on its trainer.

    Attributes
    ----------
    dtypes : tuple of (str, str)
        The name of each hyperparameter and the type of its values, slowest axis first.
    readout_names : tuple of str
        The readouts by which a trial is scored; see `READOUTS`.
    metrics : tuple of str
        What is known of a trial beside cost and accuracy: what the sweep asks for, and what its
        trainer returns of itself.
    objective : Objective
        The metric by which trials are compared.
    select : str
        The readout by whose figures they are; see `READOUTS`.
    """

    dtypes: tuple[tuple[str, str], ...]
    readout_names: tuple[str, ...] = READOUT_NAMES
    metrics: tuple[str, ...] = ()
    objective: Objective = BY_COST
    select: str = LAST

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """The names of the hyperparameters."""
        return tuple(name for name, _ in self.dtypes)

    @cached_property
    def readouts(self) -> dict[str, Readout]:
        """The readouts by which a trial is scored, by name."""
        return {name: READOUTS[name] for name in self.readout_names}

    @cached_property
    def figures(self) -> tuple[str, ...]:
        """The columns that have a trial's costs, accuracies and other metrics."""
        pairs = [name for r in self.readouts.values() for name in (r.cost, r.accuracy)]
        return (*pairs, *(metric_column(name) for name in self.metrics))

    @cached_property
    def readout(self) -> Readout:
        """The readout by which trials are compared."""
        return READOUTS[self.select]

    @cached_property
    def compared(self) -> str:
        """The column by which trials are compared."""
        columns = {COST: self.readout.cost, ACCURACY: self.readout.accuracy}
        return columns.get(self.objective.name) or metric_column(self.objective.name)

    @property
    def sign(self) -> float:
        """By what the values of that column are multiplied such that the least is the best."""
        return -1.0 if self.objective.greater else 1.0

    @cached_property
    def standings(self) -> tuple[str, ...]:
        """The columns that `Standings` are made of."""
        return ("number", "state", *self.axes, *self.figures)

    def dtype(self, name: str) -> np.dtype[Any]:
        """Return the type of a hyperparameter's values."""
        return np.dtype(dict(self.dtypes)[name])


def metric_column(name: str) -> str:
    """Return the column of a metric that a trainer returns."""
    return f"val_{name}"


SOFTMAX_LAYOUT = Layout(
    (("batch_size", "<i4"), ("learning_rate", "<f8"), ("epochs", "<i4"), ("alpha", "<f8"))
)
"""The columns of the softmax trainer's log."""
