"""Which link runs next: decisions alone, no input or output."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from search.planner import NO_TRIAL, Pack, Plan
from search.width import row_cost


@dataclass(frozen=True)
class Link:
    """One task: bring a pack to its next checkpoint that has trials without a row.

    Attributes
    ----------
    pack : Pack
    open : tuple of int
        Positions in ``pack.checkpoints`` still to be reached, this link's first.
    attempt : int
        Counted from 1.
    """

    pack: Pack
    open: tuple[int, ...]
    attempt: int = 1

    @property
    def position(self) -> int:
        """Index of the checkpoint that the link goes to."""
        return self.open[0]

    @property
    def epoch(self) -> int:
        """The checkpoint that the link goes to."""
        return self.pack.checkpoints[self.position]

    @property
    def start_epoch(self) -> int:
        """The checkpoint before it, 0 at the beginning."""
        return self.pack.checkpoints[self.position - 1] if self.position else 0

    @property
    def name(self) -> str:
        """What the task is called on a dashboard."""
        return (
            f"advance batch={self.pack.batch_size} epochs {self.start_epoch}-{self.epoch} "
            f"width={self.pack.width}"
        )

    @property
    def work(self) -> float:
        """Relative cost of this link."""
        return (self.epoch - self.start_epoch) * row_cost(self.pack.batch_size, self.pack.width)

    @property
    def remaining_work(self) -> float:
        """Relative cost of this link and those after it."""
        epochs = self.pack.epochs - self.start_epoch
        return epochs * row_cost(self.pack.batch_size, self.pack.width)

    @property
    def is_last(self) -> bool:
        """Whether the pack is finished after it."""
        return len(self.open) == 1


def open_links(plan: Plan, logged: NDArray[np.int64]) -> list[Link]:
    """Return the next link of each pack that the log does not complete.

    Parameters
    ----------
    plan : Plan
    logged : ndarray of shape (n,), int64
        Numbers of the trials that have their row.
    """
    closed = np.zeros(max(pack.numbers.max() for pack in plan.packs) + 2, bool)
    closed[logged] = True
    closed[NO_TRIAL] = True  # the last entry, which no trial has
    links = []
    for pack in plan.packs:
        positions = np.flatnonzero(~closed[pack.numbers].all(axis=0))
        if len(positions):
            links.append(Link(pack, tuple(positions.tolist())))
    return links


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
    links : iterable of Link
        The next link of every unfinished pack.
    """

    def __init__(self, links: Iterable[Link]) -> None:
        self._waiting: list[_Waiting] = []
        for link in links:
            self._push(link)

    def __len__(self) -> int:
        return len(self._waiting)

    def _push(self, link: Link) -> None:
        priority = (-link.remaining_work, link.pack.index)
        heapq.heappush(self._waiting, _Waiting(priority, link))

    def pop(self) -> Link:
        """Take the link to run next."""
        return heapq.heappop(self._waiting).link

    def done(self, link: Link) -> None:
        """Let the pack's next link wait, if there is one."""
        if not link.is_last:
            self._push(Link(link.pack, link.open[1:]))

    def lost(self, link: Link) -> None:
        """Let a link wait once more after its worker was lost."""
        self._push(replace(link, attempt=link.attempt + 1))
