"""The columns of the log that others ask for by name: states, figures and readouts."""

from dataclasses import dataclass

from model.tasks import AVERAGE, LAST
from search.config import AXES


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


Key = tuple[float, ...]
"""The values of a trial's hyperparameters, in the order of `AXES`."""

READOUTS = {
    LAST: Readout("last weights", "val_cost", "val_accuracy"),
    AVERAGE: Readout("averaged weights", "val_cost_avg", "val_accuracy_avg"),
}
"""All readouts, by the name that `select` has in a config; every trial is scored by each."""

COMPLETE, PRUNED, FAIL = "COMPLETE", "PRUNED", "FAIL"

FIGURES = tuple(name for readout in READOUTS.values() for name in (readout.cost, readout.accuracy))
"""The columns of the log that have a trial's costs and accuracies."""

STANDINGS_COLUMNS = ("number", "state", *AXES, *FIGURES)
"""The columns of the log that `Standings` are made of."""
