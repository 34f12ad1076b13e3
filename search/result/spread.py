"""How far repeated trainings lie apart: those of the best model, and those of each trial."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from model.results import FinalScore
from search.config import SweepConfig, replicates_text
from search.record import (
    READOUTS,
    Readout,
    RefitStatistics,
    ReplicateFigures,
    ScoreStatistics,
    Statistics,
    Summary,
    TopTrial,
    Trainings,
    TrialLog,
    of_replicates,
)

_FIGURES = {"cost": ("test cost", "{:.4f}", 1.0), "accuracy": ("correct", "{:.2f} %", 100.0)}
_STDS = tuple(f"{name}_std" for r in READOUTS.values() for name in (r.cost, r.accuracy))
_STATISTICS = ("mean", "std", "smallest", "largest")


def refit_statistics(
    seeds: Sequence[int], tests: Sequence[Mapping[str, FinalScore]]
) -> RefitStatistics | None:
    """Return the statistics of the final trainings, or None where there are not several.

    Parameters
    ----------
    seeds : sequence of int
        The seeds of the final trainings.
    tests : sequence of mapping
        The test figures of each, by readout.
    """
    if len(seeds) < 2:
        return None
    found = {name: _score_statistics([test[name] for test in tests]) for name in tests[0]}
    return RefitStatistics(seeds=tuple(seeds), **found)


def _score_statistics(scores: Sequence[FinalScore]) -> ScoreStatistics:
    return ScoreStatistics(
        cost=_statistics([score.cost for score in scores]),
        accuracy=_statistics([score.accuracy for score in scores]),
    )


def _statistics(values: Sequence[float]) -> Statistics:
    with np.errstate(all="ignore"):  # a final training may diverge
        return Statistics(
            mean=float(np.mean(values)),
            std=float(np.std(values, ddof=1)),
            smallest=min(values),
            largest=max(values),
            values=tuple(values),
        )


def spread_rows(summary: Summary) -> list[tuple[str, ...]]:
    """Return the test figures of the final trainings below a header; nothing of a single one."""
    refits = summary.refits
    if not refits:
        return []
    header = f"({len(refits.seeds)} final trainings)"
    rows = [
        (
            f"{title}, {readout.title}",
            *_cells(getattr(statistics, figure), form, factor),
        )
        for name, readout in READOUTS.items()
        if (statistics := refits.by(name))
        for figure, (title, form, factor) in _FIGURES.items()
    ]
    return [(header, *_STATISTICS), *rows]


def _cells(statistics: Statistics, form: str, factor: float) -> list[str]:
    return [form.format(factor * getattr(statistics, name)) for name in _STATISTICS]


def trainings_of(config: SweepConfig) -> Trainings | None:
    """Return how often each trial was trained, or None where once."""
    if config.replicates == 1:
        return None
    return Trainings(each=config.replicates, by=replicates_text(config))


def with_trainings(top: Sequence[TopTrial], trial_log: TrialLog) -> tuple[TopTrial, ...]:
    """Return the best trials with what each of their trainings gave.

    Parameters
    ----------
    top : sequence of TopTrial
    trial_log : TrialLog
        The log of trials that were trained several times each.

    Raises
    ------
    StoreError
        If the log cannot be read.
    """
    rows = {row["number"]: row for row in trial_log.rows(trial.number for trial in top)}
    names = of_replicates(trial_log.layout)
    return tuple(replace(trial, **_of_trainings(rows[trial.number], names)) for trial in top)


def _of_trainings(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the columns of a row of the log that a trial has for its trainings."""
    known = [field.name for field in fields(ReplicateFigures)]
    replicates = tuple(
        ReplicateFigures(**{name: figures[name] for name in known if name in figures})
        for figures in row["replicates"]
    )
    stds = {name: row[name] for name in names if name in _STDS}
    return stds | {"replicates": replicates}


def cost_text(trial: TopTrial, readout: Readout) -> str:
    """Return a cost of a trial, with its standard deviation where there is one."""
    std = std_text(trial, readout)
    return f"{trial.cost(readout):.4f}" + (f" +- {std}" if std else "")


def std_text(trial: TopTrial, readout: Readout) -> str:
    """Return the standard deviation of a trial's cost, nothing where it was trained once."""
    std = trial.cost_std(readout)
    return "" if std is None else f"{std:.4f}"


def trainings_lines(summary: Summary) -> list[str]:
    """Say that costs are means, where they are."""
    trainings = summary.trainings
    if not trainings:
        return []
    return [
        f"Each trial was trained {trainings.each} times, with {trainings.by}: validation "
        "costs are means, +- one standard deviation"
    ]
