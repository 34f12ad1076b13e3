"""Trials in bins: what a page draws of any number of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.errors import ConfigError
from search.view.trial_table import TrialTable, Value

MOST_BINS = 32
"""Bins of an axis at most: one for each value where there are no more."""

_CELLS = 6000
"""Pairs of bins that an answer has at most, so that its size depends on nothing."""

BEST = 1000
"""Trials that are told one by one, the best ones."""


@dataclass(frozen=True)
class Axis:
    """An axis with its bins.

    Attributes
    ----------
    name : str
        A hyperparameter or a metric.
    bins : sequence
        The value of each bin, or the least and the greatest value of each.
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
        Those of them that lie in the ranges that were asked for.
    axes : sequence of Axis
    pairs : sequence of dict
        Of each two hyperparameters, and of the last one and the cost: their names, and for each
        pair of bins with a trial in it the two bins, how many trials there are, and their least
        cost.
    best : sequence of list
        The bin on each axis of the best trials, their number and their cost, the best first.
    """

    total: int
    within: int
    axes: Sequence[Axis]
    pairs: Sequence[dict[str, Any]]
    best: Sequence[list[Value]]


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
        Of some axes the first and the last bin that count, both included.
    best : int
        How many trials are told one by one.
    """
    names = [*table.axes, table.select]
    drawn = [(x, y) for i, x in enumerate(table.axes) for y in table.axes[i + 1 :]]
    drawn.append((names[-2], table.select))
    most = max(4, min(MOST_BINS, int(math.sqrt(_CELLS / len(drawn)))))
    # The worst first: what is written last into a cell is its least cost.
    order = table.order("-" + table.select).trials
    columns = {name: _bins_of(table, name, most) for name in names}
    cost = np.asarray(table.columns[table.select], np.float64)[order]
    places = {name: found[order] for name, (_, found) in columns.items()}
    numbers = table.columns["number"][order]
    total = len(table)
    if ranges:
        within = np.ones(total, bool)
        for name, (first, last) in ranges.items():
            within &= (_places_of(places, name) >= first) & (places[name] <= last)
        cost, numbers = cost[within], numbers[within]
        places = {name: found[within] for name, found in places.items()}
    known = int(np.isfinite(cost).sum())
    cells = {
        (x, y): _cells(places[x], places[y], cost, known, len(columns[y][0])) for x, y in drawn
    }
    told: list[list[Value]] = [
        [int(numbers[i]), _short(cost[i]), *(int(places[name][i]) for name in names)]
        for i in range(known - 1, max(known - 1 - best, -1), -1)
    ]
    return Bins(
        total,
        len(cost),
        [Axis(name, columns[name][0]) for name in names],
        [{"x": x, "y": y, "cells": cells[x, y]} for x, y in drawn],
        told,
    )


def _places_of(places: Mapping[str, NDArray[np.uint8]], name: str) -> NDArray[np.uint8]:
    """Return the bins of a column.

    Raises
    ------
    ConfigError
        If it has none.
    """
    if name not in places:
        raise ConfigError(f"There is no axis {name!r}; axes are {', '.join(places)}.")
    return places[name]


def _bins_of(
    table: TrialTable, name: str, most: int
) -> tuple[Sequence[Value | Sequence[Value]], NDArray[np.uint8]]:
    """Return the bins of a column, as many values in each where there are too many."""
    values, places = table.ranks(name)
    if len(values) <= most:
        return values, places.astype(np.uint8)
    known = [value for value in values if value is not None]
    edges = np.linspace(0, len(known), most).astype(np.int64)
    found = np.minimum(np.searchsorted(edges, np.arange(len(values)), "right") - 1, most - 2)
    bins: list[Value | Sequence[Value]] = [
        [known[a], known[b - 1]] for a, b in pairwise(edges.tolist())
    ]
    if len(known) < len(values):
        found[len(known) :] = most - 1
        bins.append(None)
    return bins, found.astype(np.uint8)[places]


def _cells(
    x: NDArray[np.uint8],
    y: NDArray[np.uint8],
    cost: NDArray[np.float64],
    known: int,
    height: int,
) -> list[list[Value]]:
    """Return the pairs of bins that have trials: the two bins, how many, and their least cost.

    The first `known` trials have a cost, falling.
    """
    key = x.astype(np.int64) * height + y
    counts = np.bincount(key)
    least = np.full(len(counts), np.inf)
    least[key[:known]] = cost[:known]
    return [
        [cell // height, cell % height, int(counts[cell]), _short(least[cell])]
        for cell in np.flatnonzero(counts).tolist()
    ]


def _short(cost: float) -> float | None:
    """Return a cost with the digits that a picture shows."""
    return float(f"{cost:.6g}") if math.isfinite(cost) else None
