"""The log of a run as a study of Optuna, in memory or in any of its storages."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import DuplicatedStudyError, OptunaError
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from model.user_folders import expanded
from search.config import Range, SweepConfig
from search.errors import ConfigError, StoreError
from search.logins import has_login, without_login, without_logins
from search.record import (
    SOFTMAX_LAYOUT,
    Layout,
    RunFolder,
    layout_of,
    read_log,
)
from search.storage import Place, place
from search.tuning.methods import direction, distributions

TOTAL = "packsweep_trials"
"""The attribute of a study that says how many trials its run has in all."""

FINISHED = "packsweep_finished"
"""The attribute that says whether all of them had a result once."""

# How far a copy in a storage is, as an attribute of its study.
_COPY, _BEGUN, _WHOLE = "packsweep_copy", "begun", "whole"

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


def copy_study(study: optuna.Study, storage: str, name: str) -> None:
    """Copy the ended trials of a study into a storage of Optuna, each with its `number`.

    Parameters
    ----------
    study : Study
    storage : str
        URL of a database, such as ``sqlite:///trials.db``, or the path of a
        journal file, which ends in ``.log`` or ``.journal``.
    name : str
        Name of the copy in the storage.

    Raises
    ------
    ConfigError
        If the URL is none, or the storage has a study of that name.
    StoreError
        If the storage cannot be written.
    """
    shown = without_login(storage)
    _check_login(storage)
    try:
        _copy(study, _opened(storage), name)
    except DuplicatedStudyError as error:
        raise ConfigError(
            f"{shown} has a study called {name!r} already. Give another --name."
        ) from error
    except (ArgumentError, ImportError) as error:
        reason = _without_password(storage, error)
        raise ConfigError(f"{shown} is no storage that can be used: {reason}.") from None
    except (OptunaError, SQLAlchemyError, OSError, RuntimeError, ValueError) as error:
        reason = _without_password(storage, error)
        raise StoreError(f"The study cannot be written to {shown}: {reason}.") from None


def _check_login(storage: str) -> None:
    """Refuse a login that would be read as another one, a part of which would be told."""
    if has_login(storage) and storage.count("@") > 1:
        raise ConfigError(
            f"{without_login(storage)} has more than one @. In a login write @ as %40, and : as "
            "%3A."
        )


def _without_password(storage: str, error: Exception) -> str:
    """Return what a driver says, which may hold what it was given."""
    text = without_logins(str(error).replace(storage, without_login(storage)))
    with suppress(ArgumentError, ValueError):
        password = make_url(storage).password
        for secret in filter(None, {password and str(password), password and quote(password)}):
            text = text.replace(secret, "***")
    return text


def _copy(study: optuna.Study, storage: BaseStorage, name: str) -> None:
    """Copy the trials that have ended; a copy that was broken off before is begun anew.

    A trial that has no result yet would wait in the storage, and whoever goes on with the study
    there would be given it to try.
    """
    studies = {found.study_name: found for found in storage.get_all_studies()}
    if name in studies and studies[name].user_attrs.get(_COPY) == _BEGUN:
        optuna.delete_study(study_name=name, storage=storage)
    copy = optuna.create_study(study_name=name, storage=storage, direction=study.direction)
    copy.set_user_attr(_COPY, _BEGUN)
    copy.add_trials(ended_trials(study))
    copy.set_user_attr(_COPY, _WHOLE)


def ended_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials of a study that have a result, or have failed or were pruned."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]


def _opened(storage: str) -> BaseStorage:
    if storage.endswith((".log", ".journal")) and "://" not in storage:
        return JournalStorage(JournalFileBackend(str(expanded(storage))))
    return optuna.storages.get_storage(storage)


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
    params = {name: row[name] for name in layout.axes if row[name] is not None}
    attrs = ("number", *layout.figures, *_ATTRS)
    trial = create_trial(
        state=TrialState[row["state"]],
        value=row[cost],
        params=params,
        distributions={name: space[name] for name in params},
        intermediate_values=dict(row["reports"] or ()),
        user_attrs={name: row[name] for name in attrs if row[name] is not None},
    )
    trial.datetime_start, trial.datetime_complete = row["started_at"], row["finished_at"]
    return trial


def study_of_run(run: str | Place) -> optuna.Study:
    """Return the log of a run as a study; see `search.load_study`."""
    folder = RunFolder(place(run))
    manifest = folder.existing_manifest()
    config = SweepConfig.from_dict(manifest.config)
    layout = layout_of(config)
    log = read_log(folder.trials, run=manifest.run, layout=layout).sort_by("number")
    study = as_study(log.to_pylist(), config.axes_by_name, config.name, layout)
    study.set_user_attr(TOTAL, config.total)
    summary = folder.read_summary()
    study.set_user_attr(FINISHED, summary is not None and not summary.ended_early)
    return study
