"""Which link runs next: decisions alone, no input or output."""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from search.plan.links import Link


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
