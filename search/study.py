"""What is known of the trials so far."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.store import COMPLETE, FAIL


@dataclass(frozen=True)
class BestTrial:
    """The trial with the lowest validation cost, the lowest number where several share it.

    Attributes
    ----------
    number : int
    value : float
        Its validation cost.
    accuracy : float
        Fraction of the validation images classified correctly.
    """

    number: int
    value: float
    accuracy: float


@dataclass
class Study:
    """Counts trials by state and keeps the best; flat in the number of trials.

    Attributes
    ----------
    total : int
        Trials of the sweep.
    states : Counter
        Final trials by state.
    best_trial : BestTrial or None
    """

    total: int
    states: Counter[str] = field(default_factory=Counter)
    best_trial: BestTrial | None = None

    @property
    def finished(self) -> int:
        """Number of trials with a final row."""
        return self.states.total()

    def tell(
        self, numbers: NDArray[np.int64], values: NDArray[Any], accuracies: NDArray[Any]
    ) -> None:
        """Take the validation costs of some trials; one that is not finite has failed."""
        complete = np.isfinite(values)
        self.states[COMPLETE] += int(complete.sum())
        self.states[FAIL] += int((~complete).sum())
        if not complete.any():
            return
        numbers, values, accuracies = numbers[complete], values[complete], accuracies[complete]
        i = np.lexsort([numbers, values])[0]
        new = BestTrial(int(numbers[i]), float(values[i]), float(accuracies[i]))
        old = self.best_trial
        if old is None or (new.value, new.number) < (old.value, old.number):
            self.best_trial = new
