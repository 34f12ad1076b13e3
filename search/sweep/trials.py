"""What a run trains: the one wave of a grid, or the waves that a sampler asks for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from model.data.dataset import Dataset
from model.speed import CostModel
from search.config import SweepConfig, replicates_of
from search.engine import Pruning, SampledSearch, Source, Wave
from search.plan import (
    LinkCutter,
    Plan,
    Prediction,
    grid_plan,
    open_chains,
    predict,
    replicated,
    workers_each,
)
from search.record import (
    Books,
    Manifest,
    Proposals,
    ReplicateBooks,
    ReusedTrials,
    settle,
    training_books,
)
from search.tuning.tuner import make_tuner

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


REUSED = "reused"
"""What a grid's rows from other runs are called in the log."""


@dataclass(frozen=True)
class Run:
    """What a run has to train, by its settings, its log and the runs that it reuses.

    Attributes
    ----------
    config : SweepConfig
    data : Dataset
    manifest : Manifest
    books : Books
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

    def settle(self) -> None:
        """Finish what a killed command had begun to record, and count what the log holds.

        Raises
        ------
        StoreError
            If the log cannot be read or written.
        """
        trial_log, checkpoints = self.training.trial_log, self.training.checkpoints
        packs = [(pack, told) for plan, told in self._plans() for pack in plan.packs]
        settle({pack.index: pack for pack, _ in packs}, trial_log, checkpoints)
        self.books.count_log()
        if isinstance(self.training, ReplicateBooks):
            self.training.count_log()
            self.training.log_complete_trials()
        closed = self.training.closed
        # With a pruner, a finished pack still says what the others are compared with.
        compared = bool(self._rungs) and not closed.all()
        checkpoints.keep_only(
            pack
            for pack, told in packs
            if (compared and not told) or not closed[pack.numbers].all()
        )

    def _plans(self) -> list[tuple[Plan, bool]]:
        """Return all plans there are, and whether they are done with.

        Unless rows were taken away: then what was told is open again.
        """
        if self.config.is_grid:
            return [(self._grid_plan, False)]
        return [(self._replicated(p.plan(self._rungs)), p.told) for p in self.proposals.read()]

    def _replicated(self, plan: Plan) -> Plan:
        return replicated(plan, self.config.replicates, self.config.total)

    @contextmanager
    def source(self, cost: CostModel, workers: int) -> Iterator[tuple[Source, Prediction | None]]:
        """Give what is left to train, and how long it should take.

        That is not known of trials that nobody has asked for yet.
        """
        if self.config.is_grid:
            cutter = self._cutter(self._grid_plan, cost, workers)
            books = self.training
            chains = open_chains(self._grid_plan, books.closed, books.checkpoints.reached, cutter)
            wave = Wave(self._grid_plan, cutter, books, self._pruning(self._grid_plan, [], 0))
            # What a pruner saves is not known either.
            yield wave, None if self._rungs else predict(chains, workers)
            wave.close()
        else:
            with self._sampled(cost, workers) as search:
                search.restore()
                yield search, None

    @cached_property
    def _rungs(self) -> tuple[int, ...]:
        return self.config.rungs

    @cached_property
    def _grid_plan(self) -> Plan:
        numbers = np.arange(len(self.config.space))
        trial_log = self.books.trial_log
        if self.manifest.reuse and not trial_log.has(REUSED):
            trial_log.write(REUSED, self.reused.rows(numbers, self.config.space.columns(numbers)))
        logged, sources = trial_log.columns("number", "source")
        reused = [source is not None for source in sources.tolist()]
        trained = np.setdiff1d(numbers, logged[reused]) if any(reused) else numbers
        widths = self.manifest.widths_by_batch_size
        return self._replicated(grid_plan(self.config, widths, trained, self._rungs))

    def _cutter(self, plan: Plan, cost: CostModel, workers: int) -> LinkCutter:
        return LinkCutter.for_data(cost, self.config, self.data, plan, workers)

    def _sampled(self, cost: CostModel, workers: int) -> SampledSearch:
        tuner = make_tuner(self.config)

        def make_wave(plan: Plan, index: int, untold: int) -> Wave:
            pruning = self._pruning(plan, tuner.history(untold), index)
            whole = self._replicated(plan)
            return Wave(whole, self._cutter(whole, cost, workers), self.training, pruning)

        return SampledSearch(
            tuner, self.config.total, self.config.wave_size,
            workers_each(self.config, self.manifest.workers), self._rungs,
            self.books, self.proposals, self.reused, make_wave,
        )  # fmt: skip

    def _pruning(self, plan: Plan, history: Sequence["FrozenTrial"], wave: int) -> Pruning | None:
        if not self._rungs:
            return None
        # Here, because Optuna takes a second to import and a plain grid goes without.
        from search.tuning.methods import make_pruner
        from search.tuning.pruning import PruningStudy

        settings = self.config.pruner
        pruner = make_pruner(settings.name, settings.options, self._rungs)
        columns = {
            (pack.index, m): int(number)
            for pack in plan.packs
            for m, number in enumerate(pack.numbers.max(axis=1))
        }
        return PruningStudy(pruner, history, columns, [self.config.seed, wave])
