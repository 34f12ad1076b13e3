"""The engine's protocols: observers, sources of work, pruners and proposers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from search.plan import Chain, Link, Pack
from search.record import Proposal, Standings

Column = tuple[int, int]
"""A pack's index, and the place of a column in it."""


class Observer(Protocol):
    """Observes a sweep.

    The orchestrator calls it, in one thread. No method may raise: a display is never a reason to
    stop.
    """

    def started(self, link: Link) -> None:
        """Tell that a link was handed to the executor; again after each loss."""

    def advanced(self, link: Link, standings: Standings, node: str) -> None:
        """Tell that a link is in the log, and on which machine it ran."""

    def lost(self, link: Link, reason: str) -> None:
        """Tell that a link was lost and will be tried again."""

    def late(self, link: Link, how: str) -> None:
        """Tell that a link takes much longer than it should, and will be given up."""

    def idle(self) -> None:
        """Tell that nothing has ended for a moment."""


class Source(Protocol):
    """Knows what is to be trained, now and later: a `Wave`, or a `SampledSearch` of many.

    The orchestrator calls it, in one thread. A chain that `ready` has returned is under way until
    `ended` names its pack, and is not returned again before that.
    """

    @property
    def finished(self) -> bool:
        """Whether every trial has its row. Until then `ready` returns a chain sooner or later."""

    def ready(self, timeout: float, /) -> list[Chain]:
        """Return chains that can start now, waiting up to `timeout` seconds where none is known.

        Raises
        ------
        SamplerError
            If a sampler or a pruner fails.
        StoreError
            If rows of pruned, reused or repeated trials cannot be logged.
        """

    def ended(self, pack: Pack) -> None:
        """Take notice that all links of a pack's chain are in the log.

        Raises
        ------
        StoreError
            If the pack's state, which nobody needs any more, cannot be deleted.
        """


@dataclass(frozen=True)
class EndedTrial:
    """A trial that was trained to its end.

    Attributes
    ----------
    column : Column
        Column in which it was trained.
    longest : bool
        Whether the column ends with it. Not to be confused with the column's newest trial, by
        whose number a pruner knows the column; see `newest_trials`.
    reports : dict of int to float
        Cost at each rung that it has passed and at its end, by epoch; infinite where it diverged.
    """

    column: Column
    longest: bool
    reports: dict[int, float]


@dataclass(frozen=True)
class Decision:
    """A pruner's decision at a rung.

    Attributes
    ----------
    pruned : frozenset of Column
        Columns that go no further.
    reason : str
        Who decided it, in words.
    """

    pruned: frozenset[Column]
    reason: str


class Pruning(Protocol):
    """Decides which columns of one wave go on; see `search.tuning.pruning.PruningStudy`.

    A `Wave` calls it, once for each rung in their order. It must decide alike whenever it is asked
    alike: a wave that is taken up again asks again about the rungs that it has passed.
    """

    def decide(
        self, rung: int, live: Mapping[Column, float], ended: Sequence[EndedTrial]
    ) -> Decision:
        """Decide which columns go no further than a rung.

        Parameters
        ----------
        rung : int
            An epoch, larger than at the last call.
        live : mapping of Column to float
            Cost at the rung of each column that would go on.
        ended : sequence of EndedTrial
            Trials that have reached their end since the last rung.

        Raises
        ------
        SamplerError
            If the pruner fails.
        """

    def attrs(self) -> dict[Column, dict[str, Any]]:
        """Return what is kept with each column for later waves, as JSON takes it."""


class Asker(Protocol):
    """Proposes trials and learns how they ended; see `search.tuning.tuner.Tuner`.

    A `SampledSearch` calls it. `ask` runs in its own thread, and meanwhile nothing but `stop`
    is called. What it proposes depends on what it was told before, and on nothing else.
    """

    def ask(self, index: int, count: int) -> Proposal:
        """Return the next `count` trials, for the wave of an index; fewer after `stop`.

        Raises
        ------
        SamplerError
            If the sampler fails.
        """

    def stop(self) -> None:
        """Let an `ask` that is under way in another thread end soon, whatever it returns."""

    def restore(self, proposal: Proposal) -> None:
        """Take over trials that an earlier command has asked for, in the order of the waves."""

    def tell(
        self, rows: Sequence[Mapping[str, Any]], attrs: Mapping[int, Mapping[str, Any]]
    ) -> None:
        """Take the final rows of a wave's trials.

        Parameters
        ----------
        rows : sequence of mapping
            Their rows in the log.
        attrs : mapping of int to mapping
            What the pruner keeps with each trial, by its number.

        Raises
        ------
        SamplerError
            If the sampler fails.
        """
