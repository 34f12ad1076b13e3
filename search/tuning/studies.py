"""The log of a run as a study of Optuna, in memory."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.config import Range, SweepConfig
from search.record import SOFTMAX_LAYOUT, Layout, RunFolder, layout_of, read_log
from search.storage import Place, place
from search.tuning.methods import direction, distributions

# What else the log says of a trial, beside its figures.
_ATTRS = ("last_epoch", "seconds", "pack", "node", "attempt", "error", "source")


def as_study(
    rows: Sequence[Mapping[str, Any]],
    axes: Mapping[str, Sequence[Any] | Range],
    name: str,
    layout: Layout = SOFTMAX_LAYOUT,
) -> optuna.Study:
    """Return a study in memory.

    Parameters
    ----------
    rows : sequence of dict
        Rows of the log, by their numbers.
    axes : mapping
        Values or range of each hyperparameter.
    name : str
        Name of the study.
    layout : Layout
        The columns of the log that depend on the trainer; one of them is a trial's value.
    """
    study = optuna.create_study(study_name=name, direction=direction(layout))
    study.add_trials(_numbered(rows, distributions(axes), layout.compared, layout))
    return study


def _numbered(
    rows: Sequence[Mapping[str, Any]],
    space: Mapping[str, BaseDistribution],
    cost: str,
    layout: Layout,
) -> Iterator[FrozenTrial]:
    """Yield a trial for each number up to the last one; those without a row wait."""
    number = 0
    for row in rows:
        for _ in range(number, row["number"]):
            yield create_trial(state=TrialState.WAITING)
        yield _trial(row, space, cost, layout)
        number = row["number"] + 1


def _trial(
    row: Mapping[str, Any], space: Mapping[str, BaseDistribution], cost: str, layout: Layout
) -> FrozenTrial:
    attrs = ("number", *layout.figures, *_ATTRS)
    return ended_trial(
        row["state"],
        {name: row[name] for name in layout.axes if row[name] is not None},
        space,
        (row["started_at"], row["finished_at"]),
        value=row[cost],
        intermediate_values=dict(row["reports"] or ()),
        user_attrs={name: row[name] for name in attrs if row[name] is not None},
    )


def ended_trial(
    state: str,
    params: Mapping[str, Any],
    space: Mapping[str, BaseDistribution],
    times: tuple[datetime, datetime],
    **more: Any,
) -> FrozenTrial:
    """Return a trial that has ended, as Optuna has it.

    Parameters
    ----------
    state : str
        As in the log.
    params : mapping
    space : mapping of str to BaseDistribution
        The distributions of all hyperparameters.
    times : tuple of datetime
        When it began and ended.
    **more
        Value, intermediate values and attributes, as `optuna.trial.create_trial` takes them.
    """
    own = {name: space[name] for name in params}
    trial = create_trial(state=TrialState[state], params=dict(params), distributions=own, **more)
    trial.datetime_start, trial.datetime_complete = times
    return trial


def study_of_run(run: str | Place) -> optuna.Study:
    """Return the log of a run as a study; see `search.load_study`."""
    folder = RunFolder(place(run))
    manifest = folder.existing_manifest()
    config = SweepConfig.from_dict(manifest.config)
    layout = layout_of(config)
    log = read_log(folder.trials, run=manifest.run, layout=layout).sort_by("number")
    return as_study(log.to_pylist(), config.axes_by_name, config.name, layout)
