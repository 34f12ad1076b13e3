"""The best trials as a table of text."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from search.readout import LAST, READOUTS, Readout
from search.study import BestTrial
from search.text_table import number_text, table_lines

_HEADER = ("trial", "cost", "correct", "batch", "rate", "epochs", "alpha")
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
    return [title, *table_lines(_HEADER, [_row(trial, readout) for trial in top], width, _SPARE)]


def as_told(trial: BestTrial) -> dict[str, Any]:
    """Return a trial as summary.json has it."""
    return {
        "number": trial.number,
        "params": asdict(trial.params),
        "val_cost": trial.val_cost,
        "val_accuracy": trial.val_accuracy,
        "val_cost_avg": trial.val_cost_avg,
        "val_accuracy_avg": trial.val_accuracy_avg,
    }


def _row(trial: Mapping[str, Any], readout: Readout) -> tuple[str, ...]:
    params = trial["params"]
    return (
        f"{trial['number']}",
        f"{trial[readout.cost]:.4f}",
        f"{100 * trial[readout.accuracy]:.2f} %",
        f"{params['batch_size']}",
        number_text(params["learning_rate"]),
        f"{params['epochs']}",
        number_text(params["alpha"]),
    )
