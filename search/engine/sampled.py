"""A search whose sampler is asked for more trials while others are trained."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from search.config import AXES
from search.engine.wave import Wave
from search.plan import Chain, Pack, Plan, choose_widths
from search.record import Books, Proposal, Proposals, ReusedTrials, as_columns, copied

# Waves under way at a time. While the packs of one reach their ends, those of the other keep
# the workers busy; a sampler that waited for neither would know less.
LAG = 2


class Asker(Protocol):
    """Proposes trials and is told how they ended; see `search.tuning.tuner.Tuner`."""

    def ask(self, index: int, count: int) -> Proposal:
        """Return the next trials."""

    def stop(self) -> None:
        """Let an `ask` that is under way in another thread end soon, whatever it returns."""

    def restore(self, proposal: Proposal) -> None:
        """Take over trials that an earlier command has asked for."""

    def tell(self, rows: Any, attrs: Any) -> None:
        """Take the final rows of trials."""


@dataclass
class _Active:
    proposal: Proposal
    wave: Wave


@dataclass
class SampledSearch:
    """Asks for trials in waves, `LAG` of them at a time under way.

    Wave k is asked for when wave k - LAG, and with it all before, is finished
    and told, whatever else is finished by then: so what a sampler knows when it
    is asked does not depend on how fast the workers are, and the same command
    proposes the same trials.

    Attributes
    ----------
    asker : Asker
    total : int
        Trials of the search.
    batch : int
        Trials of a wave.
    workers : int
        For whom packs are planned: those that the run began with.
    rungs : tuple of int
        Epochs at which trials are reported to a pruner.
    books : Books
    proposals : Proposals
    reused : ReusedTrials
    make_wave : callable
        Returns the wave of a plan, given its index, and the number of the first trial that was
        not told when it was asked for.
    """

    asker: Asker
    total: int
    batch: int
    workers: int
    rungs: tuple[int, ...]
    books: Books
    proposals: Proposals
    reused: ReusedTrials
    make_wave: Callable[[Plan, int, int], Wave]
    _active: deque[_Active] = field(init=False, default_factory=deque)
    _asking: Future[Proposal] | None = field(init=False, default=None)
    _asked: list[Proposal] = field(init=False, default_factory=list)
    _first: dict[tuple[float, ...], int] = field(init=False, default_factory=dict)

    def __enter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.asker.stop()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def restore(self) -> None:
        """Take up what earlier commands have asked for.

        The sampler's study is rebuilt from the log: every trial that was asked
        for, and how it ended where its wave was finished.
        """
        proposals = self.proposals.read()
        told = [n for proposal in proposals if proposal.told for n in proposal.numbers]
        rows = {row["number"]: row for row in self.books.trial_log.rows(told)}
        for proposal in proposals:
            self.asker.restore(proposal)
            repeated(proposal, self._first)
            if self._is_told(proposal):
                self._asked.append(proposal)
                self._tell_sampler(proposal, [rows[n] for n in proposal.numbers])
            else:
                self._open(proposal)

    def _is_told(self, proposal: Proposal) -> bool:
        """Whether nothing is left of a proposal, not even because rows of it were taken away."""
        return proposal.told and bool(self.books.closed[list(proposal.numbers)].all())

    @property
    def finished(self) -> bool:
        """Whether every trial has its row and the sampler knows it."""
        return self._left == 0 and not self._active and self._asking is None

    def ready(self, timeout: float) -> list[Chain]:
        """Return chains that can start now; ask for more trials when it is time."""
        chains = [chain for active in self._active for chain in active.wave.ready()]
        self._ask()
        if self._asking is not None:
            wait([self._asking], 0.0 if chains else timeout)
            if self._asking.done():
                proposal, self._asking = self._asking.result(), None
                chains += self._start(proposal).ready()
        return chains

    def ended(self, pack: Pack) -> None:
        """Take notice that a pack's chain is in the log."""
        for active in self._active:
            if pack in active.wave.plan.packs:
                active.wave.ended(pack)

    @property
    def _left(self) -> int:
        """Trials that nobody has asked for yet."""
        return self.total - (self._asked[-1].numbers.stop if self._asked else 0)

    def _ask(self) -> None:
        """Tell the sampler of the oldest wave if it is finished, and ask for another one."""
        if self._asking is not None:
            return
        due = len(self._active) >= LAG or not self._left
        if due and self._active and self._active[0].wave.finished:
            self._tell(self._active.popleft())
        if self._left and len(self._active) < LAG:
            count = min(self.batch, self._left)
            self._asking = self._thread.submit(self.asker.ask, len(self._asked), count)

    def _start(self, proposal: Proposal) -> Wave:
        """Write down what was asked for, before anything of it is trained."""
        known = self.reused.rows(np.array(proposal.numbers), proposal.columns())
        if len(known["number"]):
            self._write(f"wave-{proposal.index:05d}-reused", known)
            proposal.reused = known["number"].tolist()
        proposal.copies = {
            number: first
            for number, first in repeated(proposal, self._first).items()
            if int(number) not in proposal.reused
        }
        proposal.widths = wave_widths(proposal, self.workers)
        if self._asked:
            proposal.first_pack = self._asked[-1].first_pack + self._asked[-1].n_packs
        wave = self._open(proposal)
        proposal.n_packs = len(wave.plan.packs)
        self.proposals.write(proposal)
        return wave

    def _open(self, proposal: Proposal) -> Wave:
        """Let the trials of a proposal run."""
        self._asked.append(proposal)
        proposal.reused = [n for n in proposal.reused if self.books.closed[n]]
        untold = self._asked[-LAG].first if len(self._asked) >= LAG else 0
        wave = self.make_wave(proposal.plan(self.rungs), proposal.index, untold)
        self._active.append(_Active(proposal, wave))
        return wave

    def _tell(self, active: _Active) -> None:
        """Finish a wave: rows for repeated trials, the pruner's notes, then the sampler."""
        proposal, wave = active.proposal, active.wave
        self._write_copies(proposal)
        if wave.pruning is not None:
            packs = {pack.index: pack for pack in wave.plan.packs}
            for (index, column), attrs in wave.pruning.attrs().items():
                number = int(packs[index].numbers[column].max())
                proposal.attrs[number - proposal.first] |= attrs
        self._tell_sampler(proposal, self.books.trial_log.rows(proposal.numbers))
        proposal.told = True
        self.proposals.write(proposal)
        wave.close()

    def _tell_sampler(self, proposal: Proposal, rows: list[dict[str, Any]]) -> None:
        attrs = dict(zip(proposal.numbers, proposal.attrs, strict=True))
        self.asker.tell(rows, attrs)

    def _write_copies(self, proposal: Proposal) -> None:
        copies = {int(number): first for number, first in proposal.copies.items()}
        if not copies:
            return
        firsts = {row["number"]: row for row in self.books.trial_log.rows(copies.values())}
        rows = as_columns(
            [copied(firsts[first], n, f"trial {first}") for n, first in copies.items()]
        )
        self._write(f"wave-{proposal.index:05d}-repeated", rows)

    def _write(self, name: str, rows: dict[str, Any]) -> None:
        """Log rows that took no training, unless a command did so that was killed after it."""
        if not self.books.trial_log.has(name):
            self.books.log(name, rows)


def wave_widths(proposal: Proposal, workers: int) -> dict[str, int]:
    """Return the columns per pack for each batch size of a wave; the waves share the workers."""
    batch_sizes, counts = np.unique(proposal.columns()["batch_size"], return_counts=True)
    trajectories = dict(zip(batch_sizes.tolist(), counts.tolist(), strict=True))
    widths = choose_widths(trajectories, max(1, workers // LAG))
    return {str(batch_size): width for batch_size, width in widths.items()}


def repeated(proposal: Proposal, firsts: dict[tuple[float, ...], int]) -> dict[str, int]:
    """Return which trials repeat an earlier one, as `Proposal.copies` has it.

    Parameters
    ----------
    proposal : Proposal
    firsts : dict of tuple to int
        The number under which params were first asked for; gets those of the proposal.
    """
    numbers = {
        number: firsts.setdefault(tuple(params[name] for name in AXES), number)
        for number, params in zip(proposal.numbers, proposal.params, strict=True)
    }
    return {str(number): first for number, first in numbers.items() if number != first}
