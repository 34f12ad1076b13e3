"""Trials that are planned together, and how far they may go: up to the next rung."""

import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from search.engine.protocols import Column, EndedTrial, Pruning
from search.plan import NO_TRIAL, Chain, LinkCutter, Pack, Plan, open_chains
from search.record import Books, link_name, pruned_rows

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

log = logging.getLogger(__name__)


def newest_trials(plan: Plan) -> dict[Column, int]:
    """Return the largest number of each column's trials, by which a pruner knows the column.

    In a grid that is also the longest trial. A sampler may ask for a trial of 40 epochs first and
    for one of 10 epochs later: then the newest one is not the longest.
    """
    return {
        (pack.index, m): int(number)
        for pack in plan.packs
        for m, number in enumerate(pack.numbers.max(axis=1))
    }


class Wave:
    """Hands out the chains of a plan, rung by rung where there is a pruner.

    All columns are decided about together, once every pack has reached the
    rung. A wave that is taken up again replays the decisions: they depend on
    nothing but the reports.

    Parameters
    ----------
    plan : Plan
    cutter : LinkCutter
    books : Books
    pruning : Pruning, optional
    """

    def __init__(
        self, plan: Plan, cutter: LinkCutter, books: Books, pruning: Pruning | None = None
    ) -> None:
        self.plan, self.pruning = plan, pruning
        self._cutter, self._books = cutter, books
        rungs = {rung for pack in plan.packs for rung in pack.rungs} if pruning else set()
        # Epochs up to which chains are still to be handed out, increasing; the last one is
        # infinite and stands for the packs' ends. Empty once every trial has its row.
        self._ahead: list[float] = [*sorted(rungs), math.inf]
        # The rung that was decided last; 0 before the first one.
        self._decided = 0
        # Indices of the packs on their way to the first epoch ahead.
        self._under_way: set[int] = set()

    @property
    def finished(self) -> bool:
        """Whether every trial of the plan has its row."""
        return not self._ahead

    def has(self, pack: Pack) -> bool:
        """Whether a pack is one of this wave; no two waves of a run share an index."""
        return any(pack.index == own.index for own in self.plan.packs)

    def ready(self, _timeout: float = 0.0, /) -> list[Chain]:
        """Return the chains that can start now; none while some of a rung are under way."""
        while self._ahead and not self._under_way:
            chains = open_chains(
                self.plan, self._books.closed, self._books.checkpoints.reached,
                self._cutter, self._ahead[0],
            )  # fmt: skip
            if chains:
                self._under_way = {chain[0].pack.index for chain in chains}
                return chains
            self._pass(self._ahead.pop(0))
        return []

    def ended(self, pack: Pack) -> None:
        """Take notice that a pack's chain is in the log."""
        self._under_way.discard(pack.index)
        if self.pruning is None:
            self._books.checkpoints.remove(pack)

    def discard_states(self) -> None:
        """Delete the states of all packs, which a finished wave does not need.

        Not for a `finally`: a sweep that is interrupted goes on from these states.
        """
        for pack in self.plan.packs:
            self._books.checkpoints.remove(pack)

    def _pass(self, epoch: float) -> None:
        """Let the pruner decide at an epoch that all packs have reached, where it is a rung."""
        if self.pruning is not None and math.isfinite(epoch):
            self._prune_at(self.pruning, int(epoch))
            self._decided = int(epoch)

    def _prune_at(self, pruning: Pruning, rung: int) -> None:
        reports = list(self._gather_reports())
        live = {k: cost for pack, costs in reports for k, cost in _live(pack, costs, rung)}
        ended = [
            trial for pack, costs in reports for trial in _ended(pack, costs, self._decided, rung)
        ]
        decision = pruning.decide(rung, live, ended)
        log.info("rung at epoch %d: %s", rung, decision.reason)
        self._write_pruned(rung, decision.pruned)

    def _gather_reports(self) -> Iterator[tuple[Pack, F64]]:
        """Yield each pack with the costs at its epochs, of its state and of the log.

        One state is in memory at a time; its weights are dropped at once.
        """
        for pack in self.plan.packs:
            reached = self._books.checkpoints.load(pack)
            logged = self._logged.get(pack.index, np.full(pack.numbers.shape, np.nan))
            if reached is None:
                yield pack, logged
            else:
                yield pack, np.where(np.isnan(reached.reports), logged, reached.reports)

    def _write_pruned(self, rung: int, pruned: Iterable[Column]) -> None:
        """Log the trials that pruned columns do not reach, except those that have their row."""
        places: dict[int, list[int]] = {}
        for index, column in sorted(pruned):
            places.setdefault(index, []).append(column)
        for pack in self.plan.packs:
            columns = np.array(places.get(pack.index, []), np.int64)
            columns = columns[~self._books.closed[pack.numbers[columns]].all(axis=1)]
            if len(columns):
                self._write_pruned_of(pack, columns, rung)

    def _write_pruned_of(self, pack: Pack, columns: I64, rung: int) -> None:
        reached = self._books.checkpoints.load(pack)
        if reached is None:
            return  # nothing of the pack is left to train, or it would have a state
        layout = self._books.standings.layout
        rows = pruned_rows(pack, columns, rung, reached, layout)
        self._books.log(f"{link_name(pack.index, rung)}-pruned", rows)

    @cached_property
    def _logged(self) -> dict[int, F64]:
        """The reports that the log held of each pack when this command took it up."""
        closed = self._books.closed
        taken_up = [p for p in self.plan.packs if closed[p.numbers[p.numbers != NO_TRIAL]].any()]
        numbers = [pack.numbers[pack.numbers != NO_TRIAL] for pack in taken_up]
        rows = self._books.trial_log.rows(np.concatenate(numbers).tolist()) if numbers else []
        logged = {row["number"]: dict(row["reports"] or ()) for row in rows}
        return {pack.index: _reports_of(pack, logged) for pack in taken_up}


def _reports_of(pack: Pack, logged: Mapping[int, Mapping[int, float]]) -> F64:
    reports = np.full(pack.numbers.shape, np.nan)
    for m, numbers in enumerate(pack.numbers.tolist()):
        for number in numbers:
            for epoch, cost in logged.get(number, {}).items():
                reports[m, pack.stops.index(epoch)] = cost
    return reports


def _live(pack: Pack, reports: F64, rung: int) -> Iterator[tuple[Column, float]]:
    """Yield the columns that were reported at a rung and would go beyond it."""
    if rung in pack.rungs:
        costs = reports[:, pack.stops.index(rung)]
        for m in np.flatnonzero(~np.isnan(costs) & (pack.epochs > rung)).tolist():
            yield (pack.index, m), float(costs[m])


def _ended(pack: Pack, reports: F64, below: int, rung: int) -> Iterator[EndedTrial]:
    """Yield the trials that reached their end above one rung and up to another."""
    for position, epoch in enumerate(pack.stops):
        if below < epoch <= rung:
            done = (pack.numbers[:, position] != NO_TRIAL) & ~np.isnan(reports[:, position])
            for m in np.flatnonzero(done).tolist():
                costs = dict(zip(pack.stops, reports[m].tolist(), strict=True))
                passed = {e: c for e, c in costs.items() if e <= epoch and not math.isnan(c)}
                yield EndedTrial((pack.index, m), bool(pack.epochs[m] == epoch), passed)
