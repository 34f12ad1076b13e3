"""A search whose sampler is asked for more trials while others are trained."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from search.config import Params, SweepConfig
from search.engine.protocols import Asker
from search.engine.wave import Wave, newest_trials
from search.plan import WIDEST, Chain, Pack, Plan, choose_widths, even_width, kind_of
from search.record import Books, Layout, Proposal, Proposals, ReusedTrials, as_columns, copied

WAVES_UNDER_WAY = 2
"""Waves that are trained at a time.

While the packs of one reach their ends, those of the other keep the workers busy; a sampler that
waited for neither would know less.
"""


@dataclass(frozen=True)
class WaveRequest:
    """What a wave is made of.

    Attributes
    ----------
    plan : Plan
        Packs of the trials that are to be trained.
    index : int
        Place of the wave among those of the search.
    first_unknown : int
        Trials from this number on had no result yet when the wave was proposed; a pruner must not
        use them.
    """

    plan: Plan
    index: int
    first_unknown: int


@dataclass(frozen=True)
class _Active:
    """A wave that the sampler was not told of yet, and what it has asked for."""

    proposal: Proposal
    wave: Wave


class FirstSeen:
    """Knows under which number params were first asked for.

    If trials 0, 1 and 2 of a proposal have the params a, b and a, then `register` returns
    ``{2: 0}``; if trial 3 of the next proposal has the params b, it returns ``{3: 1}`` for that.
    """

    def __init__(self) -> None:
        # The lowest number under which params were asked for.
        self._number: dict[Params, int] = {}

    def register(self, proposal: Proposal) -> dict[int, int]:
        """Take notice of a proposal; return which of its trials repeat which earlier ones."""
        copies = {}
        for number, params in zip(proposal.numbers, proposal.params, strict=True):
            first = self._number.setdefault(Params(params), number)
            if first != number:
                copies[number] = first
        return copies


@dataclass(kw_only=True)
class SampledSearch:
    """Asks for trials in waves, `WAVES_UNDER_WAY` of them at a time.

    Wave k is asked for when wave k - `WAVES_UNDER_WAY`, and with it all before, is finished
    and told, whatever else is finished by then: so what a sampler knows when it
    is asked does not depend on how fast the workers are, and the same command
    proposes the same trials.

    It is entered before anything else, and left when it is finished or given up.

    Attributes
    ----------
    asker : Asker
    total : int
        Trials of the search.
    batch : int
        Trials of a wave; the last one may have fewer.
    workers : int
        Number of workers for which packs are planned: that with which the run began.
    rungs : tuple of int
        Epochs at which trials are reported to a pruner.
    books : Books
    proposals : Proposals
    reused : ReusedTrials
    make_wave : callable
        Returns the wave of a request.
    widths : callable
        Returns the columns per pack of a proposal; see `wave_widths`.
    pack_by : sequence of str
        The hyperparameters that all columns of a pack have in common.
    live : sequence of str
        Those that have schedules.
    """

    asker: Asker
    total: int
    batch: int
    workers: int
    rungs: tuple[int, ...]
    books: Books
    proposals: Proposals
    reused: ReusedTrials
    make_wave: Callable[[WaveRequest], Wave]
    widths: Callable[[Proposal, int], dict[int, int] | int] = field(
        default_factory=lambda: wave_widths
    )
    pack_by: Sequence[str] = ("batch_size",)
    live: Sequence[str] = ()

    # Waves that the sampler is not told of yet, oldest first; at most WAVES_UNDER_WAY, except
    # after `restore` where log files were deleted, which opens waves that had been told.
    _active: deque[_Active] = field(init=False, default_factory=deque)
    # What the thread is asking for; None while the sampler may be told.
    _asking: Future[Proposal] | None = field(init=False, default=None)
    # All that was asked for, active or told: proposal k is that of wave k.
    _asked: list[Proposal] = field(init=False, default_factory=list)
    # All params of `_asked`.
    _seen: FirstSeen = field(init=False, default_factory=FirstSeen)
    # The one thread in which the sampler is asked, while this is entered.
    _thread: ThreadPoolExecutor = field(init=False, repr=False)

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
        """Take up what earlier commands have asked for, before anything is asked for here.

        The sampler's study is rebuilt from the log: every trial that was asked
        for, and how it ended where its wave was finished.
        """
        proposals = self.proposals.read()
        told = [n for proposal in proposals if proposal.told for n in proposal.numbers]
        rows = {row["number"]: row for row in self.books.trial_log.rows(told)}
        for proposal in proposals:
            self.asker.restore(proposal)
            self._seen.register(proposal)
            if self._is_done(proposal):
                self._asked.append(proposal)
                self._tell_sampler(proposal, [rows[n] for n in proposal.numbers])
            else:
                self._open(proposal)

    def _is_done(self, proposal: Proposal) -> bool:
        """Whether a wave was told, and nobody has deleted rows of it since."""
        return proposal.told and bool(self.books.closed[list(proposal.numbers)].all())

    @property
    def finished(self) -> bool:
        """Whether every trial has its row and the sampler knows it."""
        return self._left == 0 and not self._active and self._asking is None

    def ready(self, timeout: float, /) -> list[Chain]:
        """Return chains that can start now; tell the sampler and ask it when it is time."""
        chains = [chain for active in self._active for chain in active.wave.ready()]
        if self._asking is None:
            self._tell_oldest_if_due()
            self._ask_if_room()
        return chains + self._take_answer(0.0 if chains else timeout)

    def ended(self, pack: Pack) -> None:
        """Take notice that a pack's chain is in the log."""
        for active in self._active:
            if active.wave.has(pack):
                active.wave.ended(pack)

    @property
    def _layout(self) -> Layout:
        return self.books.standings.layout

    @property
    def _left(self) -> int:
        """Trials that nobody has asked for yet."""
        return self.total - (self._asked[-1].numbers.stop if self._asked else 0)

    def _tell_oldest_if_due(self) -> None:
        """Tell the sampler of the oldest wave if it is finished and the next one waits for that."""
        due = len(self._active) >= WAVES_UNDER_WAY or not self._left
        if due and self._active and self._active[0].wave.finished:
            self._finish(self._active.popleft())

    def _ask_if_room(self) -> None:
        """Let the thread ask for another wave, if there are trials left and few waves under way."""
        if self._left and len(self._active) < WAVES_UNDER_WAY:
            count = min(self.batch, self._left)
            self._asking = self._thread.submit(self.asker.ask, len(self._asked), count)

    def _take_answer(self, timeout: float) -> list[Chain]:
        """Return the chains of the wave that was asked for, if it comes within the timeout."""
        if self._asking is None:
            return []
        wait([self._asking], timeout)
        if not self._asking.done():
            return []
        proposal, self._asking = self._asking.result(), None
        return self._start(proposal).ready()

    def _start(self, proposal: Proposal) -> Wave:
        """Write down what was asked for, before anything of it is trained."""
        known = self.reused.rows(np.array(proposal.numbers), proposal.columns(self._layout))
        proposal.reused = known["number"].tolist()
        copies = self._seen.register(proposal)
        proposal.copies = {n: first for n, first in copies.items() if n not in proposal.reused}
        proposal.widths = self.widths(proposal, self.workers)
        if self._asked:
            # The largest: a wave that was planned again has packs beyond those of later ones.
            proposal.first_pack = max(p.first_pack + p.n_packs for p in self._asked)
        wave = self._open(proposal)
        proposal.n_packs = len(wave.plan.packs)  # those of all replicates
        self.proposals.write(proposal)
        # After it: rows that no proposal asks for are not believed.
        self._log_missing(f"wave-{proposal.index:05d}-reused", known)
        return wave

    def _open(self, proposal: Proposal) -> Wave:
        """Let the trials of a proposal run."""
        self._asked.append(proposal)
        plan = proposal.plan(self.rungs, self._layout, self.pack_by, self.live)
        first_unknown = self._first_unknown(proposal.index)
        wave = self.make_wave(WaveRequest(plan, proposal.index, first_unknown))
        self._active.append(_Active(proposal, wave))
        return wave

    def _first_unknown(self, index: int) -> int:
        """Return the first trial of the oldest wave that was under way when one was asked for."""
        oldest = max(0, index - (WAVES_UNDER_WAY - 1))
        return self._asked[oldest].first

    def _finish(self, active: _Active) -> None:
        """Finish a wave: rows for repeated trials, the pruner's notes, then the sampler."""
        proposal, wave = active.proposal, active.wave
        self._log_copies(proposal)
        if wave.pruning is not None:
            newest = newest_trials(wave.plan)
            for column, attrs in wave.pruning.attrs().items():
                proposal.attrs[newest[column] - proposal.first] |= attrs
        self._tell_sampler(proposal, self.books.trial_log.rows(proposal.numbers))
        proposal.told = True
        self.proposals.write(proposal)
        wave.discard_states()

    def _tell_sampler(self, proposal: Proposal, rows: list[dict[str, Any]]) -> None:
        attrs = dict(zip(proposal.numbers, proposal.attrs, strict=True))
        self.asker.tell(rows, attrs)

    def _log_copies(self, proposal: Proposal) -> None:
        copies = proposal.copies
        if not copies:
            return
        firsts = {row["number"]: row for row in self.books.trial_log.rows(copies.values())}
        rows = as_columns(
            [copied(firsts[first], n, f"trial {first}") for n, first in copies.items()],
            self._layout,
        )
        self._log_missing(f"wave-{proposal.index:05d}-repeated", rows)

    def _log_missing(self, name: str, rows: dict[str, Any]) -> None:
        """Log those of some rows that the log lacks; a command may have been killed after it."""
        missing = np.flatnonzero(~self.books.closed[rows["number"]])
        if len(missing):
            self.books.log(name, {column: _at(values, missing) for column, values in rows.items()})


def _at(values: Any, places: NDArray[np.intp]) -> Any:
    if isinstance(values, np.ndarray):
        return values[places]
    return [values[i] for i in places.tolist()]


def wave_widths(
    proposal: Proposal,
    workers: int,
    config: SweepConfig | None = None,
    widest: int = WIDEST,
) -> dict[int, int] | int:
    """Return the columns per pack of a wave; the waves share the workers.

    Parameters
    ----------
    proposal : Proposal
    workers : int
    config : SweepConfig, optional
        The settings, where the trainer is another one than the softmax trainer.
    widest : int
        Columns of a pack of the softmax trainer at most.
    """
    each = max(1, workers // WAVES_UNDER_WAY)
    if config is not None and not config.trainer.is_softmax:
        kinds = Counter(kind_of(params, config.pack_by) for params in proposal.params)
        return even_width(config, kinds, each)
    batch_sizes, counts = np.unique(
        [params["batch_size"] for params in proposal.params], return_counts=True
    )
    trajectories = dict(zip(batch_sizes.tolist(), counts.tolist(), strict=True))
    return choose_widths(trajectories, each, widest)
