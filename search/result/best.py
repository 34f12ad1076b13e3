"""The best trials as a table, and best values at the edge of what was searched."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from model.tasks import LAST
from search.config import Range
from search.record import FIGURES, READOUTS, BestTrial, Readout
from search.result.spread import std_text
from search.text import number_text, table_lines

_STD = "+-"
_HEADER = ("trial", "cost", _STD, "correct", "batch", "rate", "epochs", "alpha")
_SPARE = ("correct", "trial")


def top_lines(
    top: Sequence[Mapping[str, Any]], width: int | None = None, readout: Readout = READOUTS[LAST]
) -> list[str]:
    """Return a line for each of the best trials, under a headline and the columns' names.

    Parameters
    ----------
    top : sequence of mapping
        As in summary.json: number, params, val_cost and val_accuracy.
    width : int, optional
        Of the terminal.
    readout : Readout
        Whose figures are shown.
    """
    if not top:
        return []
    title = "The best trials:" if len(top) > 1 else "The best trial:"
    rows = [_row(trial, readout) for trial in top]
    # Without a standard deviation the table has no column for it.
    kept = [i for i, name in enumerate(_HEADER) if name != _STD or any(row[i] for row in rows)]
    header, *rows = [tuple(row[i] for i in kept) for row in (_HEADER, *rows)]
    return [title, *table_lines(header, rows, width, _SPARE)]


def as_told(trial: BestTrial) -> dict[str, Any]:
    """Return a trial as summary.json has it."""
    return {
        "number": trial.number,
        "params": asdict(trial.params),
        **{name: getattr(trial, name) for name in FIGURES},
    }


def _row(trial: Mapping[str, Any], readout: Readout) -> tuple[str, ...]:
    params = trial["params"]
    return (
        f"{trial['number']}",
        f"{trial[readout.cost]:.4f}",
        std_text(trial, readout.cost),
        f"{100 * trial[readout.accuracy]:.2f} %",
        f"{params['batch_size']}",
        number_text(params["learning_rate"]),
        f"{params['epochs']}",
        number_text(params["alpha"]),
    )


NAMES = {
    "epochs": "number of epochs",
    "alpha": "alpha",
    "learning_rate": "learning rate",
    "batch_size": "mini-batch size",
}
"""What the hyperparameters are called in the result, in its order."""

# A sampler hardly ever proposes the very end of a range.
_NEAR = 0.02

# Below these there is nothing.
_LEAST = {"epochs": 1, "alpha": 0, "batch_size": 1}


def edge_warnings(
    params: Mapping[str, float], axes: Mapping[str, tuple[float, ...] | Range]
) -> list[str]:
    """Say of which hyperparameters the best value lies on the edge.

    Parameters
    ----------
    params : mapping of str to float
        Of the best trial.
    axes : mapping of str to tuple or Range
        What was searched.

    Returns
    -------
    list of str
        A sentence for each.
    """
    found = {name: _edge(name, params[name], axes[name]) for name in NAMES}
    return [
        f"The best {NAMES[name]}, {params[name]:g}, is {edge}"
        for name, edge in found.items()
        if edge
    ]


def _edge(name: str, value: float, axis: tuple[float, ...] | Range) -> str | None:
    if isinstance(axis, Range):
        low, place = axis.low, _place(value, axis)
        ends = ("near the lower end of its range", "near the upper end of its range")
    else:
        low, place = min(axis), _place_in_list(value, axis)
        ends = ("the smallest of its list", "the largest of its list")
    if place >= 1 - _NEAR:
        return f"{ends[1]}; larger ones may be better."
    if place <= _NEAR and low > _LEAST.get(name, -math.inf):
        return f"{ends[0]}; smaller ones may be better."
    return None


def _place(value: float, axis: Range) -> float:
    """Return where between the ends a value lies, from 0 to 1."""
    if axis.low == axis.high:
        return 0.5
    low, value, high = (math.log(x) if axis.log else x for x in (axis.low, value, axis.high))
    return (value - low) / (high - low)


def _place_in_list(value: float, values: tuple[float, ...]) -> float:
    """Return 0 for the smallest, 1 for the largest, and between them otherwise."""
    if min(values) == max(values):
        return 0.5
    return 0.0 if value == min(values) else 1.0 if value == max(values) else 0.5
