"""The section on pairs of hyperparameters: cells where both are lists, points elsewhere."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.report.axis import Axis, axis_number
from search.report.charts import COST_SCALE, Chart, hover
from search.report.run_data import Drawn, clip_of, outcomes, thinned

MODES = {"best": "the others at their best", "median": "median over the others"}

_MOST_POINTS = 1500
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
        Of which there are pairs; all that vary where it is left out.
    most : int
        Points of a chart at most.
    """

    def __init__(
        self, run: Drawn, axes: Sequence[Axis] | None = None, most: int = _MOST_POINTS
    ) -> None:
        self._costs, self._most = outcomes(run.trials), most
        self._trials, self._measure = run.trials, run.measure
        self._pairs = list(combinations(run.varying if axes is None else axes, 2))
        self._tables = {pair: self._table(*pair) for pair in self._pairs if _are_lists(*pair)}
        self.clips = self._clips()

    @property
    def has_modes(self) -> bool:
        """Whether there are cells, which the reader can switch between the modes."""
        return bool(self._tables)

    def _table(self, across: Axis, down: Axis) -> dict[str, Floats]:
        column, row = (
            axis.places(self._trials[axis.name]).astype(np.intp) for axis in (across, down)
        )
        shape = (len(down.values or ()), len(across.values or ()))
        return pair_costs(self._costs, column, row, shape)

    def _clips(self) -> dict[str, tuple[float, float]]:
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
        if (across, down) in self._tables:
            tables = self._tables[across, down]
            data = [self._cells(across, down, mode, tables[mode]) for mode in MODES]
        else:
            data = [self._points(across, down)]
        return Chart(
            f"pair-{across.name}-{down.name}",
            _title(across.label, down.label),
            data,
            self._layout(across, down),
            height=300,
        )

    def _layout(self, across: Axis, down: Axis) -> dict[str, Any]:
        cells = (across, down) in self._tables
        axes = {"xaxis": across.layout(), "yaxis": down.layout()}
        return {
            **{name: {**axis, "showgrid": not cells} for name, axis in axes.items()},
            "margin": {"t": 8},
            **({"plot_bgcolor": "var(--raised)"} if cells else {}),
        }

    def _cells(self, across: Axis, down: Axis, mode: str, table: Floats) -> dict[str, Any]:
        clip = self.clips[mode]
        return {
            "type": "heatmap",
            "mode_of_page": mode,
            "z": np.where(np.isfinite(table), table, np.nan),
            "zmin": clip[0],
            "zmax": clip[1],
            "customdata": [self._texts(across, down, i, row) for i, row in enumerate(table)],
            "hovertemplate": "%{customdata}<extra></extra>",
            "hoverongaps": True,
            "colorscale": COST_SCALE,
            "showscale": False,
            "xgap": 1,
            "ygap": 1,
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

    def _points(self, across: Axis, down: Axis) -> dict[str, Any]:
        trials, costs, clip = self._trials, self._costs, self.clips["best"]
        chosen = thinned(costs, self._most)
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


def _title(across: str, down: str) -> str:
    """Return the names of two hyperparameters; one that is a name in code stays as it is."""
    begins = across if "_" in across else across.capitalize()
    return f"{begins} and {down}"


def _are_lists(*axes: Axis) -> bool:
    return all(axis.values is not None for axis in axes)


def _scattered(axis: Axis, values: NDArray[Any], number: NDArray[np.int64]) -> Floats:
    """Return places, scattered a little where they are categories, so that points stay visible."""
    if axis.values is None:
        return axis.places(values)
    return axis.places(values) + _JITTER * (number * _GOLDEN % 1 - 0.5)
