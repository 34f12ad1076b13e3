"""All trials of a large run at once: ribbons between the bins of neighbouring axes."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from search.report.axis import axis_number
from search.report.run_data import RunData, outcomes
from search.view import Axis, TrialTable, binned

WIDTH, HEIGHT = 960, 420

_TOP, _BOTTOM = 30, 14
_LEFT, _RIGHT = 8, 76
_MOST_TEXTS = 10
_COLOURS = 6

_COST = "val_cost"  # the name of no hyperparameter

# The bins of a ribbon, how many trials it has, and their least and their mean cost; see `Bins`.
_Cell = Sequence[Any]


@dataclass(frozen=True)
class Ribbon:
    """The trials of a bin of one axis and a bin of the next one.

    Attributes
    ----------
    path : str
        Its outline, as SVG has it.
    colour : str
        The class that colours it.
    text : str
        What it says under the pointer.
    """

    path: str
    colour: str
    text: str


@dataclass(frozen=True)
class DrawnAxis:
    """An axis with the texts of its bins.

    Attributes
    ----------
    label : str
    x : float
    texts : list of (float, str)
        At which height which text stands.
    """

    label: str
    x: float
    texts: list[tuple[float, str]]


@dataclass(frozen=True)
class Ribbons:
    """A picture of all trials, whose size does not grow with their number.

    Attributes
    ----------
    total : int
        Trials that have a row.
    ribbons : list of Ribbon
        Ribbons with the lowest costs come last, so that nothing covers them.
    axes : list of DrawnAxis
    left_out : sequence of str
        Hyperparameters for which there is no room.
    """

    total: int
    ribbons: list[Ribbon]
    axes: list[DrawnAxis]
    left_out: Sequence[str]


def ribbons_of(run: RunData, more_than: int) -> Ribbons | None:
    """Return the ribbons of a run; None where it has no more trials with a cost, or one axis.

    The bins are those of a service's page.
    """
    costs = outcomes(run.trials)
    if np.isfinite(costs).sum() <= more_than or len(run.varying) < 2:
        return None
    names = tuple(axis.name for axis in run.varying)
    columns = {name: run.trials[name] for name in ("number", *names)}
    found = binned(TrialTable({**columns, _COST: costs}, names, (), _COST), best=0)
    cells = {(pair["x"], pair["y"]): pair["cells"] for pair in found.pairs}
    labels = {**{axis.name: axis.label for axis in run.varying}, _COST: "validation cost"}
    step = (WIDTH - _LEFT - _RIGHT) / (len(found.axes) - 1)
    axes = [_Placed(axis, labels[axis.name], _LEFT + i * step) for i, axis in enumerate(found.axes)]
    gaps = [(a, b, cells[a.axis.name, b.axis.name]) for a, b in pairwise(axes)]
    colour = _colours([cell for _, _, cells_of_gap in gaps for cell in cells_of_gap])
    drawn = [
        (_cost(cell), _ribbon(a, b, cell, ends, colour))
        for a, b, cells_of_gap in gaps
        for cell, ends in _stacked(a, b, cells_of_gap)
    ]
    drawn.sort(key=lambda item: -item[0])
    return Ribbons(
        found.total, [ribbon for _, ribbon in drawn], [axis.drawn() for axis in axes],
        found.left_out,
    )  # fmt: skip


@dataclass(frozen=True)
class _Placed:
    """An axis at its place."""

    axis: Axis
    label: str
    x: float

    @property
    def slot(self) -> float:
        """The height of a bin."""
        return (HEIGHT - _TOP - _BOTTOM) / len(self.axis.bins)

    def y(self, place: int) -> float:
        """Return the middle of a bin; the first one is the lowest."""
        return HEIGHT - _BOTTOM - (place + 0.5) * self.slot

    def text(self, place: int) -> str:
        """Return what is said of a bin."""
        return " to ".join(self._ends(place))

    def _ends(self, place: int) -> list[str]:
        found = self.axis.bins[place]
        if isinstance(found, Sequence) and not isinstance(found, str):
            return [axis_number(end) for end in found]
        return ["no value" if found is None else axis_number(found)]

    def drawn(self) -> DrawnAxis:
        """Return the axis as it is drawn; the text of a bin of several values is its least one."""
        bins = self.axis.bins
        every = -(-len(bins) // _MOST_TEXTS)
        texts = [(round(self.y(i), 1), self._ends(i)[0]) for i in range(0, len(bins), every)]
        return DrawnAxis(self.label, round(self.x, 1), texts)


_Span = tuple[float, float]


def _stacked(
    left: _Placed, right: _Placed, cells: Sequence[_Cell]
) -> list[tuple[_Cell, tuple[_Span, _Span]]]:
    """Return where each ribbon begins and ends: those of a bin are on top of each other.

    The fullest bin of an axis takes nine tenths of its height.
    """
    ends = [_spans(axis, side, cells) for side, axis in enumerate((left, right))]
    return list(zip(cells, zip(*ends, strict=True), strict=True))


def _spans(axis: _Placed, side: int, cells: Sequence[_Cell]) -> list[_Span]:
    sums: Counter[int] = Counter()
    for cell in cells:
        sums[cell[side]] += cell[2]
    unit = 0.9 * axis.slot / max(sums.values())
    below: dict[int, float] = defaultdict(float)
    spans = [(0.0, 0.0)] * len(cells)
    for at in sorted(range(len(cells)), key=lambda i: (cells[i][side], cells[i][1 - side])):
        place, count = cells[at][side], cells[at][2]
        y = axis.y(place) + (sums[place] / 2 - below[place]) * unit
        spans[at] = y, y - count * unit
        below[place] += count
    return spans


def _ribbon(
    left: _Placed, right: _Placed, cell: _Cell, ends: tuple[_Span, _Span], colour: dict[float, int]
) -> Ribbon:
    a, b = f"{left.x + 1:.0f}", f"{right.x - 1:.0f}"
    middle = f"{(left.x + right.x) / 2:.0f}"
    (p, q), (r, s) = ([f"{y:.1f}" for y in span] for span in ends)
    path = f"M{a} {p}C{middle} {p} {middle} {r} {b} {r}V{s}C{middle} {s} {middle} {q} {a} {q}Z"
    i, j, count, least, mean = cell
    said = "no cost" if least is None else (
        f"least cost {axis_number(least)}, mean {axis_number(mean)}"
    )  # fmt: skip
    trials = "1 trial" if count == 1 else f"{count:,} trials"
    text = f"{left.label} {left.text(i)}, {right.label} {right.text(j)}: {trials}, {said}"
    return Ribbon(path, "none" if least is None else f"cost-{colour[least]}", text)


def _colours(cells: Sequence[_Cell]) -> dict[float, int]:
    """Return the colour of each least cost, by its rank: few that diverged do not take them all."""
    costs = sorted({cell[3] for cell in cells if cell[3] is not None})
    return {cost: rank * _COLOURS // len(costs) for rank, cost in enumerate(costs)}


def _cost(cell: _Cell) -> float:
    return np.inf if cell[3] is None else float(cell[3])
