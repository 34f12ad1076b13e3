"""The section on the optima of the alphas, and on how far trials end above them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.record import AlphaFigures, OptimumFigures
from search.report.axis import Axis, axis_number
from search.report.charts import Chart, series
from search.report.run_data import Columns, RunData
from search.result import ROUNDING, gaps, optimum_rows

_AXES = ("learning_rate", "batch_size", "epochs")

# As many as there are colours that tell lines apart.
_MOST_LINES = 8


@dataclass(frozen=True)
class OptimumTable:
    """The table of the optima.

    Attributes
    ----------
    header : tuple of str
    rows : list of tuple of str
        One for each alpha.
    has_bounds : bool
        Whether one of the costs is only an upper bound of the optimum's cost.
    """

    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    has_bounds: bool


def optimum_table(optimum: OptimumFigures | None) -> OptimumTable | None:
    """Return the table; None where no optima were asked for."""
    if not optimum:
        return None
    header, *rows = optimum_rows(optimum)
    return OptimumTable(header, rows, not all(row.converged for row in optimum.alphas))


def gap_charts(run: RunData) -> list[Chart]:
    """Return a chart of the smallest gaps for each varying hyperparameter except alpha."""
    optimum, best = run.summary.optimum, run.summary.best
    if not optimum or not best or not optimum.with_train_cost:
        return []
    found = gaps(run.trials["alpha"], run.trials["train_cost"].astype(np.float64), optimum)
    of_best = float(best.params["alpha"])
    shown = _shown(optimum.alphas, of_best)
    return [
        _chart(run.axes[name], run.trials, np.fmax(found, ROUNDING), shown, of_best)
        for name in _AXES
        if run.axes[name].varies
    ]


def smallest(index: NDArray[np.intp], found: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Return the smallest gap of the trials in each bin, NaN where none is known."""
    least = np.full(bins, np.inf)
    np.fmin.at(least, index, found)
    return np.where(np.isfinite(least), least, np.nan)


def _chart(
    axis: Axis,
    trials: Columns,
    found: NDArray[np.float64],
    shown: Sequence[AlphaFigures],
    of_best: float,
) -> Chart:
    index, texts = axis.bins(trials[axis.name])
    lines = []
    for i, row in enumerate(shown):
        mine = trials["alpha"] == row.alpha
        least = smallest(index[mine], found[mine], len(texts))
        lines.append(_gap_line(i, row, texts, least, row.alpha == of_best))
    layout = {
        "xaxis": {"title": {"text": axis.label}, "type": "category", "showgrid": False},
        "yaxis": {"title": {"text": "gap to the optimum"}, "type": "log", "exponentformat": "e"},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    }
    return Chart(f"gap-{axis.name}", f"By {axis.label}", lines, layout, height=360)


def _shown(rows: Sequence[AlphaFigures], of_best: float) -> Sequence[AlphaFigures]:
    """Return the alphas next to the best trial's, as many as there are colours for."""
    place = next(i for i, row in enumerate(rows) if row.alpha == of_best)
    first = min(max(place - _MOST_LINES // 2, 0), max(len(rows) - _MOST_LINES, 0))
    return rows[first : first + _MOST_LINES]


def _gap_line(
    index: int, row: AlphaFigures, x: list[str], y: NDArray[np.float64], thick: bool
) -> dict[str, Any]:
    least = "" if row.converged else "at least "
    return {
        "type": "scatter", "mode": "lines+markers", "name": f"alpha {axis_number(row.alpha)}",
        "x": x, "y": y,
        "line": {"color": series(index), "width": 3 if thick else 1.5},
        "marker": {"size": 6 if thick else 4},
        "hovertemplate": "%{x}: " + least + "%{y:.2g}<extra>%{fullData.name}</extra>",
    }  # fmt: skip
