"""The plans of a run, and which of their trials have their row."""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from model.data.dataset import Dataset
from model.seal import ANOTHER_RUN
from search.config import SweepConfig, replicates_of
from search.errors import RunFolderError, StoreError
from search.plan import Plan, grid_plan, replicated
from search.record import (
    DIVERGED,
    FAIL,
    Books,
    Layout,
    Manifest,
    Proposal,
    Proposals,
    ReplicateBooks,
    ReusedTrials,
    RowCheck,
    Standings,
    TrialLog,
    settle,
    training_books,
)
from search.storage import Place

log = logging.getLogger(__name__)

REUSED = "reused"
"""The pack name of a grid's rows from other runs in the log."""


@dataclass(frozen=True)
class WavePlan:
    """The plan of a wave, and how far it has come.

    Attributes
    ----------
    plan : Plan
    told : bool
        Whether all its trials are logged and reported to the sampler. Even then those are trained
        again whose log files were deleted.
    """

    plan: Plan
    told: bool


@dataclass(frozen=True)
class Run:
    """What a run has to train, by its settings, its log and the runs that it reuses.

    Attributes
    ----------
    config : SweepConfig
    data : Dataset
    manifest : Manifest
    books : Books
        Books of the trials; `training_books` are those of single trainings.
    proposals : Proposals
    reused : ReusedTrials
    """

    config: SweepConfig
    data: Dataset
    manifest: Manifest
    books: Books
    proposals: Proposals
    reused: ReusedTrials = field(default_factory=ReusedTrials)

    @cached_property
    def training_books(self) -> Books:
        """Where single trainings are written down, which are trials or replicates of them."""
        return training_books(self.books, replicates_of(self.config))

    def set_aside(self, tell: Callable[[Place, str, Place], None]) -> None:
        """Move log files away that cannot be believed; their trials are trained again.

        Comes before all else that looks at the log.

        Parameters
        ----------
        tell : callable
            Told of each: its path, what is wrong with it, and where it is now.

        Raises
        ------
        RunFolderError
            If no file of the log is of this run; nothing is moved then.
        StoreError
            If a file cannot be fetched or moved.
        """
        for trial_log, found in list(self._log_problems()):
            wrong = {path: problem for path, problem in found.items() if problem}
            if found and all(problem == ANOTHER_RUN for problem in found.values()):
                raise RunFolderError(
                    f"The files in {trial_log.folder} are of another run than the manifest.json "
                    "beside them. Put the matching files together again, choose "
                    "another --run-dir, or use --fresh to move this one aside and start again."
                )
            for path, problem in wrong.items():
                tell(path, problem, trial_log.set_aside(path))

    def merge_logs(self) -> None:
        """Bring the logs of a finished run into few files; it is finished without that too."""
        for trial_log in {self.books.trial_log, self.training_books.trial_log}:
            try:
                trial_log.merge()
            except StoreError as error:
                log.warning("not merged: %s", error)

    def drop_failed(self) -> int:
        """Take the rows of failed trials out of the log, and return how many trials that are.

        One that has diverged stays: it would diverge again. With a trial go those that have its
        result, which a sampler has asked for again.

        Raises
        ------
        StoreError
            If the log cannot be read or written.
        """
        trainings, trials = self.training_books.trial_log, self.books.trial_log
        columns = trainings.columns("number", "state", "error")
        failed = {
            number
            for number, state, error in zip(*(c.tolist() for c in columns), strict=True)
            if state == FAIL and error != DIVERGED
        }
        of_trials = {number % self.config.total for number in failed}
        copies = set() if self.config.is_grid else _copies_to_drop(trials, of_trials)
        # Single trainings last: as long as they are there, a row of the trial comes again.
        dropped = trials.drop(lambda row: row["number"] in of_trials | copies)
        if trainings is not trials:
            trainings.drop(lambda row: row["number"] in failed)
        # Copies alone, which an earlier version left, are trained no more than others.
        return len(set(dropped) - copies) or len(dropped)

    def log_is_whole(self, count: int) -> bool:
        """Whether all files of the log can be believed, and as many trials have their row."""
        found = [problem for _, part in self._log_problems() for problem in part.values()]
        if any(found):
            return False
        numbers, *_ = self.books.trial_log.columns("number")
        return len(numbers) == count

    @property
    def trials_since_best(self) -> int:
        """How many trials that this run has trained have ended since the best one."""
        best = self.books.standings.best_trial
        if best is None:
            return 0
        columns = self.books.trial_log.columns("number", "finished_at", "source")
        numbers, ended, sources = columns
        own = np.array([source is None for source in sources.tolist()], bool)
        return int((own & (ended > ended[numbers == best.number][0])).sum())

    def count_again(self, *, all_trained: bool = True) -> None:
        """Count the trials again, as the files have them when nothing more is trained.

        Parameters
        ----------
        all_trained : bool
            Whether every trial must have its row.

        Raises
        ------
        StoreError
            If a file was changed meanwhile, or a trial has no row though nothing is left to train.
        """
        way_out = "was changed while the sweep was running. Give the same command"
        for _, found in self._log_problems():
            for path, problem in found.items():
                if problem:
                    raise StoreError(f"{path} cannot be believed: {problem}. It {way_out}.")
        standings = Standings(self.config.total, self.layout)
        self.books.standings = standings
        self.books.count_log()
        if all_trained and standings.finished != standings.total:
            raise StoreError(
                f"{standings.finished} of {standings.total} trials have a row, though nothing is "
                f"left to train: {self.books.trial_log.folder} {way_out}."
            )

    def _log_problems(self) -> Iterator[tuple[TrialLog, dict[Place, str | None]]]:
        """Yield each log of the run with its files, and what is wrong with them."""
        proposals = [] if self.config.is_grid else self.proposals.read()
        logs = {self.books.trial_log: 1, self.training_books.trial_log: self.config.replicates}
        for trial_log, replicates in logs.items():
            found = dict(trial_log.problems())
            check = partial(RowCheck.of_run, self.config, proposals, replicates)
            if any(found.values()) or not check().accepts(trial_log):
                found = dict(trial_log.problems(check().problem))
            yield trial_log, found

    def log_reused(self) -> None:
        """Log the rows that a grid takes over from other runs, unless a command did so before.

        Comes before all else: the plan leaves out what is taken over. A sampled search takes over
        what it asks for, wave by wave.

        Raises
        ------
        StoreError
            If the log cannot be written.
        """
        trial_log = self.books.trial_log
        if self.config.is_grid and self.manifest.reuse and not trial_log.has(REUSED):
            numbers = np.arange(len(self.config.space))
            trial_log.write(REUSED, self.reused.rows(numbers, self.config.space.columns(numbers)))

    def settle(self) -> None:
        """Finish what a killed command had begun to record, and count what the log holds.

        Raises
        ------
        StoreError
            If the log cannot be read or written.
        """
        trial_log, checkpoints = self.training_books.trial_log, self.training_books.checkpoints
        packs = [(pack, wave.told) for wave in self._wave_plans() for pack in wave.plan.packs]
        settle({pack.index: pack for pack, _ in packs}, trial_log, checkpoints)
        self.books.count_log()
        if not self.config.is_grid:
            self._log_reused_again()
            packs = [(pack, wave.told) for wave in self._wave_plans() for pack in wave.plan.packs]
        if isinstance(self.training_books, ReplicateBooks):
            self.training_books.count_log()
            self.training_books.log_complete_trials()
        closed = self.training_books.closed
        # A pruner compares what is left with the reports of finished packs too.
        compared = bool(self.config.rungs) and not closed.all()
        checkpoints.keep_only(
            pack
            for pack, told in packs
            if (compared and not told) or not closed[pack.numbers].all()
        )

    def _log_reused_again(self) -> None:
        """Give the rows of other runs back that the log of a sampled search has lost.

        If they are not available, their trials are trained: in packs that come after all
        others, because no two packs of a run have the same index.
        """
        proposals, closed = self.proposals.read(), self.books.closed
        for proposal in proposals:
            lost = [n for n in proposal.reused if not closed[n]]
            if not lost:
                continue
            asked = proposal.columns(self.layout)
            columns = {k: v[np.isin(proposal.numbers, lost)] for k, v in asked.items()}
            known = self.reused.rows(np.array(lost), columns)
            if len(known["number"]):
                self.books.log(f"wave-{proposal.index:05d}-reused", known)
            if not closed[lost].all():
                proposal.reused = [n for n in proposal.reused if closed[n]]
                proposal.first_pack = max(p.first_pack + p.n_packs for p in proposals)
                proposal.n_packs = len(self._planned(proposal).packs)
                self.proposals.write(proposal)

    def _wave_plans(self) -> list[WavePlan]:
        """Return the plans of all waves that there are so far."""
        if self.config.is_grid:
            return [WavePlan(self.grid_plan, told=False)]
        return [
            WavePlan(self._planned(proposal), proposal.told) for proposal in self.proposals.read()
        ]

    @property
    def layout(self) -> Layout:
        """The columns of the log that depend on the trainer."""
        return self.books.standings.layout

    def _planned(self, proposal: Proposal) -> Plan:
        config = self.config
        return self.replicated(
            proposal.plan(config.rungs, self.layout, config.pack_by, config.live)
        )

    @cached_property
    def grid_plan(self) -> Plan:
        """The plan of a grid: all its trials but those that were taken over from other runs."""
        numbers = np.arange(len(self.config.space))
        logged, sources = self.books.trial_log.columns("number", "source")
        reused = [source is not None for source in sources.tolist()]
        trained = np.setdiff1d(numbers, logged[reused]) if any(reused) else numbers
        widths = self.manifest.plan_widths
        return self.replicated(grid_plan(self.config, widths, trained, self.config.rungs))

    def replicated(self, plan: Plan) -> Plan:
        """Return the plan for all replicates of each trial."""
        return replicated(plan, self.config.replicates, self.config.total)


def _copies_to_drop(trials: TrialLog, dropped: set[int]) -> set[int]:
    """Return the failed trials that repeat one that is dropped, or has not failed any more.

    Those have no trainings of their own to tell that they have failed.
    """
    columns = trials.columns("number", "state", "error", "source")
    rows = [*zip(*(column.tolist() for column in columns), strict=True)]
    states = {number: state for number, state, _, _ in rows}
    found = set()
    for number, state, error, source in rows:
        repeats = re.fullmatch(r"trial (\d+)", source or "") if state == FAIL else None
        if repeats is None:
            continue
        first = int(repeats[1])
        if first in dropped or (error != DIVERGED and states.get(first) != FAIL):
            found.add(number)
    return found
