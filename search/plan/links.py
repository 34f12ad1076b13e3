"""Cutting what is left of a pack into links of about the same length."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model.data.dataset import Dataset
from model.shuffle import validation_rows
from model.speed import CostModel
from model.tasks import READOUT_NAMES
from search.config import SweepConfig
from search.plan.legs import Leg, legs_from, open_legs
from search.plan.packs import Pack, Plan


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
        total = sum(
            self.epoch_seconds(pack, pack.width) * pack.column_epochs / pack.width
            for pack in plan.packs
        )
        share = total / workers / _LINKS_PER_WORKER
        shortest = max(_SHORTEST, _HANDLING * workers)
        self.target = min(max(share, shortest), max(_LONGEST, shortest))

    @classmethod
    def for_data(
        cls, cost: CostModel, config: SweepConfig, data: Dataset, plan: Plan, workers: int
    ) -> Self:
        """Return the cutter for a data set that is split as the settings say."""
        n_validation = validation_rows(len(data.y), config.scoring_fraction)
        return cls(cost, len(data.y) - n_validation, n_validation, plan, workers)

    def epoch_seconds(self, pack: Pack, width: int) -> float:
        """Seconds that one epoch of some columns of a pack takes."""
        return self._n_train * self._cost.training_row(pack.batch_size, width)

    def link(self, pack: Pack, start: int, legs: Sequence[Leg]) -> Link:
        """Return a link with the seconds that it should take."""
        seconds, epoch = 0.0, start
        for leg in legs:
            seconds += self._training(epoch, leg)
            if len(leg.scored):
                rows = self._n_validation * len(READOUT_NAMES)
                seconds += rows * self._cost.scoring_row(len(leg.scored))
            epoch = leg.epoch
        return Link(pack, start, tuple(legs), seconds)

    def cut(self, pack: Pack, start: int, legs: Sequence[Leg]) -> Chain:
        """Return the links of some legs.

        A link takes as many of them as its length allows; a longer leg is cut
        into equal parts.

        Parameters
        ----------
        pack : Pack
        start : int
            An epoch not beyond the first leg.
        legs : sequence of Leg
            At least one.
        """
        links: list[Link] = []
        group: list[Leg] = []
        spent = 0.0
        for leg in legs:
            seconds = self._training(group[-1].epoch if group else start, leg)
            if group and spent + seconds > _SLACK * self.target:
                links.append(self.link(pack, start, group))
                start, group, spent = group[-1].epoch, [], 0.0
            if not group:
                stops = self._even_stops(pack, start, leg)
                links += [self.link(pack, a, [_part(leg, b)]) for a, b in pairwise(stops)]
                start = stops[-1]
                seconds = self._training(start, leg)
            group.append(leg)
            spent += seconds
        return (*links, self.link(pack, start, group))

    def _training(self, start: int, leg: Leg) -> float:
        return (leg.epoch - start) * self.epoch_seconds(leg.pack, len(leg.columns))

    def _even_stops(self, pack: Pack, start: int, leg: Leg) -> list[int]:
        length = self.target / self.epoch_seconds(pack, len(leg.columns))
        return _even_stops(start, leg.epoch, length)


def _part(leg: Leg, epoch: int) -> Leg:
    """Return the part of a leg before its end, at which nothing is scored."""
    nothing = np.array([], np.int64)
    return Leg(leg.pack, epoch, leg.columns, nothing, nothing)


def _even_stops(start: int, epoch: int, length: float) -> list[int]:
    """Return `start` and where to stop before `epoch`, if one link is too short for the way."""
    way = epoch - start
    most = max(1, int(_SLACK * length))
    # Rounded to the nearest, unless a part would then be too long.
    parts = max(1, min(way, max(round(way / length), -(-way // most))))
    return [start + way * i // parts for i in range(parts)]


Reached = Callable[[Pack], tuple[int, NDArray[np.int64] | None]]
"""Epoch and columns of a pack's newest state; 0 and None where there is none."""


def nothing_reached(pack: Pack) -> tuple[int, None]:
    """Say that a pack has no state yet."""
    del pack
    return 0, None


def open_chains(
    plan: Plan,
    closed: NDArray[np.bool_],
    reached: Reached,
    cutter: LinkCutter,
    until: float = math.inf,
) -> list[Chain]:
    """Return what is left of each pack that the log does not complete.

    Parameters
    ----------
    plan : Plan
    closed : ndarray of shape (trials + 1,), bool
        Whether a trial has its row; see `open_legs`.
    reached : callable
        Tells where a pack's newest state on disk stands.
    cutter : LinkCutter
    until : float
        Epoch beyond which nobody knows yet which columns go on.
    """
    chains = []
    for pack in plan.packs:
        if legs := open_legs(pack, closed):
            start, left = legs_from(legs, *reached(pack))
            if now := [leg for leg in left if leg.epoch <= until]:
                chains.append(cutter.cut(pack, start, now))
    return chains
