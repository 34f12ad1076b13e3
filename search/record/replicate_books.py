"""Where single trainings are written down, and the rows of the trials that have all of theirs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.results import LinkResult
from search.config import Replicate
from search.plan import NO_TRIAL, Link
from search.record.books import Books
from search.record.checkpoints import Checkpoint
from search.record.log import COMPLETE, DIVERGED, FAIL
from search.record.reuse import as_columns
from search.record.rows import Rows

FOLDER = "replicates"
"""What the log of the replicates is called, beside the trial log."""


def training_books(books: Books, replicates: Sequence[Replicate]) -> Books:
    """Return where single trainings are written down: in the run's books, if each is a trial.

    Else in their own log; see `ReplicateBooks`.

    Parameters
    ----------
    books : Books
        The run's.
    replicates : sequence of Replicate
        The replicates of every trial, the same for all.
    """
    return books if len(replicates) == 1 else ReplicateBooks(books, replicates)


class ReplicateBooks(Books):
    """Books in which every replicate has a row; a trial gets its own when all of them have one.

    Of 100 trials with 3 replicates each, replicate 2 of trial 7 is number 207 in the log of the
    replicates. When 7, 107 and 207 have their rows there, trial 7 gets one in the trial log.

    The trial log is a function of the replicates' log: `log_complete_trials` writes the rows that
    a killed command did not come to write. A file is named after the first of its trials. As a
    trial has one row, no two files have the same name, whatever was killed or taken away. The
    standings count trials, not replicates.

    Parameters
    ----------
    trials : Books
        The run's, which have counted the trial log.
    replicates : sequence of Replicate
        The replicates of every trial, the same for all.
    """

    def __init__(self, trials: Books, replicates: Sequence[Replicate]) -> None:
        own_log = trials.trial_log.beside(FOLDER)
        super().__init__(own_log, trials.checkpoints, trials.standings, links=trials.links)
        self._trials, self._replicates = trials, list(replicates)
        self._total = trials.standings.total
        shape = (len(self._replicates), self._total)
        # True for each replicate that has its row, and for all those of a trial that has its own.
        self._closed = np.zeros(shape[0] * shape[1] + 1, bool)
        self._closed[NO_TRIAL] = True
        # Replicate r of trial t is at [r, t]; not a number before it has its row.
        self._seconds = np.zeros(shape)
        self._train_cost = np.full(shape, np.nan)
        # Why it has failed; None where it has not.
        self._errors = np.full(shape, None, object)
        layout = self.standings.layout
        self._figures = {name: np.full(shape, np.nan) for name in layout.figures}
        # Without one of these a trial has failed; another metric may have nothing to say.
        self._needed = {layout.compared} | {
            name for r in layout.readouts.values() for name in (r.cost, r.accuracy)
        }

    @property
    def closed(self) -> NDArray[np.bool_]:
        """Which replicates have their row, or belong to a trial that has its own."""
        return self._closed

    def count_log(self) -> None:
        """Take notice of the replicates that earlier commands have trained; nothing is written.

        Raises
        ------
        StoreError
            If the log cannot be read.
        """
        kept = ("number", "seconds", "train_cost", "error", *self._figures)
        self._keep(dict(zip(kept, self.trial_log.columns(*kept), strict=True)))
        # A trial that has its row needs no replicates, such as one that another run has trained.
        self._closed[:-1] |= np.tile(self.standings.closed[:-1], len(self._replicates))

    def log_complete_trials(self) -> None:
        """Write the rows of complete trials that a killed command did not come to write.

        Raises
        ------
        StoreError
            If a log cannot be read or written.
        """
        for name in self._trials.trial_log.staged():
            self._trials.trial_log.discard(name)
        complete = np.flatnonzero(self._are_complete(np.arange(self._total)))
        if len(complete):
            self._log_trials(self._newest_rows(complete))

    def log(self, name: str, rows: Rows) -> None:
        """Make rows of replicates durable, then log the trials that they complete."""
        self.trial_log.write(name, rows)
        self._keep(rows)
        self._log_completed_by(rows)

    def log_link(self, link: Link, result: LinkResult, rows: Rows, after: Checkpoint) -> None:
        """Make a link durable, then log the trials that it completes."""
        self._write_link(link, result, rows, after)
        if link.has_trials:
            self._keep(rows)
            self._log_completed_by(rows)

    def _newest_rows(self, trials: NDArray[np.int64]) -> Rows:
        """Return, for each of some trials, the row of the replicate that was finished last."""
        parts = np.arange(len(self._replicates))[:, None] * self._total + trials
        rows = sorted(self.trial_log.rows(parts.ravel()), key=lambda row: row["finished_at"])
        newest = list({row["number"] % self._total: row for row in rows}.values())
        return as_columns(newest, self.standings.layout)

    def _keep(self, rows: Rows) -> None:
        """Keep the figures of some replicates, of which the rows of trials are made."""
        replicate, trial = np.divmod(rows["number"], self._total)
        self._closed[rows["number"]] = True
        self._seconds[replicate, trial] = rows["seconds"]
        self._train_cost[replicate, trial] = rows.get("train_cost", np.nan)
        self._errors[replicate, trial] = rows["error"]
        for name, values in self._figures.items():
            values[replicate, trial] = rows[name]

    def _are_complete(self, trials: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of some trials have all their replicates, but no row yet."""
        closed = self._closed[:-1].reshape(len(self._replicates), -1)[:, trials]
        complete: NDArray[np.bool_] = closed.all(axis=0) & ~self.standings.closed[trials]
        return complete

    def _log_completed_by(self, rows: Rows) -> None:
        """Log the trials that replicates complete, given the rows of these; one of each trial."""
        complete = np.flatnonzero(self._are_complete(rows["number"] % self._total))
        if len(complete):
            self._log_trials({name: _at(values, complete) for name, values in rows.items()})

    def _log_trials(self, newest: Rows) -> None:
        """Log trials, given the row of the replicate of each that was trained last."""
        trials = newest["number"] % self._total
        rows = newest | {"number": trials} | self._results(trials)
        self._trials.log(f"trials-from-{trials.min():09d}", rows)

    def _results(self, trials: NDArray[np.int64]) -> dict[str, Any]:
        """Return the columns that are made of all replicates of some trials."""
        parts = {name: values[:, trials] for name, values in self._figures.items()}
        needed = np.stack([parts[name] for name in self._needed])
        finite: NDArray[np.bool_] = np.isfinite(needed).all(axis=(0, 1))
        means = {name: np.where(finite, x.mean(axis=0), np.nan) for name, x in parts.items()}
        stds = {f"{name}_std": x.std(axis=0, ddof=1) for name, x in parts.items()}
        return {
            "state": np.where(finite, COMPLETE, FAIL),
            **means,
            **{name: np.where(finite, values, np.nan) for name, values in stds.items()},
            "last_cost": means[self.standings.layout.readout.cost],
            "train_cost": np.where(finite, self._train_cost[:, trials].mean(axis=0), np.nan),
            "seconds": self._seconds[:, trials].sum(axis=0),
            "error": self._reasons(trials, finite),
            "replicates": _listed(self._replicates, parts),
        }

    def _reasons(self, trials: NDArray[np.int64], finite: NDArray[np.bool_]) -> NDArray[np.object_]:
        """Return why each trial has failed: the first reason of one of its trainings."""
        each = zip(self._errors[:, trials].T.tolist(), finite.tolist(), strict=True)
        found = [None if ok else next(filter(None, why), DIVERGED) for why, ok in each]
        return np.array(found, object)


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
