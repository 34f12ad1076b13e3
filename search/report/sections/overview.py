"""The sections on all hyperparameters at once: parallel coordinates, importance, history."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from search.report.axis import Axis
from search.report.charts import ACCENT, COST_SCALE, MUTED, Chart, hover
from search.report.run_data import Drawn, RunData, clip_of, outcomes, thinned

MOST_LINES = 1500
"""Trials that parallel coordinates draw one by one."""

_MOST_POINTS = 1500
_MOST_WAVES = 64

# A halo keeps the numbers of an axis readable, through which lines run.
_HALO = {"shadow": ", ".join(["0 0 3px var(--paper)"] * 3)}


def parallel_chart(run: Drawn, most: int = MOST_LINES) -> Chart | None:
    """Return parallel coordinates; None with fewer than two varying hyperparameters."""
    costs, measure = outcomes(run.trials), run.measure
    chosen = thinned(costs, most)
    if len(run.varying) < 2 or len(chosen) < 2:
        return None
    low, high = clip_of(costs)
    cost = {
        "label": measure.name, "values": measure.shown(np.minimum(costs[chosen], high)),
        "range": measure.ends(low, high), "tickformat": ".4f",
    }  # fmt: skip
    # Plotly draws the largest value on top; with the sign changed that is the lowest cost.
    line = {
        "color": -costs[chosen], "cmin": -high, "cmax": -low, "showscale": False,
        "colorscale": [[1 - place, colour] for place, colour in COST_SCALE[::-1]],
    }  # fmt: skip
    dimensions = [_dimension(axis, run.trials[axis.name][chosen]) for axis in run.varying]
    return Chart(
        "parallel",
        "Parallel coordinates",
        [{"type": "parcoords", "line": line, "dimensions": [*dimensions, cost], "tickfont": _HALO}],
        {"margin": {"l": _room(dimensions[0]), "r": 56, "t": 48, "b": 24}},
        height=420,
        note=_thinned_note(len(chosen), int(np.isfinite(costs).sum())),
        wide=True,
    )


def _room(dimension: dict[str, Any]) -> int:
    """Return the pixels beside the first axis, which its texts need."""
    longest = max(map(len, dimension.get("ticktext", ("",))), default=0)
    return min(max(56, 6 * longest + 12), 260)


def _dimension(axis: Axis, values: Any) -> dict[str, Any]:
    dimension = {"label": axis.label, "values": axis.places(values), "range": list(axis.span)}
    ticks = axis.ticks()
    return dimension if ticks is None else {**dimension, "tickvals": ticks[0], "ticktext": ticks[1]}


def _thinned_note(shown: int, total: int) -> str:
    return f"{shown} of {total} complete trials, the best among them. " if shown < total else ""


def importance_chart(importances: dict[str, float], axes: Mapping[str, Axis]) -> Chart | None:
    """Return a bar for each hyperparameter; None where no importance is known."""
    if not importances:
        return None
    names = list(importances)[::-1]
    shares = [importances[name] for name in names]
    bars = {
        "type": "bar", "orientation": "h", "x": shares, "y": [axes[n].label for n in names],
        "text": [f"{100 * share:.0f} %" for share in shares], "textposition": "outside",
        "cliponaxis": False, "marker": {"color": ACCENT}, "hoverinfo": "skip", "width": 0.6,
    }  # fmt: skip
    layout = {
        "xaxis": {"range": [0, 1.12 * max(shares)], "visible": False},
        "yaxis": {"ticksuffix": "  ", "showgrid": False},
        "margin": {"t": 8, "b": 8},
    }
    return Chart("importance", "Importance", [bars], layout, height=40 + 44 * len(names))


def history_chart(run: RunData, waves: list[int]) -> Chart | None:
    """Return the best cost so far over the trial's number.

    Parameters
    ----------
    run : RunData
    waves : list of int
        Numbers of the first trials of the waves.

    Returns
    -------
    Chart or None
        None where no sampler was asked, or every trial failed.
    """
    costs, number = outcomes(run.trials), run.trials["number"]
    finite = np.isfinite(costs)
    if run.config.is_grid or not finite.any():
        return None
    low, high = clip_of(costs, 0.9)
    margin = 0.06 * (high - low)
    layout = {
        "xaxis": {"title": {"text": "trial"}, "range": [-1, int(number[-1]) + 1]},
        "yaxis": {"title": {"text": "validation cost"}, "range": [low - margin, high + margin]},
        "shapes": _wave_shapes([*waves, int(number[-1]) + 1]),
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    }
    return Chart(
        "history", "Best cost so far", [_all_points(run, costs), _so_far(number, costs)], layout
    )


def _all_points(run: RunData, costs: Any) -> dict[str, Any]:
    chosen = np.sort(thinned(costs, _MOST_POINTS))
    number = run.trials["number"][chosen]
    texts = [
        hover([("trial", str(n)), ("cost", f"{cost:.4f}")])
        for n, cost in zip(number.tolist(), costs[chosen].tolist(), strict=True)
    ]
    return {
        "type": "scatter", "mode": "markers", "name": "trial", "x": number, "y": costs[chosen],
        "marker": {"size": 5, "color": MUTED, "opacity": 0.6},
        "customdata": texts, "hovertemplate": "%{customdata}<extra></extra>",
    }  # fmt: skip


def _so_far(number: Any, costs: Any) -> dict[str, Any]:
    so_far = np.fmin.accumulate(np.where(np.isfinite(costs), costs, np.nan))
    steps = np.flatnonzero(np.diff(so_far, prepend=np.nan) != 0)
    steps = steps[np.isfinite(so_far[steps])]
    x, y = [*number[steps].tolist(), int(number[-1])], [*so_far[steps].tolist(), so_far[-1]]
    return {
        "type": "scatter", "mode": "lines", "name": "best so far", "x": x, "y": y,
        "line": {"shape": "hv", "color": ACCENT, "width": 2.5},
        "hovertemplate": "best up to trial %{x}: %{y:.4f}<extra></extra>",
    }  # fmt: skip


def _wave_shapes(firsts: list[int]) -> list[dict[str, Any]]:
    """Shade every other wave."""
    if len(firsts) > _MOST_WAVES:
        return []
    return [
        {
            "type": "rect", "layer": "below", "yref": "paper", "y0": 0, "y1": 1,
            "x0": first - 0.5, "x1": end - 0.5, "line": {"width": 0}, "fillcolor": "var(--band)",
        }
        for i, (first, end) in enumerate(pairwise(firsts)) if i % 2
    ]  # fmt: skip
