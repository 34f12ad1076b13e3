"""The best trials as a table of text."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from model.tasks import LAST
from search.record.columns import FIGURES, READOUTS, Readout
from search.record.standings import BestTrial
from search.replicate_spread import std_text
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
