"""Trials in bins: what a page draws of any number of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.errors import ConfigError
from search.view.ordered import Value, plain
from search.view.trial_table import TrialTable

MOST_BINS = 32
"""Bins of an axis at most: one for each value where there are no more."""

MOST_CELLS = 2800
"""Pairs of bins that an answer has at most, so that its size depends on nothing."""

MOST_AXES = 12
"""Hyperparameters that are drawn at most: with more there would be too few bins of each."""

BEST = 1000
"""Trials that are told one by one, the best ones."""

# Answers of a table that are kept, for the many who look at the same.
_KEPT = 8


@dataclass(frozen=True)
class Axis:
    """An axis with its bins.

    Attributes
    ----------
    name : str
        A hyperparameter or a metric.
    bins : sequence
        The value of each bin, or the least and the greatest value of each; None is that of trials
        without a value.
    """

    name: str
    bins: Sequence[Value | Sequence[Value]]


@dataclass(frozen=True)
class Bins:
    """Trials in bins.

    Attributes
    ----------
    total : int
        Trials that have a row.
    within : int
        Trials with a row that are in the requested ranges.
    axes : sequence of Axis
        The hyperparameters, and last the cost.
    pairs : sequence of dict
        For each two axes: their names, and for each pair of bins with a trial the two bins,
        how many trials there are, and the least and the mean of their costs, None where no trial
        has one. Between neighbours of parallel coordinates these are ribbons.
    best : sequence of list
        The number and the cost of the best trials, and their bin on each axis, the best first.
    left_out : sequence of str
        Hyperparameters that are none of the axes, because there are too many.
    """

    total: int
    within: int
    axes: Sequence[Axis]
    pairs: Sequence[dict[str, Any]]
    best: Sequence[list[Value]]
    left_out: Sequence[str]


def binned(
    table: TrialTable,
    ranges: Mapping[str, tuple[int, int]] | None = None,
    best: int = BEST,
) -> Bins:
    """Return the trials of a run in bins.

    Parameters
    ----------
    table : TrialTable
    ranges : mapping of str to (int, int)
        For some axes the first and the last bin that count, both included.
    best : int
        How many trials are listed one by one.

    Raises
    ------
    ConfigError
        If a range is that of no axis.
    """
    drawn = _Drawn.known(table)
    asked = (best, *sorted((ranges or {}).items()))
    found = drawn.answers.get(asked)
    if found is None:
        found = drawn.within(ranges or {}, best)
        while len(drawn.answers) >= _KEPT:
            drawn.answers.pop(next(iter(drawn.answers), ()), None)
        drawn.answers[asked] = found
    return found


def among(table: TrialTable, ranges: Mapping[str, tuple[int, int]]) -> NDArray[np.bool_]:
    """Return which trials of a table are in some bins.

    Parameters
    ----------
    table : TrialTable
    ranges : mapping of str to (int, int)
        For some axes the first and the last bin that count, both included.

    Returns
    -------
    ndarray of shape (n,), bool
        In the order of the table.

    Raises
    ------
    ConfigError
        If a range is that of no axis.
    """
    found = np.empty(len(table), bool)
    found[table.order(table.select).trials] = _Drawn.known(table).lie_in(ranges)
    return found


@dataclass(frozen=True)
class _Drawn:
    """The trials of a table in the order of their cost, a byte for each axis.

    Attributes
    ----------
    axes : tuple of Axis
    places : dict of str to ndarray of shape (n,), uint8
        The bin of each trial on each axis.
    costs : ndarray of shape (n,), float64
        Growing; the last ones are not finite.
    numbers : ndarray of shape (n,)
    left_out : tuple of str
    answers : dict
        What was asked for, by ranges.
    """

    axes: tuple[Axis, ...]
    places: dict[str, NDArray[np.uint8]]
    costs: NDArray[np.float64]
    numbers: NDArray[np.int64]
    left_out: tuple[str, ...]
    answers: dict[tuple[Any, ...], Bins]

    @classmethod
    def known(cls, table: TrialTable) -> "_Drawn":
        """Return those of a table, which are worked out once."""
        found = table.worked_out.get(cls)
        if found is None:
            table.worked_out[cls] = found = cls.of(table)
        assert isinstance(found, cls)  # noqa: S101 - by what it is
        return found

    @classmethod
    def of(cls, table: TrialTable) -> "_Drawn":
        order = table.order(table.select).trials
        costs = table.costs[order]
        known = int(np.isfinite(costs).sum())
        names = _most_varied(table)
        steps = np.flatnonzero(np.diff(costs[:known], prepend=np.nan) != 0)
        values = {name: table.ranked(name).values for name in names}
        counts = [len(found) for found in values.values()]
        most = _most_bins([*counts, len(steps) + (known < len(costs))])
        axes, places = [], {}
        for name in names:
            bins, bin_of = grouped(values[name], most)
            axes.append(Axis(name, bins))
            places[name] = bin_of[table.ranked(name).places][order]
        gap = [None] if known < len(costs) else []
        bins, bin_of = grouped([*costs[steps].tolist(), *gap], most)
        axes.append(Axis(table.select, bins))
        ranks = np.full(len(costs), len(steps), np.int64)
        ranks[:known] = np.cumsum(np.diff(costs[:known], prepend=np.nan) != 0) - 1
        places[table.select] = bin_of[ranks]
        left_out = tuple(name for name in table.axes if name not in names)
        return cls(tuple(axes), places, costs, table.numbers[order], left_out, {})

    def within(self, ranges: Mapping[str, tuple[int, int]], best: int) -> Bins:
        """Return the trials in some ranges in bins."""
        places, costs, numbers = self.places, self.costs, self.numbers
        if ranges:
            within = self.lie_in(ranges)
            costs, numbers = costs[within], numbers[within]
            places = {name: found[within] for name, found in places.items()}
        known = costs[: int(np.isfinite(costs).sum())]
        count = {axis.name: len(axis.bins) for axis in self.axes}
        pairs = [
            {"x": x, "y": y, "cells": cells(places[x], places[y], known, count[y])}
            for x, y in combinations(count, 2)
        ]
        told: list[list[Value]] = [
            [int(numbers[i]), _short(known[i]), *(int(places[name][i]) for name in count)]
            for i in range(min(best, len(known)))
        ]
        return Bins(len(self.costs), len(costs), self.axes, pairs, told, self.left_out)

    def lie_in(self, ranges: Mapping[str, tuple[int, int]]) -> NDArray[np.bool_]:
        """Return which trials are in some ranges, in the order of their cost."""
        found = np.ones(len(self.costs), bool)
        for name, (first, last) in ranges.items():
            places = self._places_of(name)
            found &= (places >= first) & (places <= last)
        return found

    def _places_of(self, name: str) -> NDArray[np.uint8]:
        if name not in self.places:
            raise ConfigError(f"There is no axis {name!r}; axes are {', '.join(self.places)}.")
        return self.places[name]


def _most_varied(table: TrialTable) -> list[str]:
    """Return the hyperparameters that are drawn; those with one value are left out first."""
    if len(table.axes) <= MOST_AXES:
        return list(table.axes)
    varied = [name for name in table.axes if len(table.ranked(name).values) > 1]
    return (varied or list(table.axes))[:MOST_AXES]


def _most_bins(values: Sequence[int]) -> int:
    """Return how many bins an axis has at most, for axes with so many different values."""
    for most in range(MOST_BINS, 2, -1):
        counts = [min(count, most) for count in values]
        if sum(a * b for a, b in combinations(counts, 2)) <= MOST_CELLS:
            return most
    return 2


def grouped(
    values: Sequence[Value], most: int
) -> tuple[Sequence[Value | Sequence[Value]], NDArray[np.uint8]]:
    """Return the bins of values in their order, and the bin of each.

    As many values in each where there are too many; what is missing, which comes last, has a bin of
    its own.

    Examples
    --------
    >>> grouped([1, 2, 3, 4, 5, None], 3)
    ([[1, 2], [3, 5], None], array([0, 0, 1, 1, 1, 2], dtype=uint8))
    """
    if len(values) <= most:
        return list(values), np.arange(len(values), dtype=np.uint8)
    has_gap = values[-1] is None
    known = values[:-1] if has_gap else values
    edges = np.linspace(0, len(known), most + 1 - has_gap).astype(np.int64)
    bin_of = np.searchsorted(edges, np.arange(len(values)), "right") - 1
    bins: list[Value | Sequence[Value]] = [
        [plain(known[a]), plain(known[b - 1])] for a, b in pairwise(edges.tolist())
    ]
    return [*bins, *([None] if has_gap else [])], bin_of.astype(np.uint8)


def cells(
    x: NDArray[np.uint8], y: NDArray[np.uint8], costs: NDArray[np.float64], height: int
) -> list[list[Value]]:
    """Return the pairs of bins that have trials.

    Parameters
    ----------
    x, y : ndarray of shape (n,), uint8
        The bin of each trial on two axes.
    costs : ndarray of shape (k,), float64
        The costs of the first k trials, growing; the others have none.
    height : int
        Bins of the axis `y`.

    Returns
    -------
    list of list
        The two bins, how many trials there are, and their least and their mean cost.
    """
    key = x.astype(np.uint16) * np.uint16(height) + y
    counts = np.bincount(key)
    of_known = key[: len(costs)]
    least = np.full(len(counts), np.nan)
    least[of_known[::-1]] = costs[::-1]  # what is written last is the least
    known = np.bincount(of_known, minlength=len(counts))
    sums = np.bincount(of_known, costs, minlength=len(counts))
    means = sums / np.where(known, known, np.nan)
    return [
        [cell // height, cell % height, int(counts[cell]), _short(least[cell]), _short(means[cell])]
        for cell in np.flatnonzero(counts).tolist()
    ]


def _short(cost: float) -> float | None:
    """Return a cost with the digits that a picture shows."""
    return float(f"{cost:.6g}") if math.isfinite(cost) else None
