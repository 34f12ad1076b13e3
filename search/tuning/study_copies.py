"""A study in a storage of Optuna that holds the trials of one run, each once."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from model.errors import PacksweepError
from model.user_folders import expanded
from search.errors import ConfigError, StoreError
from search.logins import has_login, without_login, without_logins
from search.text import without_links

NUMBER, MARK = "number", "packsweep_mark"
"""The attributes of a trial by which it is known again: its number in the run, and its mark."""

# The attributes of a study that say which run it holds, and the hyperparameters of that.
_RUN, _SPACE = "packsweep_run", "packsweep_space"


class StudyCopy:
    """A study of a storage; made there when something is written to it for the first time.

    Parameters
    ----------
    storage : str
        URL of a database, such as ``sqlite:///trials.db``, or the path of a journal file, which
        ends in ``.log`` or ``.journal``.
    name : str
        Name of the study.
    run : str
        Identity of the run whose trials it holds.
    space : mapping of str to BaseDistribution
        The distributions of its hyperparameters: all trials of a study have the same.
    direction : StudyDirection
        The direction of its objective.

    Raises
    ------
    ConfigError
        If the URL is none, or the storage has another study of that name.
    StoreError
        If the storage cannot be opened.
    """

    def __init__(
        self,
        storage: str,
        name: str,
        run: str,
        space: Mapping[str, BaseDistribution],
        direction: StudyDirection,
    ) -> None:
        _check_login(storage)
        self._url, self._name, self._direction = storage, name, direction
        self._own = {_RUN: run, _SPACE: {key: str(of) for key, of in space.items()}}
        with _told(storage):
            self._storage = _opened(storage)
            self._study = self._found()

    def marks(self) -> dict[int, str]:
        """Return the mark of each trial, by its number in the run.

        It is empty of one that is there twice, or with hyperparameters that the run, which was
        extended, has otherwise now.
        """
        with _told(self._url):
            attrs = [trial.user_attrs for trial in self._trials() if MARK in trial.user_attrs]
            if not self._is_of_this_space():
                return {of[NUMBER]: "" for of in attrs}
            times = Counter(of[NUMBER] for of in attrs)
            return {of[NUMBER]: of[MARK] if times[of[NUMBER]] == 1 else "" for of in attrs}

    def remove(self, numbers: Collection[int]) -> None:
        """Take trials away. A storage deletes no trial: the study is made again of the others."""
        with _told(self._url):
            trials, gone = self._trials(), set(numbers)
            if any(MARK not in trial.user_attrs for trial in trials):
                raise ConfigError(
                    f"Trials of the run have changed, and the study {self._name!r} has trials of "
                    "others as well, which would be lost with it. Give another --name."
                )
            same = self._is_of_this_space()
            optuna.delete_study(study_name=self._name, storage=self._storage)
            self._study = None
            kept = [trial for trial in trials if same and trial.user_attrs[NUMBER] not in gone]
            self._made().add_trials(kept)

    def add(self, trials: Sequence[FrozenTrial]) -> None:
        """Add trials, which have the attributes `NUMBER` and `MARK`."""
        with _told(self._url):
            self._made().add_trials(trials)

    def say(self, attrs: Mapping[str, Any]) -> bool:
        """Write attributes of the study, and return whether one of them was new."""
        with _told(self._url):
            study = self._made()
            known = study.user_attrs
            new = {name: value for name, value in attrs.items() if known.get(name) != value}
            for name, value in new.items():
                study.set_user_attr(name, value)
        return bool(new)

    def close(self) -> None:
        """Let go of the database."""
        self._storage.remove_session()

    def _is_of_this_space(self) -> bool:
        return self._study is None or self._study.user_attrs.get(_SPACE) == self._own[_SPACE]

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False) if self._study else []

    def _found(self) -> optuna.Study | None:
        names = {study.study_name: study for study in self._storage.get_all_studies()}
        if self._name not in names:
            return None
        study = optuna.load_study(study_name=self._name, storage=self._storage)
        # One without anything is ours too: a command that was killed has just made it.
        untouched = not names[self._name].user_attrs and not study.get_trials(deepcopy=False)
        if names[self._name].user_attrs.get(_RUN) != self._own[_RUN] and not untouched:
            raise ConfigError(
                f"{without_login(self._url)} has a study called {self._name!r} already, which is "
                "not of this run. Give another --name."
            )
        return study

    def _made(self) -> optuna.Study:
        if self._study is None:
            self._study = optuna.create_study(
                study_name=self._name, storage=self._storage, direction=self._direction
            )
        known = self._study.user_attrs
        for name, value in self._own.items():
            if known.get(name) != value:
                self._study.set_user_attr(name, value)
        return self._study


def _check_login(storage: str) -> None:
    """Refuse a login that would be read as another one, a part of which would be told."""
    if has_login(storage) and storage.count("@") > 1:
        raise ConfigError(
            f"{without_login(storage)} has more than one @. In a login write @ as %40, and : as "
            "%3A."
        )


def _opened(storage: str) -> BaseStorage:
    if storage.endswith((".log", ".journal")) and "://" not in storage:
        return JournalStorage(JournalFileBackend(str(expanded(storage))))
    return optuna.storages.get_storage(storage)


@contextmanager
def _told(storage: str) -> Iterator[None]:
    """Say in our words what goes wrong with a storage.

    Raises
    ------
    ConfigError
        If it is none that can be used.
    StoreError
        If it cannot be read or written.
    """
    shown = without_login(storage)
    try:
        yield
    except PacksweepError:
        raise
    except (ArgumentError, ImportError) as error:
        reason = _reason(storage, error)
        raise ConfigError(f"{shown} is not a usable storage: {reason}.") from None
    except (OptunaError, SQLAlchemyError, OSError, RuntimeError, ValueError) as error:
        reason = _reason(storage, error)
        raise StoreError(f"The study cannot be written to {shown}: {reason}.") from None


def _reason(storage: str, error: Exception) -> str:
    """Return what a driver says, which may hold what it was given, and where more is to be read."""
    text = without_logins(str(error).replace(storage, without_login(storage)))
    with suppress(ArgumentError, ValueError):
        password = make_url(storage).password
        for secret in filter(None, {password and str(password), password and quote(password)}):
            text = text.replace(secret, "***")
    return without_links(text)
