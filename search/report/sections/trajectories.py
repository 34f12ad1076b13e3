"""The section on cost against epochs: trials that differ in epochs alone make one line."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from search.config import EPOCHS, label_of
from search.report.axis import axis_number
from search.report.charts import PRUNED_COLOUR, Chart, series
from search.report.run_data import Columns, Drawn, Measure

_BEST = 8
_PRUNED = 24

Key = tuple[Any, ...]
"""The values of all hyperparameters but the epochs."""


@dataclass
class Trajectory:
    """The trials of one line.

    Attributes
    ----------
    points : dict of int to float
        Cost by epoch.
    best : float
        The lowest cost of a trial that was trained to its end; infinite without one.
    pruned : bool
        Whether a pruner stopped it.
    """

    points: dict[int, float] = field(default_factory=dict)
    best: float = np.inf
    pruned: bool = False


def trajectories(trials: Columns, names: Sequence[str]) -> dict[Key, Trajectory]:
    """Return the lines of a log by the values of all hyperparameters but the epochs.

    Parameters
    ----------
    trials : Columns
    names : sequence of str
        The names of these hyperparameters.
    """
    lines: dict[Key, Trajectory] = {}
    keys = (trials[name].tolist() for name in names)
    costs = (trials[name].tolist() for name in ("val_cost", "last_cost", "last_epoch"))
    rest = (trials["reports"].tolist(), trials["state"].tolist())
    for *values, cost, last, epoch, reports, state in zip(*keys, *costs, *rest, strict=True):
        # One that is missing may be NaN, which is not itself.
        key = tuple(value if value == value else None for value in values)  # noqa: PLR0124
        line = lines.setdefault(key, Trajectory())
        line.points.update({**dict(reports or ()), epoch: last})
        line.best = np.fmin(line.best, cost)
        line.pruned |= state == "PRUNED"
    return lines


def trajectory_chart(
    run: Drawn, hardly_seen: str | None = None, along: str = EPOCHS
) -> Chart | None:
    """Return the chart of the best lines; None where no line has two points.

    Parameters
    ----------
    run : Drawn
    hardly_seen : str, optional
        A hyperparameter whose lines coincide: one of them is shown.
    along : str
        The hyperparameter along which a line goes.
    """
    names = [name for name in run.axes if name != along]
    lines = trajectories(run.trials, names)
    unseen = None if hardly_seen is None else names.index(hardly_seen)
    shown = {key: lines[key] for key in _best(lines, unseen)}
    if all(len(_finite(line)) < 2 for line in shown.values()):
        return None
    stopped = {key: t for key, t in lines.items() if t.pruned and len(_finite(t)) > 1}
    last = sorted(stopped, key=lambda key: min(_finite(stopped[key]).values()))[:_PRUNED]
    measure = run.measure
    pruned = [
        _pruned_line(lines[key], i == 0, measure) for i, key in enumerate(last) if key not in shown
    ]
    best = [
        _trajectory_line(i, key, line, measure, along)
        for i, (key, line) in enumerate(shown.items())
    ]
    return Chart(
        "trajectories",
        f"{measure.name.capitalize()} against {label_of(along).title}",
        [*pruned, *best],
        _layout(shown, measure, along),
        height=460,
        note=_note(names, hardly_seen),
    )


def _note(names: Sequence[str], hardly_seen: str | None) -> str:
    *others, last = (label_of(name).title for name in names) if names else ("nothing",)
    joined = f"{', '.join(others)} and {last}" if others else last
    alphas = f", the best {hardly_seen} of each pair of the others" if hardly_seen else ""
    return f"Lines are named by {joined}{alphas}."


def _best(lines: dict[Key, Trajectory], hardly_seen: int | None) -> list[Key]:
    """Return the best lines, one for all that differ in a hyperparameter that is hardly seen."""
    found: dict[Key, Key] = {}
    for key in sorted(lines, key=lambda key: lines[key].best):
        if np.isfinite(lines[key].best):
            found.setdefault(tuple(v for i, v in enumerate(key) if i != hardly_seen), key)
    return list(found.values())[:_BEST]


def _finite(line: Trajectory) -> dict[int, float]:
    points = sorted(line.points.items())
    return {epoch: cost for epoch, cost in points if np.isfinite(cost)}


def _layout(shown: dict[Key, Trajectory], measure: Measure, along: str) -> dict[str, Any]:
    """Return a layout that fits the best lines; pruned lines may begin above it."""
    costs = [cost for line in shown.values() for cost in _finite(line).values()]
    low, high = min(costs), max(costs)
    margin = 0.06 * (high - low) or 0.01
    return {
        "xaxis": {"title": {"text": label_of(along).title}, "rangemode": "tozero"},
        "yaxis": {
            "title": {"text": measure.title}, "range": measure.ends(low - margin, high + margin),
        },
        "legend": {
            "orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0,
            "entrywidth": max(105, 6 * max(len(_name(key)) for key in shown) + 12),
        },
    }  # fmt: skip


def _trajectory_line(
    index: int, key: Key, line: Trajectory, measure: Measure, along: str
) -> dict[str, Any]:
    points = _finite(line)
    return {
        "type": "scatter", "mode": "lines+markers", "name": _name(key),
        "x": list(points), "y": [measure.shown(cost) for cost in points.values()],
        "line": {"color": series(index), "width": 3 if index == 0 else 1.5},
        "marker": {"size": 6 if index == 0 else 4},
        "hovertemplate": f"%{{x}} {label_of(along).title}, {measure.name} %{{y:.4f}}"
        "<extra>%{fullData.name}</extra>",
    }  # fmt: skip


def _name(key: Key) -> str:
    return ", ".join(map(axis_number, key))


def _pruned_line(line: Trajectory, first: bool, measure: Measure) -> dict[str, Any]:
    points = _finite(line)
    return {
        "type": "scatter", "mode": "lines", "name": "pruned later", "legendgroup": "pruned",
        "x": list(points), "y": [measure.shown(cost) for cost in points.values()],
        "showlegend": first,
        "line": {"color": PRUNED_COLOUR, "width": 1, "dash": "dot"}, "hoverinfo": "skip",
    }  # fmt: skip
