"""Trials in the order of a column, and the place of any of them in it."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.errors import ConfigError
from search.record import Coded, Column

Value = float | int | str | bool | None


def plain(value: Any) -> Value:
    """Return a value as JSON takes it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


@dataclass(frozen=True)
class Ranked:
    """A column by the places of its values.

    Attributes
    ----------
    values : list
        The distinct values in their order; a missing one comes last.
    places : ndarray of shape (n,), unsigned
        The place of each trial's value.
    """

    values: list[Value]
    places: NDArray[Any]

    @classmethod
    def of(cls, column: Coded) -> "Ranked":
        """Rank values of any types: those of a type together, missing ones last."""
        found = [plain(value) for value in column.values.tolist()]
        known: list[Any] = sorted(
            {v for v in found if v is not None}, key=lambda v: (type(v).__name__, v)
        )
        place: dict[Any, int] = {(type(value), value): i for i, value in enumerate(known)}
        missing = len(known)
        ranks = np.array([place.get((type(v), v), missing) for v in found], np.int64)
        # A value that no trial has any more may stand among those of a log that has shrunk.
        has_gaps = bool((ranks == missing).any())
        small = ranks.astype(np.min_scalar_type(max(len(known), 1)))
        return cls([*known, *([None] if has_gaps else [])], small[column.codes])

    @property
    def has_gaps(self) -> bool:
        """Whether a value may be missing."""
        return bool(self.values) and self.values[-1] is None


@dataclass(frozen=True)
class Order:
    """Trials in an order.

    Attributes
    ----------
    trials : ndarray of shape (n,), uint32
        Places of the trials in the columns of the table; equal ones by number, missing values last.
    column : ndarray or Ranked
        The column to sort by.
    numbers : ndarray of shape (n,), int64
        The numbers of the trials, in the order of the table.
    sign : float
        -1 where the greatest come first, else 1.
    """

    trials: NDArray[np.uint32]
    column: NDArray[Any] | Ranked
    numbers: NDArray[Any]
    sign: float

    @classmethod
    def of(
        cls,
        column: NDArray[Any] | Ranked,
        by_number: NDArray[np.uint32],
        numbers: Column,
        sign: float,
    ) -> "Order":
        """Put trials in order.

        Parameters
        ----------
        column : ndarray or Ranked
        by_number : ndarray of shape (n,)
            The trials in the order of their numbers.
        numbers : ndarray of shape (n,)
        sign : float
        """
        if isinstance(column, Ranked):
            keys = column.places[by_number]
            if sign < 0:  # what is missing stays last
                known = len(column.values) - column.has_gaps
                turned = [*range(known - 1, -1, -1), known]
                keys = np.array(turned, column.places.dtype)[keys]
            # With small numbers this counts instead of comparing.
            trials = by_number[np.argsort(keys, kind="stable")]
        else:
            trials = by_number[_stable(_keys(column[by_number], sign))]
        return cls(trials, column, np.asarray(numbers), sign)

    def _key(self, place: int) -> float:
        trial = self.trials[place]
        if isinstance(self.column, Ranked):
            rank = int(self.column.places[trial])
            return math.inf if self.column.values[rank] is None else self.sign * rank
        value = float(self.column[trial])
        return self.sign * value if math.isfinite(value) else math.inf

    @cached_property
    def _all(self) -> range:
        return range(len(self.trials))

    def cursor(self, place: int) -> list[Value]:
        """Return what names a trial in this order: its value and its number."""
        trial = self.trials[place]
        if isinstance(self.column, Ranked):
            value = self.column.values[int(self.column.places[trial])]
        else:
            value = plain(self.column[trial].item())
        return [value, int(self.numbers[trial])]

    def behind(self, cursor: Sequence[Value]) -> int:
        """Return the place behind a trial, which need not be there any more.

        Raises
        ------
        ConfigError
            If it is not a cursor of this order.
        """
        try:
            value, number = cursor
            key = self._key_of(value)
            if not isinstance(number, int):
                raise TypeError
            start = bisect_left(self._all, key, key=self._key)
            stop = bisect_right(self._all, key, start, key=self._key)
            return bisect_right(
                self._all, number, start, stop, key=lambda at: int(self.numbers[self.trials[at]])
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"{list(cursor)} is not a cursor of this order.") from error

    def _key_of(self, value: Value) -> float:
        if value is None:
            return math.inf
        if not isinstance(self.column, Ranked):
            if isinstance(value, str):
                raise TypeError
            return self.sign * value
        values = self.column.values
        if value in values:
            return self.sign * values.index(value)
        known: list[Any] = [v for v in values if v is not None]
        less = sum(1 for v in known if v < value)
        return self.sign * (less - 0.5)


def _keys(column: NDArray[Any], sign: float) -> NDArray[np.float64]:
    array = column.astype(np.float64)
    return np.where(np.isfinite(array), sign * array, np.inf)


def _stable(keys: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return what ``np.argsort(keys, kind="stable")`` does, in half of the time.

    Sorting without care for equal ones is twice as fast; then these, which are few or one run
    where values are missing, are put in their order.
    """
    order = np.argsort(keys)
    ordered = keys[order]
    again = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(again) > len(keys) // 4:
        return np.argsort(keys, kind="stable")
    if len(again):
        # Runs of equal ones: where they begin, and behind which they end.
        starts = again[np.diff(again, prepend=-2) > 1]
        ends = again[np.diff(again, append=len(keys) + 1) > 1] + 2
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            order[start:end].sort()
    return order


def by_number(numbers: NDArray[Any]) -> NDArray[np.uint32]:
    """Return the places of trials in the order of their numbers."""
    n = len(numbers)
    if n and int(numbers.min()) == 0 and int(numbers.max()) == n - 1:
        order = np.empty(n, np.uint32)  # each number is there once
        order[numbers] = np.arange(n, dtype=np.uint32)
        return order
    return np.argsort(numbers, kind="stable").astype(np.uint32)
