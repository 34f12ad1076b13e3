"""What a run trains: its plans, and which of their trials have their row."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from model.data.dataset import Dataset
from search.config import SweepConfig, replicates_of
from search.plan import Plan, grid_plan, replicated
from search.record import (
    Books,
    Manifest,
    Proposals,
    ReplicateBooks,
    ReusedTrials,
    settle,
    training_books,
)

REUSED = "reused"
"""What a grid's rows from other runs are called in the log."""


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
        Books of the trials; `training` has those of single trainings.
    proposals : Proposals
    reused : ReusedTrials
    """

    config: SweepConfig
    data: Dataset
    manifest: Manifest
    books: Books
    proposals: Proposals
    reused: ReusedTrials

    @cached_property
    def training(self) -> Books:
        """Where single trainings are written down, which are trials or replicates of them."""
        return training_books(self.books, replicates_of(self.config))

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
        trial_log, checkpoints = self.training.trial_log, self.training.checkpoints
        packs = [(pack, wave.told) for wave in self._wave_plans() for pack in wave.plan.packs]
        settle({pack.index: pack for pack, _ in packs}, trial_log, checkpoints)
        self.books.count_log()
        if isinstance(self.training, ReplicateBooks):
            self.training.count_log()
            self.training.log_complete_trials()
        closed = self.training.closed
        # A pruner compares what is left with the reports of finished packs too.
        compared = bool(self.config.rungs) and not closed.all()
        checkpoints.keep_only(
            pack
            for pack, told in packs
            if (compared and not told) or not closed[pack.numbers].all()
        )

    def _wave_plans(self) -> list[WavePlan]:
        """Return the plans of all waves that there are so far."""
        if self.config.is_grid:
            return [WavePlan(self.grid_plan, told=False)]
        rungs = self.config.rungs
        return [
            WavePlan(self.replicated(proposal.plan(rungs)), proposal.told)
            for proposal in self.proposals.read()
        ]

    @cached_property
    def grid_plan(self) -> Plan:
        """The plan of a grid: all its trials but those that were taken over from other runs."""
        numbers = np.arange(len(self.config.space))
        logged, sources = self.books.trial_log.columns("number", "source")
        reused = [source is not None for source in sources.tolist()]
        trained = np.setdiff1d(numbers, logged[reused]) if any(reused) else numbers
        widths = self.manifest.widths_by_batch_size
        return self.replicated(grid_plan(self.config, widths, trained, self.config.rungs))

    def replicated(self, plan: Plan) -> Plan:
        """Return the plan for all replicates of each trial."""
        return replicated(plan, self.config.replicates, self.config.total)
