"""Which replicates are trained, and the rows of the trials that have all of theirs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.config import Replicate
from search.record.books import Books
from search.record.columns import COMPLETE, FAIL, FIGURES, READOUTS
from search.record.reuse import as_columns
from search.record.standings import Standings
from search.record.trial_log import TrialLog

_KEPT = ("number", "seconds", "train_cost", *FIGURES)

FOLDER = "replicates"
"""What the log of the replicates is called, beside the trial log."""


def training_books(books: Books, replicates: Sequence[Replicate]) -> Books:
    """Return where single trainings are written down: in the run's books, if each is a trial.

    Else in a log of their own, of the same form, in which replicate r of trial t has the
    number t + r * total.

    Parameters
    ----------
    books : Books
        Of the run.
    replicates : sequence of Replicate
        Of every trial.
    """
    if len(replicates) == 1:
        return books
    standings = ReplicateStudy(books, replicates)
    return replace(
        books, trial_log=books.trial_log.beside(FOLDER), standings=standings, resamples=None
    )


class ReplicateStudy(Standings):
    """Is told of replicates, and logs a trial as soon as the last of its own is told.

    The trial log is a function of the replicates' log: a row that a killed command did not come to
    write is written by `restore`. A file is named after the first of its trials. As a trial has one
    row, no two files have the same name, whatever was killed or taken away.

    Parameters
    ----------
    books : Books
        Of the run; its standings is told of the trials.
    replicates : sequence of Replicate
        Of every trial.
    """

    def __init__(self, books: Books, replicates: Sequence[Replicate]) -> None:
        self._trials, self._replicates = books.standings.total, list(replicates)
        super().__init__(self._trials * len(self._replicates), books.standings.select)
        self._books = books
        # Observers count trials.
        self.states = books.standings.states
        shape = (len(self._replicates), self._trials)
        self._seconds = np.zeros(shape)
        self._train_cost = np.full(shape, np.nan)
        self._figures = {name: np.full(shape, np.nan) for name in FIGURES}

    def restore(self, trial_log: TrialLog) -> None:
        """Take over what earlier commands have trained, and log what they have not.

        Parameters
        ----------
        trial_log : TrialLog
            Of the replicates; the standings of the trials knows its own log already.

        Raises
        ------
        StoreError
            If a log cannot be read or written.
        """
        for name in self._books.trial_log.staged():
            self._books.trial_log.discard(name)
        self._keep(dict(zip(_KEPT, trial_log.columns(*_KEPT), strict=True)))
        unlogged = np.flatnonzero(self._whole(np.arange(self._trials)))
        if len(unlogged):
            parts = np.arange(len(self._replicates))[:, None] * self._trials + unlogged
            rows = sorted(trial_log.rows(parts.ravel()), key=lambda row: row["finished_at"])
            newest = {row["number"] % self._trials: row for row in rows}
            self._log(as_columns(list(newest.values())), np.arange(len(newest)))
        # A trial that has its row needs no replicates, such as one that another run has trained.
        self.closed[:-1] |= np.tile(self._books.standings.closed[:-1], len(self._replicates))

    def count(self, rows: Mapping[str, Any]) -> None:
        """Take the rows of some replicates, at most one of each trial.

        Parameters
        ----------
        rows : mapping of str to array or scalar
            All columns of the log.

        Raises
        ------
        StoreError
            If the trial log cannot be written.
        """
        self._keep(rows)
        whole = np.flatnonzero(self._whole(rows["number"] % self._trials))
        if len(whole):
            self._log(rows, whole)

    def _keep(self, rows: Mapping[str, Any]) -> None:
        replicate, trial = np.divmod(rows["number"], self._trials)
        self.closed[rows["number"]] = True
        self._seconds[replicate, trial] = rows["seconds"]
        self._train_cost[replicate, trial] = rows.get("train_cost", np.nan)
        for name, values in self._figures.items():
            values[replicate, trial] = rows[name]

    def _whole(self, trials: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether trials have all their replicates, but no row yet."""
        closed = self.closed[:-1].reshape(len(self._replicates), -1)[:, trials]
        whole: NDArray[np.bool_] = closed.all(axis=0) & ~self._books.standings.closed[trials]
        return whole

    def _log(self, rows: Mapping[str, Any], places: NDArray[np.intp]) -> None:
        """Write the rows of trials, given those of the replicates that were trained last."""
        trials = rows["number"][places] % self._trials
        kept = {name: _at(values, places) for name, values in rows.items()}
        logged = kept | {"number": trials} | self._results(trials)
        self._books.trial_log.write(f"trials-from-{trials.min():09d}", logged)
        self._books.standings.count(logged)

    def _results(self, trials: NDArray[np.int64]) -> dict[str, Any]:
        """Return the columns that are made of all replicates of some trials."""
        parts = {name: values[:, trials] for name, values in self._figures.items()}
        finite: NDArray[np.bool_] = np.isfinite(np.stack(list(parts.values()))).all(axis=(0, 1))
        means = {name: np.where(finite, x.mean(axis=0), np.nan) for name, x in parts.items()}
        stds = {f"{name}_std": x.std(axis=0, ddof=1) for name, x in parts.items()}
        return {
            "state": np.where(finite, COMPLETE, FAIL),
            **means,
            **{name: np.where(finite, values, np.nan) for name, values in stds.items()},
            "last_cost": means[READOUTS[self.select].cost],
            "train_cost": np.where(finite, self._train_cost[:, trials].mean(axis=0), np.nan),
            "seconds": self._seconds[:, trials].sum(axis=0),
            "error": np.array([None if ok else "diverged" for ok in finite.tolist()], object),
            "replicates": _listed(self._replicates, parts),
        }


def _at(values: Any, places: NDArray[np.intp]) -> Any:
    """Return some entries of a column, which may be a scalar for all of them."""
    if np.ndim(values) == 0:
        return values
    return np.asarray(values)[places]


def _listed(
    replicates: Sequence[Replicate], parts: Mapping[str, NDArray[np.float64]]
) -> list[list[dict[str, Any]]]:
    """Return the figures of all replicates of each trial, None where one has diverged."""
    names, figures = list(parts), np.stack(list(parts.values()), axis=-1)  # (R, n, figures)
    plain = np.where(np.isnan(figures), np.array(None), figures)
    return [
        [
            {"seed": r.seed, "fold": r.fold, **dict(zip(names, plain[k, i].tolist(), strict=True))}
            for k, r in enumerate(replicates)
        ]
        for i in range(plain.shape[1])
    ]
