"""Cutting what is left of a pack into links of about the same length."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model.dataset import Dataset
from search.config import SweepConfig
from search.cost_model import CostModel
from search.link import validation_rows
from search.planner import NO_TRIAL, Pack, Plan
from search.schedule import Chain, Link

# A link should be long against the cost of a task, and short enough that a lost one costs
# little and that the last ones end together.
_SHORTEST, _LONGEST = 1.0, 6.0
_LINKS_PER_WORKER = 16

# Seconds of the driver for a link, to submit it and to make its result durable. One driver
# feeds all workers, so with many of them links must be longer.
_HANDLING = 0.03

# How far a link may go beyond its length to reach a checkpoint.
_SLACK = 1.25


class LinkCutter:
    """Cuts packs into links by what they cost.

    Parameters
    ----------
    cost : CostModel
    n_train, n_validation : int
        Rows that train and score.
    plan : Plan
    workers : int
    """

    def __init__(
        self, cost: CostModel, n_train: int, n_validation: int, plan: Plan, workers: int
    ) -> None:
        self._cost, self._n_train, self._n_validation = cost, n_train, n_validation
        total = sum(self.epoch_seconds(pack) * pack.epochs for pack in plan.packs)
        share = total / workers / _LINKS_PER_WORKER
        shortest = max(_SHORTEST, _HANDLING * workers)
        self.target = min(max(share, shortest), max(_LONGEST, shortest))

    @classmethod
    def for_data(
        cls, cost: CostModel, config: SweepConfig, data: Dataset, plan: Plan, workers: int
    ) -> Self:
        """Return the cutter for a data set that is split as the settings say."""
        n_validation = validation_rows(len(data.y), config.validation_fraction)
        return cls(cost, len(data.y) - n_validation, n_validation, plan, workers)

    def epoch_seconds(self, pack: Pack) -> float:
        """Seconds that one epoch of a pack takes."""
        return self._n_train * self._cost.training_row(pack.batch_size, pack.width)

    def link(self, pack: Pack, start: int, epoch: int, positions: tuple[int, ...]) -> Link:
        """Return a link with the seconds that it should take."""
        training = (epoch - start) * self.epoch_seconds(pack)
        scoring = self._n_validation * self._cost.scoring_row(pack.width)
        return Link(pack, start, epoch, positions, training + len(positions) * scoring)

    def cut(self, pack: Pack, start: int, positions: tuple[int, ...]) -> Chain:
        """Return the links from `start` to the last of some checkpoints.

        A link passes as many of them as its length allows; a longer way to the
        next one is cut into equal parts.

        Parameters
        ----------
        pack : Pack
        start : int
            An epoch not beyond the first checkpoint.
        positions : tuple of int
            Indices into ``pack.checkpoints``, increasing, at least one.
        """
        length = self.target / self.epoch_seconds(pack)
        links: list[Link] = []
        group: tuple[int, ...] = ()
        for position in positions:
            epoch = pack.checkpoints[position]
            if group and epoch - start > _SLACK * length:
                links.append(self.link(pack, start, pack.checkpoints[group[-1]], group))
                start, group = links[-1].epoch, ()
            if not group:
                stops = _even_stops(start, epoch, length)
                links += [self.link(pack, a, b, ()) for a, b in pairwise(stops)]
                start = stops[-1]
            group += (position,)
        return (*links, self.link(pack, start, pack.checkpoints[group[-1]], group))


def _even_stops(start: int, epoch: int, length: float) -> list[int]:
    """Return `start` and where to stop before `epoch`, if one link is too short for the way."""
    way = epoch - start
    most = max(1, int(_SLACK * length))
    # Rounded to the nearest, unless a part would then be too long.
    parts = max(1, min(way, max(round(way / length), -(-way // most))))
    return [start + way * i // parts for i in range(parts)]


def open_positions(plan: Plan, logged: NDArray[np.int64]) -> Iterator[tuple[Pack, tuple[int, ...]]]:
    """Yield each pack with the checkpoints that have trials without a row.

    Parameters
    ----------
    plan : Plan
    logged : ndarray of shape (n,), int64
        Numbers of the trials that have their row.
    """
    closed = np.zeros(max(pack.numbers.max() for pack in plan.packs) + 2, bool)
    closed[logged] = True
    closed[NO_TRIAL] = True  # the last entry, which no trial has
    for pack in plan.packs:
        yield pack, tuple(np.flatnonzero(~closed[pack.numbers].all(axis=0)).tolist())


def open_chains(
    plan: Plan, logged: NDArray[np.int64], reached: Callable[[Pack], int], cutter: LinkCutter
) -> list[Chain]:
    """Return what is left of each pack that the log does not complete.

    Parameters
    ----------
    plan : Plan
    logged : ndarray of shape (n,), int64
        Numbers of the trials that have their row.
    reached : callable
        Epoch of a pack's newest state on disk, 0 where there is none.
    cutter : LinkCutter
    """
    chains = []
    for pack, positions in open_positions(plan, logged):
        if positions:
            epoch = reached(pack)
            # A state beyond the first open checkpoint cannot go back to it.
            start = epoch if epoch <= pack.checkpoints[positions[0]] else 0
            chains.append(cutter.cut(pack, start, positions))
    return chains
