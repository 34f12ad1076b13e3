"""The grid of hyperparameters: from a trial's number to its params."""

import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import GetCoreSchemaHandler, StrictBool, StrictFloat, StrictInt, StrictStr
from pydantic_core import core_schema

from model.trainers import Value

EPOCHS = "epochs"
"""The hyperparameter that every trainer has: how long a trial is trained."""


class Params(Mapping[str, Value]):
    """The hyperparameters of one trial by name, as a value.

    Examples
    --------
    >>> params = Params(learning_rate=0.1, epochs=5)
    >>> params["learning_rate"], params.epochs
    (0.1, 5)
    >>> params == Params(epochs=5, learning_rate=0.1)
    True
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Value] = {}, /, **more: Value) -> None:
        self._values = {**values, **more}

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Read them back from JSON: a table of names and values, and nothing converted."""
        del source
        table = handler.generate_schema(dict[StrictStr, StrictBool | StrictInt | StrictFloat | str])
        return core_schema.no_info_after_validator_function(cls, table)

    def __repr__(self) -> str:
        return f"Params({', '.join(f'{name}={value!r}' for name, value in self.items())})"

    @property
    def epochs(self) -> int:
        """Passes over the training rows, or rounds."""
        return int(self._values[EPOCHS])


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


Axis = tuple[Any, ...] | Range
"""The values of a hyperparameter, or the range that they come from."""


def dtype_of(name: str, axis: Axis) -> np.dtype[Any]:
    """Return the type of a hyperparameter's values, as the log stores them.

    Whole numbers as narrow as they may be, so that a column goes into the log without a copy.
    """
    values = (axis.low, axis.high) if isinstance(axis, Range) else axis
    if all(isinstance(value, bool) for value in values):
        return np.dtype(bool)
    if all(isinstance(value, int) for value in values):
        narrow = name == EPOCHS or all(-(2**31) <= value < 2**31 for value in values)
        return np.dtype(np.int32 if narrow else np.int64)
    if all(isinstance(value, int | float) for value in values):
        return np.dtype(np.float64)
    return np.dtype(object)


class SearchSpace:
    """Every combination of the given values, none of them stored.

    Combination number i is the i-th of ``itertools.product(*values)``: the digits of i in the
    mixed radix of the lengths, the last hyperparameter the fastest. This number is the
    ``trial.number`` of a grid trial, so the order is part of the log's format. A space of several
    tables has the combinations of one after those of the other.

    Parameters
    ----------
    *tables : mapping of str to tuple
        The values of each hyperparameter, without duplicates; not every table needs to have each.
    **axes : tuple
        The only table, in their order.

    Attributes
    ----------
    tables : tuple of dict of str to tuple
    axes : dict of str to tuple
        The values of each hyperparameter over all tables, each once.

    Examples
    --------
    >>> first, second = {"kind": ("a", "b"), "epochs": (1, 2)}, {"kind": ("c",), "epochs": (3,)}
    >>> space = SearchSpace(first, second)
    >>> len(space), space[1], space[4]
    (5, Params(kind='a', epochs=2), Params(kind='c', epochs=3))
    """

    __slots__ = ("_ends", "axes", "tables")

    def __init__(self, *tables: Mapping[str, Sequence[Any]], **axes: Sequence[Any]) -> None:
        self.tables = tuple(
            {name: tuple(values) for name, values in table.items()} for table in tables or (axes,)
        )
        names = dict.fromkeys(name for table in self.tables for name in table)
        self.axes: dict[str, tuple[Any, ...]] = {
            name: tuple(dict.fromkeys(v for table in self.tables for v in table.get(name, ())))
            for name in names
        }
        # Where the combinations of each table end.
        self._ends = tuple(accumulate(math.prod(_shape(table)) for table in self.tables))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self.tables == other.tables

    def __hash__(self) -> int:
        return hash(tuple(tuple(table.items()) for table in self.tables))

    def __len__(self) -> int:
        return self._ends[-1]

    def __iter__(self) -> Iterator[Params]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> Params:
        """Return the params of one combination, by divmod.

        Parameters
        ----------
        number : int
            From 0 to ``len(self) - 1``. A negative one is not a trial number.

        Returns
        -------
        Params
            Without the hyperparameters that its table does not have.

        Raises
        ------
        IndexError
            If `number` is out of range.
        """
        rest = operator.index(number)
        if not 0 <= rest < len(self):
            raise IndexError(self._out_of_range(rest))
        which = next(i for i, end in enumerate(self._ends) if rest < end)
        rest -= self._ends[which - 1] if which else 0
        table, chosen = self.tables[which], {}
        for name in reversed(table):
            rest, position = divmod(rest, len(table[name]))
            chosen[name] = table[name][position]
        return Params({name: chosen[name] for name in table})

    def columns(self, numbers: NDArray[np.integer] | None = None) -> dict[str, NDArray[Any]]:
        """Return the params of many combinations at once, as the log stores them.

        Parameters
        ----------
        numbers : ndarray of integers, any shape, optional
            Which combinations; all of them, in order, when left out.

        Returns
        -------
        dict of str to ndarray
            One array in the shape of `numbers` per hyperparameter, in the order of `axes`, of the
            type that `dtype_of` says. Where a trial's table lacks one, the array holds objects,
            and None for that trial.

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
        if len(self.tables) == 1:
            return _columns(self.tables[0], self.axes, numbers)
        found = {name: np.full(numbers.shape, None, object) for name in self.axes}
        begin = 0
        for table, end in zip(self.tables, self._ends, strict=True):
            mine = (begin <= numbers) & (numbers < end)
            for name, values in _columns(table, self.axes, numbers[mine] - begin).items():
                found[name][mine] = values.tolist()
            begin = end
        return {name: _narrowed(name, self.axes[name], values) for name, values in found.items()}

    def _check_range(self, numbers: NDArray[np.integer]) -> None:
        wrong = numbers[(numbers < 0) | (numbers >= len(self))]
        if wrong.size:
            raise IndexError(self._out_of_range(int(wrong.flat[0])))

    def _out_of_range(self, number: int) -> str:
        return f"There is no trial {number}: the grid has {len(self)} trials, numbered from 0."


def _shape(table: Mapping[str, Sequence[Any]]) -> tuple[int, ...]:
    return tuple(len(values) for values in table.values())


def _columns(
    table: Mapping[str, Sequence[Any]], axes: Mapping[str, Axis], numbers: NDArray[np.integer]
) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = dict.fromkeys(table, numbers)
    rest = numbers
    for name in reversed(found):  # np.unravel_index takes 64 hyperparameters at most
        rest, position = np.divmod(rest, len(table[name]))
        found[name] = np.array(table[name], dtype_of(name, axes[name]))[position]
    return found


def _narrowed(name: str, axis: Axis, values: NDArray[Any]) -> NDArray[Any]:
    """Return objects as the type of their axis, if none of them is missing."""
    is_missing = any(value is None for value in values.flat)
    return values if is_missing else values.astype(dtype_of(name, axis))
