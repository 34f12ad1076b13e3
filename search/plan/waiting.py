"""Which link runs next: decisions alone, no input or output."""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from search.plan.links import Link


@dataclass(order=True)
class _Waiting:
    """A link that can run now; the one with the least priority is next."""

    # Minus the seconds that its pack has left; packs with as many by their index.
    priority: tuple[float, int]
    link: Link = field(compare=False)


class WaitingLinks:
    """The links that wait, the pack with most work left first.

    A pack's links follow each other, so the longest remaining chain decides when
    the sweep ends; taking it first keeps all workers busy to the end. Of each pack
    one link at most waits or runs.

    Parameters
    ----------
    chains : iterable of sequence of Link
        The remaining links of every unfinished pack.
    """

    def __init__(self, chains: Iterable[Sequence[Link]] = ()) -> None:
        # A heap of the links that can run now, one for each pack that is not running.
        self._waiting: list[_Waiting] = []
        # By the pack's index: the links after the one that waits or runs, and the seconds of
        # all that have not ended, that one among them.
        self._later: dict[int, deque[Link]] = {}
        self._seconds_left: dict[int, float] = {}
        self.add(chains)

    def add(self, chains: Iterable[Sequence[Link]]) -> None:
        """Let the first link of each of some chains wait; their packs have no link here."""
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
        """Take out the link to run next; there must be one."""
        return heapq.heappop(self._waiting).link

    def done(self, link: Link) -> bool:
        """Let the link after one that has ended wait; return whether it was the chain's last."""
        later = self._later[link.pack.index]
        self._seconds_left[link.pack.index] -= link.seconds
        if later:
            self._push(later.popleft())
            return False
        return True

    def lost(self, link: Link) -> None:
        """Let a link wait once more after it was lost."""
        self._push(replace(link, attempt=link.attempt + 1))
