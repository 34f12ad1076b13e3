"""Which link runs next: decisions alone, no input or output."""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from search.legs import Leg
from search.planner import Pack


@dataclass(frozen=True, eq=False)
class Link:
    """One task: train a pack from one epoch to another, scoring it on the way.

    Attributes
    ----------
    pack : Pack
    start_epoch : int
    legs : tuple of Leg
        At least one.
    seconds : float
        What it should take, by the cost model.
    attempt : int
        Counted from 1.
    """

    pack: Pack
    start_epoch: int
    legs: tuple[Leg, ...]
    seconds: float
    attempt: int = 1

    @property
    def epoch(self) -> int:
        """Where it ends."""
        return self.legs[-1].epoch

    @property
    def width(self) -> int:
        """Number of columns that it starts with."""
        return len(self.legs[0].columns)

    @property
    def stops(self) -> tuple[int, ...]:
        """Epochs at which columns are scored."""
        return tuple(leg.epoch for leg in self.legs if len(leg.scored))

    @property
    def has_trials(self) -> bool:
        """Whether a trial ends in it."""
        return any(leg.has_trials for leg in self.legs)

    @property
    def name(self) -> str:
        """What it is called in the log and the terminal."""
        return f"{self._kind} {self._detail}"

    @property
    def task(self) -> str:
        """What its task is called: links with the same batch size are of a kind."""
        return f"{self._kind}: {self._detail}"

    @property
    def _kind(self) -> str:
        return f"advance batch={self.pack.batch_size}"

    @property
    def _detail(self) -> str:
        return f"epochs {self.start_epoch}-{self.epoch} width={self.width}"


Chain = tuple[Link, ...]
"""The links that a pack has to go, in order."""


@dataclass(order=True)
class _Waiting:
    priority: tuple[float, int]
    link: Link = field(compare=False)


class Schedule:
    """The links that wait, the pack with most work left first.

    A pack's links follow each other, so the longest remaining chain decides when
    the sweep ends; taking it first keeps all workers busy to the end.

    Parameters
    ----------
    chains : iterable of sequence of Link
        What is left of every unfinished pack.
    """

    def __init__(self, chains: Iterable[Sequence[Link]] = ()) -> None:
        self._waiting: list[_Waiting] = []
        self._later: dict[int, deque[Link]] = {}
        self._seconds_left: dict[int, float] = {}
        self.add(chains)

    def add(self, chains: Iterable[Sequence[Link]]) -> None:
        """Let the first links of more chains wait, of packs that have none here."""
        for chain in chains:
            index = chain[0].pack.index
            self._later[index] = deque(chain)
            self._seconds_left[index] = sum(link.seconds for link in chain)
            self._push(self._later[index].popleft())

    def __len__(self) -> int:
        return len(self._waiting)

    def _push(self, link: Link) -> None:
        index = link.pack.index
        heapq.heappush(self._waiting, _Waiting((-self._seconds_left[index], index), link))

    def pop(self) -> Link:
        """Take the link to run next."""
        return heapq.heappop(self._waiting).link

    def done(self, link: Link) -> bool:
        """Let the pack's next link wait; return whether its chain has ended instead."""
        later = self._later[link.pack.index]
        self._seconds_left[link.pack.index] -= link.seconds
        if later:
            self._push(later.popleft())
            return False
        return True

    def lost(self, link: Link) -> None:
        """Let a link wait once more after its worker was lost."""
        self._push(replace(link, attempt=link.attempt + 1))
