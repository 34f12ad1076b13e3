"""How far repeated trainings lie apart: final ones with other seeds, and those of each trial."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model.tasks import FinalScore
from search.config import SweepConfig, replicates_text
from search.record import OF_REPLICATES, READOUTS, TrialLog

_FIGURES = {"cost": ("test cost", "{:.4f}", 1.0), "accuracy": ("correct", "{:.2f} %", 100.0)}
_STATISTICS = ("mean", "std", "smallest", "largest")


def spread(
    seeds: Sequence[int], tests: Sequence[Mapping[str, FinalScore]]
) -> dict[str, Any] | None:
    """Return the spread of the test figures by readout, or None where nothing is repeated.

    Parameters
    ----------
    seeds : sequence of int
        Of the final trainings.
    tests : sequence of mapping
        What each gave, by readout.
    """
    if len(seeds) < 2:
        return None
    return {
        "seeds": list(seeds),
        **{
            name: {
                figure: _statistics([getattr(test[name], figure) for test in tests])
                for figure in _FIGURES
            }
            for name in READOUTS
        },
    }


def _statistics(values: Sequence[float]) -> dict[str, Any]:
    with np.errstate(all="ignore"):  # a final training may diverge
        return {
            "mean": float(np.mean(values)),
            "std": float(np.std(values, ddof=1)),
            "smallest": min(values),
            "largest": max(values),
            "values": list(values),
        }


def spread_rows(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the spread below a header, for a table; nothing where nothing is repeated.

    Parameters
    ----------
    summary : mapping
        The contents of summary.json, of which earlier versions have no refits.
    """
    refits = summary.get("refits")
    if not refits:
        return []
    header = f"({len(refits['seeds'])} final trainings)"
    rows = [
        (
            f"{title}, {READOUTS[name].title}",
            *(form.format(factor * refits[name][figure][key]) for key in _STATISTICS),
        )
        for name in READOUTS
        for figure, (title, form, factor) in _FIGURES.items()
    ]
    return [(header, *_STATISTICS), *rows]


def add_spread(summary: dict[str, Any], config: SweepConfig, trial_log: TrialLog) -> None:
    """Add to a summary what each training of the best trials gave, where they have several.

    Parameters
    ----------
    summary : dict
        What `search.summary.make_summary` has returned.
    config : SweepConfig
    trial_log : TrialLog
        The trial log.

    Raises
    ------
    StoreError
        If the log cannot be read.
    """
    if config.replicates == 1:
        return
    summary["trainings"] = {"each": config.replicates, "with": replicates_text(config)}
    shown = summary["top"] + ([summary["best"]] if summary["best"] else [])
    rows = {
        row["number"]: row for row in trial_log.rows(trial["number"] for trial in summary["top"])
    }
    for trial in shown:
        trial.update({name: rows[trial["number"]][name] for name in OF_REPLICATES})


def cost_text(trial: Mapping[str, Any], name: str) -> str:
    """Return a cost of a trial, with its standard deviation where there is one."""
    std = std_text(trial, name)
    return f"{trial[name]:.4f}" + (f" +- {std}" if std else "")


def std_text(trial: Mapping[str, Any], name: str) -> str:
    """Return the standard deviation of a cost of a trial, nothing where it was trained once."""
    std = trial.get(f"{name}_std")
    return "" if std is None else f"{std:.4f}"


def trainings_lines(summary: Mapping[str, Any]) -> list[str]:
    """Say that costs are means, where they are."""
    trainings = summary.get("trainings")
    if not trainings:
        return []
    return [
        f"Each trial was trained {trainings['each']} times, with {trainings['with']}: validation "
        "costs are means, +- one standard deviation"
    ]
