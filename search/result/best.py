"""The best trials as a table, and best values at the edge of what was searched."""

import math
from collections.abc import Mapping, Sequence

from model.examples import LAST
from model.trainers import Value
from search.config import BY_COST, EPOCHS, Axis, Objective, Params, Range, in_order, label_of
from search.record import READOUTS, BestTrial, Readout, TopTrial
from search.result.spread import std_text
from search.text import number_text, table_lines, value_text

_STD = "+-"
_SPARE = ("correct", "trial")
_FIGURES = tuple(name for r in READOUTS.values() for name in (r.cost, r.accuracy))


def top_trial(trial: BestTrial) -> TopTrial:
    """Return one of a study's best trials as a summary has it, without its trainings."""
    figures = {name: getattr(trial, name) for name in _FIGURES}
    return TopTrial(number=trial.number, params=trial.params, **figures, metrics=trial.metrics)


def top_lines(
    top: Sequence[TopTrial],
    width: int | None = None,
    readout: Readout = READOUTS[LAST],
    objective: Objective = BY_COST,
) -> list[str]:
    """Return a line for each of the best trials, under a headline and the columns' names.

    Parameters
    ----------
    top : sequence of TopTrial
        The best one first.
    width : int, optional
        Columns of the terminal.
    readout : Readout
        The readout whose figures are shown.
    objective : Objective
        The metric by which they are the best.
    """
    if not top:
        return []
    title = "The best trials:" if len(top) > 1 else "The best trial:"
    names = list(dict.fromkeys(name for trial in top for name in trial.params))
    columns = ("trial", objective.title, "cost", _STD, "correct")
    full = (*columns, *(label_of(name).short for name in names))
    rows = [_row(trial, readout, names, objective) for trial in top]
    # Without a standard deviation or another objective the table has no column for it.
    kept = [i for i, name in enumerate(full) if i >= len(columns) or any(row[i] for row in rows)]
    header, *rows = [tuple(row[i] for i in kept) for row in (full, *rows)]
    return [title, *table_lines(header, rows, width, _SPARE)]


def _row(
    trial: TopTrial, readout: Readout, names: Sequence[str], objective: Objective
) -> tuple[str, ...]:
    compared = trial.metric(objective.name)
    return (
        f"{trial.number}",
        "" if compared is None else f"{compared:.4f}",
        f"{trial.cost(readout):.4f}",
        std_text(trial, readout),
        f"{100 * trial.accuracy(readout):.2f} %",
        *(_cell(trial.params.get(name)) for name in names),
    )


def _cell(value: Value | None) -> str:
    if value is None:
        return "-"
    return value_text(value) if isinstance(value, int) else number_text(value)


# A sampler hardly ever proposes the very end of a range.
_NEAR = 0.02

# Values below these do not exist.
_LEAST = {EPOCHS: 1, "alpha": 0, "batch_size": 1}


def edge_warnings(params: Params, axes: Mapping[str, Axis]) -> list[str]:
    """Say of which hyperparameters the best value is on the edge of what was searched.

    The edge of a list is its smallest or largest value; that of a range is all within 2 % of an
    end, by the range's own scale. A lower edge below which nothing exists is none, and neither
    is an axis of one value. Texts, and true and false, have no edges.

    Parameters
    ----------
    params : Params
        The params of the best trial.
    axes : mapping of str to tuple or Range
        The values or the range of each hyperparameter.

    Returns
    -------
    list of str
        A sentence for each.

    Examples
    --------
    >>> axes = {"epochs": (5, 40), "alpha": (0.0, 1.0), "learning_rate": (1e-6,)}
    >>> edge_warnings(Params(epochs=40, alpha=0.0, learning_rate=1e-6), axes)
    ['The best number of epochs, 40, is the largest of its list; larger ones may be better.']
    """
    numbers = {n: v for n, v in params.items() if not isinstance(v, str | bool)}
    found = {name: _edge(name, numbers[name], axes[name]) for name in in_order(numbers)}
    return [
        f"The best {label_of(name).long}, {value_text(numbers[name])}, is {edge}"
        for name, edge in found.items()
        if edge
    ]


def _edge(name: str, value: float, axis: Axis) -> str | None:
    if isinstance(axis, Range):
        low, place = axis.low, _place_in_range(value, axis)
        ends = ("near the lower end of its range", "near the upper end of its range")
    else:
        low, place = min(axis), _place_in_list(value, axis)
        ends = ("the smallest of its list", "the largest of its list")
    if place >= 1 - _NEAR:
        return f"{ends[1]}; larger ones may be better."
    if place <= _NEAR and low > _LEAST.get(name, -math.inf):
        return f"{ends[0]}; smaller ones may be better."
    return None


def _place_in_range(value: float, axis: Range) -> float:
    """Return where between the ends a value lies, from 0 to 1."""
    if axis.low == axis.high:
        return 0.5
    low, value, high = (math.log(x) if axis.log else x for x in (axis.low, value, axis.high))
    return (value - low) / (high - low)


def _place_in_list(value: float, values: tuple[float, ...]) -> float:
    """Return 0 for the smallest, 1 for the largest, and 0.5 for all between them."""
    if min(values) == max(values):
        return 0.5
    return 0.0 if value == min(values) else 1.0 if value == max(values) else 0.5
