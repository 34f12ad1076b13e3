"""The grid of hyperparameters: from a trial's number to its params."""

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Params:
    """The hyperparameters of one trial.

    Attributes
    ----------
    batch_size : int
        Rows in a mini-batch.
    learning_rate : float
        Step length, on the features that the trainer sees.
    epochs : int
        Passes over the training rows.
    alpha : float
        Strength of the L2 penalty on the weights.
    """

    batch_size: int
    learning_rate: float
    epochs: int
    alpha: float


AXES = tuple(field.name for field in fields(Params))
"""The names of the hyperparameters, slowest axis of the grid first."""

TRAJECTORY_AXES = tuple(name for name in AXES if name != "epochs")
"""What makes a trajectory: trials that agree in these share one, and differ in epochs alone."""

COLUMN_AXES = tuple(name for name in TRAJECTORY_AXES if name != "batch_size")
"""What tells the columns of a pack apart: all of them have the pack's batch size."""

# As narrow as the log's columns, so that a column goes there without a copy.
DTYPES = {
    "batch_size": np.int32,
    "learning_rate": np.float64,
    "epochs": np.int32,
    "alpha": np.float64,
}


@dataclass(frozen=True, slots=True)
class Label:
    """What people call a hyperparameter.

    Attributes
    ----------
    short : str
        Head of a column where there is little room.
    title : str
        Title of an axis or of a column.
    long : str
        Name in a sentence, as in "the best number of epochs".
    """

    short: str
    title: str
    long: str


LABELS = {
    "epochs": Label("epochs", "epochs", "number of epochs"),
    "alpha": Label("alpha", "alpha", "alpha"),
    "learning_rate": Label("rate", "learning rate", "learning rate"),
    "batch_size": Label("batch", "mini-batch size", "mini-batch size"),
}
"""The labels of the hyperparameters, in the order in which a result has always named them."""


@dataclass(frozen=True, slots=True)
class Range:
    """All numbers of one hyperparameter between two, for samplers that choose freely.

    Whole numbers where the hyperparameter is one.

    Attributes
    ----------
    low, high : float
        The ends, both included.
    log : bool
        Whether equal ratios count the same, rather than equal differences.
    step : float or None
        Only low, low + step, ..., high; never with `log`.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __str__(self) -> str:
        extra = ", log" if self.log else "" if self.step is None else f", step {self.step}"
        return f"{self.low} .. {self.high}{extra}"


@dataclass(frozen=True)
class SearchSpace:
    """Every combination of the given values, none of them stored.

    Combination number i is the i-th of ``itertools.product(batch_size,
    learning_rate, epochs, alpha)``: the digits of i in the mixed radix of the
    four lengths, alpha the last and fastest. This number is the
    ``trial.number`` of a grid trial, so the order is part of the log's format.

    Attributes
    ----------
    batch_size, learning_rate, epochs, alpha : tuple
        The values of each hyperparameter, without duplicates.
    """

    batch_size: tuple[int, ...]
    learning_rate: tuple[float, ...]
    epochs: tuple[int, ...]
    alpha: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each hyperparameter has, in the order of `AXES`."""
        return tuple(len(getattr(self, name)) for name in AXES)

    def __len__(self) -> int:
        return math.prod(self.shape)

    def __iter__(self) -> Iterator[Params]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> Params:
        """Return the params of one combination, by divmod.

        Parameters
        ----------
        number : int
            From 0 to ``len(self) - 1``. A negative one is no trial number.

        Returns
        -------
        Params

        Raises
        ------
        IndexError
            If `number` is out of range.
        """
        rest = operator.index(number)
        if not 0 <= rest < len(self):
            raise IndexError(self._out_of_range(rest))
        chosen: dict[str, Any] = {}
        for name in reversed(AXES):
            values = getattr(self, name)
            rest, position = divmod(rest, len(values))
            chosen[name] = values[position]
        return Params(**chosen)

    def columns(self, numbers: NDArray[np.integer] | None = None) -> dict[str, NDArray[Any]]:
        """Return the params of many combinations at once, as the log stores them.

        Parameters
        ----------
        numbers : ndarray of integers, any shape, optional
            Which combinations; all of them, in order, when left out.

        Returns
        -------
        dict of str to ndarray
            One array in the shape of `numbers` per hyperparameter, in the order
            of `AXES`: int32 for batch_size and epochs, float64 for the others.

        Raises
        ------
        IndexError
            If a number is out of range.
        TypeError
            If `numbers` does not hold integers (a boolean mask, say).
        """
        if numbers is None:
            numbers = np.arange(len(self))
        if not np.issubdtype(numbers.dtype, np.integer):
            raise TypeError(f"numbers must be integers, not {numbers.dtype}; try np.flatnonzero.")
        self._check_range(numbers)
        positions = np.unravel_index(numbers, self.shape)
        return {
            name: np.array(getattr(self, name), dtype=DTYPES[name])[position]
            for name, position in zip(AXES, positions, strict=True)
        }

    def _check_range(self, numbers: NDArray[np.integer]) -> None:
        wrong = numbers[(numbers < 0) | (numbers >= len(self))]
        if wrong.size:
            raise IndexError(self._out_of_range(int(wrong.flat[0])))

    def _out_of_range(self, number: int) -> str:
        return f"There is no trial {number}: the grid has {len(self)} trials, numbered from 0."
