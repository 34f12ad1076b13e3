"""Trials that are planned together, and how far they may go: up to the next rung."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from search.plan import NO_TRIAL, Chain, LinkCutter, Pack, Plan, open_chains
from search.record import Books, Checkpoint, link_name, pruned_rows

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

Column = tuple[int, int]
"""A pack's index, and the place of a column in it."""


@dataclass(frozen=True)
class Ended:
    """A trial that was trained to its end.

    Attributes
    ----------
    column : Column
    last : bool
        Whether it is the column's last trial.
    reports : dict of int to float
        Its cost at the rungs that it has passed and at its end.
    """

    column: Column
    last: bool
    reports: dict[int, float]


class Pruning(Protocol):
    """Decides which columns of a wave go on."""

    def decide(
        self, rung: int, live: Mapping[Column, float], ended: Sequence[Ended]
    ) -> set[Column]:
        """Return the columns that go no further than a rung."""

    def attrs(self) -> dict[Column, dict[str, Any]]:
        """Return what is kept with each column for later waves."""


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
        self._rungs: list[float] = [*sorted(rungs), math.inf]
        self._below = 0.0
        self._running: set[int] = set()

    @property
    def finished(self) -> bool:
        """Whether every trial of the plan has its row."""
        return not self._rungs

    def ready(self, timeout: float = 0.0) -> list[Chain]:
        """Return the chains that can start now; none while some of a rung are under way."""
        del timeout
        while self._rungs and not self._running:
            chains = open_chains(
                self.plan, self._books.closed, self._books.checkpoints.reached,
                self._cutter, self._rungs[0],
            )  # fmt: skip
            if chains:
                self._running = {chain[0].pack.index for chain in chains}
                return chains
            self._climb()
        return []

    def ended(self, pack: Pack) -> None:
        """Take notice that a pack's chain is in the log."""
        self._running.discard(pack.index)
        if self.pruning is None:
            self._books.checkpoints.remove(pack)

    def close(self) -> None:
        """Forget the states of the packs, which nobody needs any more."""
        for pack in self.plan.packs:
            self._books.checkpoints.remove(pack)

    def _climb(self) -> None:
        rung = self._rungs.pop(0)
        if self.pruning is not None and math.isfinite(rung):
            self._decide(self.pruning, int(rung))
        self._below = rung

    def _decide(self, pruning: Pruning, rung: int) -> None:
        states = {pack.index: self._books.checkpoints.load(pack) for pack in self.plan.packs}
        reports = [(pack, self._reports(pack, states[pack.index])) for pack in self.plan.packs]
        live = {k: cost for pack, costs in reports for k, cost in _live(pack, costs, rung)}
        ended = [
            trial for pack, costs in reports for trial in _ended(pack, costs, self._below, rung)
        ]
        pruned = pruning.decide(rung, live, ended)
        for pack in self.plan.packs:
            columns = sorted(column for index, column in pruned if index == pack.index)
            still_open = ~self._books.closed[pack.numbers[columns]].all(axis=1)
            after = states[pack.index]
            if after is not None and still_open.any():
                self._prune(pack, np.array(columns)[still_open], rung, after)

    def _prune(self, pack: Pack, columns: I64, rung: int, after: Checkpoint) -> None:
        """Write the rows of pruned columns, beside those of a command that lost their states."""
        rows = pruned_rows(pack, columns, rung, after)
        name = f"{link_name(pack.index, rung)}-pruned"
        while self._books.trial_log.has(name):
            name += "-again"
        self._books.log(name, rows)

    def _reports(self, pack: Pack, after: Checkpoint | None) -> F64:
        """Return what was reported of a pack's columns: by its state, or by the log without it."""
        logged = self._logged.get(pack.index)
        if after is None:
            return np.full(pack.numbers.shape, np.nan) if logged is None else logged
        return after.reports if logged is None else np.fmin(after.reports, logged)

    @cached_property
    def _logged(self) -> dict[int, F64]:
        """The reports that the log held of each pack when this command took it up."""
        closed = self._books.closed
        taken_up = [p for p in self.plan.packs if closed[p.numbers[p.numbers != NO_TRIAL]].any()]
        numbers = [pack.numbers[pack.numbers != NO_TRIAL] for pack in taken_up]
        rows = self._books.trial_log.rows(np.concatenate(numbers).tolist()) if numbers else []
        told = {row["number"]: dict(row["reports"] or ()) for row in rows}
        return {pack.index: _reports_of(pack, told) for pack in taken_up}


def _reports_of(pack: Pack, told: Mapping[int, Mapping[int, float]]) -> F64:
    reports = np.full(pack.numbers.shape, np.nan)
    for m, numbers in enumerate(pack.numbers.tolist()):
        for number in numbers:
            for epoch, cost in told.get(number, {}).items():
                reports[m, pack.checkpoints.index(epoch)] = cost
    return reports


def _live(pack: Pack, reports: F64, rung: int) -> Iterator[tuple[Column, float]]:
    """Yield the columns that were reported at a rung and would go beyond it."""
    if rung in pack.rungs:
        costs = reports[:, pack.checkpoints.index(rung)]
        for m in np.flatnonzero(~np.isnan(costs) & (pack.epochs > rung)).tolist():
            yield (pack.index, m), float(costs[m])


def _ended(pack: Pack, reports: F64, below: float, rung: int) -> Iterator[Ended]:
    """Yield the trials that reached their end above one rung and up to another."""
    for position, epoch in enumerate(pack.checkpoints):
        if below < epoch <= rung:
            done = (pack.numbers[:, position] != NO_TRIAL) & ~np.isnan(reports[:, position])
            for m in np.flatnonzero(done).tolist():
                costs = dict(zip(pack.checkpoints, reports[m].tolist(), strict=True))
                passed = {e: c for e, c in costs.items() if e <= epoch and not math.isnan(c)}
                yield Ended((pack.index, m), bool(pack.epochs[m] == epoch), passed)
