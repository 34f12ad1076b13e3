"""The section on pairs of hyperparameters: cells where both are lists, points elsewhere.

If there are more values, trials or pairs than a page can show, cells are bins, as in the service.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.config import label_of
from search.report.axis import Axis, axis_number
from search.report.charts import COST_SCALE, Chart, hover, text_of
from search.report.run_data import Drawn, Measure, clip_of, outcomes, thinned
from search.view import MOST_CELLS, Bins, TrialTable, binned

MODES = {"best": "the others at their best", "median": "median over the others"}
_MODES_OF_BINS = {"best": "the others at their best", "mean": "mean over the others"}

_COST = "val_cost"

# Points of one chart, and of all.
_MOST_POINTS, _MOST_POINTS_IN_ALL = 1500, 9000
_MOST_TICKS = 8
_JITTER = 0.5
_GOLDEN = 0.618034

Floats = NDArray[np.float64]


def pair_costs(
    costs: Floats, column: NDArray[np.intp], row: NDArray[np.intp], shape: tuple[int, int]
) -> dict[str, Floats]:
    """Return the lowest and the median cost of each pair of values.

    Parameters
    ----------
    costs : ndarray of shape (n,)
        Costs of the trials: infinite where one diverged; NaN, which is left out, where one has no
        result.
    column, row : ndarray of shape (n,)
        Index of each trial's value on the one axis, and on the other.
    shape : tuple of int
        Numbers of rows and columns.

    Returns
    -------
    dict of str to ndarray
        A table for each of `MODES`; NaN where a pair has no result.
    """
    known = ~np.isnan(costs)
    cell = (row * shape[1] + column)[known]
    order = np.lexsort([costs[known], cell])
    cell, ordered = cell[order], costs[known][order]
    cells, first, count = np.unique(cell, return_index=True, return_counts=True)
    tables = {name: np.full(shape, np.nan) for name in MODES}
    tables["best"].flat[cells] = ordered[first]
    middle = ordered[first + (count - 1) // 2], ordered[first + count // 2]
    tables["median"].flat[cells] = (middle[0] + middle[1]) / 2
    return tables


class Pairs:
    """The charts of all pairs, with one colour scale for each mode.

    Parameters
    ----------
    run : Drawn
    axes : sequence of Axis, optional
        The axes to pair; by default all that vary.
    most : int
        Points of a chart at most.
    """

    def __init__(
        self, run: Drawn, axes: Sequence[Axis] | None = None, most: int = _MOST_POINTS
    ) -> None:
        self._costs, self._most = outcomes(run.trials), most
        self._trials, self._measure = run.trials, run.measure
        varying = run.varying if axes is None else list(axes)
        self._pairs = list(combinations(varying, 2))
        lists = [pair for pair in self._pairs if _are_lists(*pair)]
        cells = sum(len(a.values or ()) * len(b.values or ()) for a, b in lists)
        self._bins: Bins | None = None
        if cells > MOST_CELLS or (len(lists) < len(self._pairs) and self._are_many()):
            names = tuple(axis.name for axis in varying)
            columns = {name: run.trials[name] for name in ("number", *names)}
            table = TrialTable({**columns, _COST: self._costs}, names, (), _COST)
            self._bins = binned(table, best=0)
            self._pairs = [
                pair for pair in self._pairs if not {a.name for a in pair} & {*self._bins.left_out}
            ]
            lists = []
        self._tables = {pair: self._table(*pair) for pair in lists}
        self.clips = self._clips()

    @property
    def modes(self) -> Mapping[str, str]:
        """What cells can show, between which the reader can switch."""
        if self._bins is not None:
            return _MODES_OF_BINS
        return MODES if self._tables else {}

    @property
    def note(self) -> str:
        """What is said of bins; empty where there are none."""
        if self._bins is None:
            return ""
        left = ", ".join(label_of(name).title for name in self._bins.left_out)
        return (
            f"A cell is a bin of values: there are too many of them, or of the {self._bins.total} "
            "trials, to be told apart." + (f" Not drawn: {left}." if left else "")
        )

    def _are_many(self) -> bool:
        """Whether there are more trials than points."""
        return int(np.isfinite(self._costs).sum()) > self._most_points()

    def _most_points(self) -> int:
        return min(self._most, _MOST_POINTS_IN_ALL // max(len(self._pairs), 1))

    def _table(self, across: Axis, down: Axis) -> dict[str, Floats]:
        column, row = (
            axis.places(self._trials[axis.name]).astype(np.intp) for axis in (across, down)
        )
        shape = (len(down.values or ()), len(across.values or ()))
        return pair_costs(self._costs, column, row, shape)

    def _clips(self) -> dict[str, tuple[float, float]]:
        if self._bins is not None:
            drawn = [pair for pair in self._bins.pairs if pair["y"] != _COST]
            told = [cell for pair in drawn for cell in pair["cells"]]
            columns = zip(_MODES_OF_BINS, (3, 4), strict=True)
            return {m: clip_of(np.array([c[i] for c in told], np.float64)) for m, i in columns}
        if not self._tables:
            return dict.fromkeys(MODES, clip_of(self._costs))
        tables = self._tables.values()
        return {m: clip_of(np.concatenate([t[m].ravel() for t in tables])) for m in MODES}

    def charts(self) -> list[Chart]:
        """Return a chart for each pair; none where every trial failed."""
        if not np.isfinite(self._costs).any():
            return []
        return [self._chart(*pair) for pair in self._pairs]

    def _chart(self, across: Axis, down: Axis) -> Chart:
        axes = {"xaxis": across.layout(), "yaxis": down.layout()}
        if self._bins is not None:
            data, axes = _binned_cells(across, down, self._bins, self.clips, self._measure)
        elif (across, down) in self._tables:
            tables = self._tables[across, down]
            data = [self._cells(across, down, mode, tables[mode]) for mode in MODES]
        else:
            data = [self._points(across, down)]
        return Chart(
            f"pair-{across.name}-{down.name}",
            _title(across.label, down.label),
            data,
            self._layout(axes, cells=self._bins is not None or (across, down) in self._tables),
            height=300,
        )

    def _points(self, across: Axis, down: Axis) -> dict[str, Any]:
        trials, costs, clip = self._trials, self._costs, self.clips["best"]
        chosen = thinned(costs, self._most_points())
        number = trials["number"][chosen]
        x, y = (_scattered(axis, trials[axis.name][chosen], number) for axis in (across, down))
        marker = {
            "color": costs[chosen], "cmin": clip[0], "cmax": clip[1], "colorscale": COST_SCALE,
            "size": 6, "opacity": 0.85, "line": {"width": 0.5, "color": "var(--paper)"},
        }  # fmt: skip
        texts = [self._point_text(across, down, i) for i in chosen.tolist()]
        return {
            "type": "scatter", "mode": "markers", "x": x, "y": y, "marker": marker,
            "customdata": texts, "hovertemplate": "%{customdata}<extra></extra>",
            "showlegend": False,
        }  # fmt: skip

    def _point_text(self, across: Axis, down: Axis, i: int) -> str:
        trials, measure = self._trials, self._measure
        params = [(axis.label, axis_number(trials[axis.name][i])) for axis in (across, down)]
        cost = f"{measure.shown(self._costs[i]):.4f}"
        return hover([("trial", str(trials["number"][i])), *params, (measure.name, cost)])

    def _cells(self, across: Axis, down: Axis, mode: str, table: Floats) -> dict[str, Any]:
        return {
            **_heatmap(mode, table, self.clips[mode]),
            "customdata": [self._texts(across, down, i, row) for i, row in enumerate(table)],
            "hovertemplate": "%{customdata}<extra></extra>",
            "hoverongaps": True,
        }

    def _texts(self, across: Axis, down: Axis, i: int, costs: Floats) -> list[str]:
        own = (down.label, axis_number((down.values or ())[i]))
        name = self._measure.name
        return [
            hover([(across.label, axis_number(value)), own, (name, self._cost_text(cost))])
            for value, cost in zip(across.values or (), costs.tolist(), strict=True)
        ]

    def _cost_text(self, cost: float) -> str:
        if np.isnan(cost):
            return "unknown: no trial was trained to its end"
        return f"{self._measure.shown(cost):.4f}" if np.isfinite(cost) else "infinite: diverged"

    @staticmethod
    def _layout(axes: dict[str, Any], *, cells: bool) -> dict[str, Any]:
        return {
            **{name: {**axis, "showgrid": not cells} for name, axis in axes.items()},
            "margin": {"t": 8},
            **({"plot_bgcolor": "var(--raised)"} if cells else {}),
        }


def _binned_cells(
    across: Axis,
    down: Axis,
    bins: Bins,
    clips: Mapping[str, tuple[float, float]],
    measure: Measure,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the traces of a pair in bins, a mode each, and its axes."""
    pair = next(p for p in bins.pairs if (p["x"], p["y"]) == (across.name, down.name))
    texts = {
        axis.name: _bin_texts(axis.bins)
        for axis in bins.axes if axis.name in (across.name, down.name)
    }  # fmt: skip
    x, y = texts[across.name], texts[down.name]
    counts = np.zeros((len(y), len(x)), np.int64)
    tables = {mode: np.full(counts.shape, np.nan) for mode in _MODES_OF_BINS}
    for i, j, count, least, mean in pair["cells"]:
        counts[j, i] = count
        tables["best"][j, i] = np.nan if least is None else least
        tables["mean"][j, i] = np.nan if mean is None else mean
    hovered = (
        f"{text_of(across.label)} %{{x}}<br>{text_of(down.label)} %{{y}}<br>{measure.name} "
        "%{text:.4f}, trials %{customdata}<extra></extra>"
    )
    traces = [
        {**_heatmap(mode, table, clips[mode]), "x": x, "y": y, "customdata": counts,
         "text": measure.shown(table), "hovertemplate": hovered}
        for mode, table in tables.items()
    ]  # fmt: skip
    axes = {"xaxis": _bin_axis(across, bins), "yaxis": _bin_axis(down, bins)}
    return traces, axes


