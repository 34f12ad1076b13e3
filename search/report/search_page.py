"""The candidates of a search as scikit-learn has them, as charts for a frame in a notebook."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.config import label_of
from search.record import COMPLETE, FAIL
from search.report.axis import Axis
from search.report.charts import Chart, plotly_script, template
from search.report.run_data import SCORES, Columns, Measure, outcomes
from search.report.sections import Pairs, importance_chart, parallel_chart, trajectory_chart
from search.result import grid_importances

# What keeps the page below 200 kB without plotly's own script, however many candidates there are.
_LINES, _POINTS, _PAIRED = 300, 200, 3

# Texts of more kinds than this tell candidates apart, and nothing else.
_MOST_TEXTS = 40
_LONGEST_TEXT = 24
_MOST_CELLS = 12

# Numbers drawn from a range whose largest is more than so many times the smallest are on a
# logarithmic axis.
_WIDE = 100.0


@dataclass(frozen=True)
class Candidates:
    """The candidates of a search as its charts see them.

    Attributes
    ----------
    trials : Columns
    axes : dict of str to Axis
        One for each parameter that can be drawn.
    """

    trials: Columns
    axes: dict[str, Axis]

    @property
    def varying(self) -> list[Axis]:
        """The parameters that have more than one value."""
        return [axis for axis in self.axes.values() if axis.varies]

    @property
    def measure(self) -> Measure:
        """Scores, of which the highest is the best."""
        return SCORES

    @classmethod
    def of(
        cls, params: Sequence[Mapping[str, Any]], scores: NDArray[np.float64], resource: str | None
    ) -> "Candidates":
        """Return the candidates with their mean scores; NaN where one has failed."""
        columns: dict[str, NDArray[Any]] = {}
        axes: dict[str, Axis] = {}
        for name in dict.fromkeys(name for mine in params for name in mine):
            column = _column([mine.get(name, _ABSENT) for mine in params])
            axis = _axis(name, column)
            if axis is not None:
                columns[name], axes[name] = column, axis
        failed = ~np.isfinite(scores)
        trials = {
            **columns,
            "number": np.arange(len(params)),
            "val_cost": -scores,
            "last_cost": -scores,
            "last_epoch": columns.get(resource or "", np.zeros(len(params))),
            "reports": np.full(len(params), None),
            "state": np.where(failed, FAIL, COMPLETE),
        }
        return cls(trials, axes)


_ABSENT = object()
"""Stands for a parameter that a candidate does not have; None is a value of some."""


def _column(values: Sequence[Any]) -> NDArray[Any]:
    """Return the values of a parameter as numbers or texts; None where a candidate has none."""
    plain = [None if v is _ABSENT else _number(v) if _is_number(v) else _short(v) for v in values]
    numbers = all(isinstance(value, int | float) for value in plain)
    return np.array(plain, None if numbers else object)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, np.number) else value


def _axis(name: str, column: NDArray[Any]) -> Axis | None:
    """Return the axis of a parameter; None where its values only tell candidates apart."""
    known = set(column.tolist())
    gaps, texts = None in known, {value for value in known if isinstance(value, str)}
    numbers = sorted(known - texts - {None})
    if not texts and not gaps:
        low, high = numbers[0], numbers[-1]
        drawn = len(numbers) > _MOST_CELLS and any(isinstance(v, float) for v in numbers)
        if drawn:  # from a range: cells would be of one candidate each
            return Axis(name, label_of(name).title, None, low, high, low > 0 and high / low > _WIDE)
        return Axis.of(name, numbers)
    named = (*numbers, *sorted(texts), *((None,) if gaps else ()))
    if len(named) > _MOST_TEXTS:
        return None
    return Axis(name, label_of(name).title, named, 0.0, len(named) - 1.0, log=False)


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"


def search_page(
    params: Sequence[Mapping[str, Any]], scores: NDArray[np.float64], resource: str | None
) -> str:
    """Return a page with the main charts of a search; empty where there is nothing to draw.

    Parameters
    ----------
    params : sequence of mapping
        The parameters of each candidate.
    scores : ndarray of shape (n,)
        Their mean scores; NaN where one has failed.
    resource : str or None
        The parameter along which training is shared.
    """
    found = Candidates.of(params, scores, resource)
    costs = outcomes(found.trials)
    varying = found.varying
    if not varying or not np.isfinite(costs).any():
        return ""
    bins = {axis.name: axis.bins(found.trials[axis.name])[0] for axis in varying}
    importances = grid_importances(costs, bins)
    first = sorted(varying, key=lambda axis: -importances.get(axis.name, 0.0))[:_PAIRED]
    pairs = Pairs(found, first, _POINTS)
    steps = {axis.name for axis in varying if found.trials[axis.name].dtype.kind in "iuf"}
    along = resource if resource in steps else None
    sections = {
        "trajectories": trajectory_chart(found, along=along) if along else None,
        "importance": importance_chart(importances, found.axes),
        "pairs": pairs.charts(),
        "parallel": parallel_chart(found, _LINES),
    }
    charts = (
        c for found in sections.values() for c in (found if isinstance(found, list) else [found])
    )
    specs = {chart.name: chart.spec for chart in charts if isinstance(chart, Chart)}
    return template("search.html.j2").render(
        specs=specs, plotly=plotly_script(), modes=pairs.modes, pairs_note=pairs.note, **sections
    )
