"""How far the trainings of a trial lie apart, in the summary of a run and in words."""

from collections.abc import Mapping
from typing import Any

from search.config.config import SweepConfig
from search.config.replicates import replicates_text
from search.record.log_reading import OF_REPLICATES
from search.record.trial_log import TrialStore


def add_spread(summary: dict[str, Any], config: SweepConfig, store: TrialStore) -> None:
    """Add to a summary what each training of the best trials gave, where they have several.

    Parameters
    ----------
    summary : dict
        What `search.summary.make_summary` has returned.
    config : SweepConfig
    store : TrialStore
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
    rows = {row["number"]: row for row in store.rows(trial["number"] for trial in summary["top"])}
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