def _bin_axis(axis: Axis, bins: Bins) -> dict[str, Any]:
    """Return the axis of some bins, a few of which are named by their least value."""
    found = next(own.bins for own in bins.axes if own.name == axis.name)
    shown = range(0, len(found), math.ceil(len(found) / _MOST_TICKS))
    named = _bin_texts(found)
    texts = [named[i].partition(" to ")[0] for i in shown]
    return {
        "title": {"text": axis.label}, "type": "category", "tickvals": list(shown),
        "ticktext": texts,
    }  # fmt: skip


def _bin_texts(bins: Sequence[Any]) -> list[str]:
    """Return a text for each bin, no two of them the same: they are the places of an axis."""
    texts = [_bin_text(found, axis_number) for found in bins]
    for digits in range(5, 18):
        if len(set(texts)) == len(texts):
            break
        texts = [_bin_text(found, partial(_number, digits=digits)) for found in bins]
    return texts


def _bin_text(found: Any, number: Callable[[Any], str]) -> str:
    if isinstance(found, Sequence) and not isinstance(found, str):
        return f"{number(found[0])} to {number(found[1])}"
    return text_of(number(found))


def _number(value: Any, digits: int) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else axis_number(value)


def _title(across: str, down: str) -> str:
    """Return the names of two hyperparameters; one that is a name in code stays as it is."""
    begins = across if "_" in across else across.capitalize()
    return f"{begins} and {down}"


def _are_lists(*axes: Axis) -> bool:
    return all(axis.values is not None for axis in axes)


def _heatmap(mode: str, table: Floats, clip: tuple[float, float]) -> dict[str, Any]:
    return {
        "type": "heatmap", "mode_of_page": mode, "z": np.where(np.isfinite(table), table, np.nan),
        "zmin": clip[0], "zmax": clip[1], "colorscale": COST_SCALE, "showscale": False,
        "xgap": 1, "ygap": 1, "hoverongaps": False,
    }  # fmt: skip


def _scattered(axis: Axis, values: NDArray[Any], number: NDArray[np.int64]) -> Floats:
    """Return places, scattered a little where they are categories, so that points stay visible."""
    if axis.values is None:
        return axis.places(values)
    return axis.places(values) + _JITTER * (number * _GOLDEN % 1 - 0.5)
