"""Cutting what is left of a pack into links of about the same length."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from model.data.dataset import Dataset
from model.examples import READOUT_NAMES
from search.config import SweepConfig
from search.plan.legs import Leg, legs_from, open_legs
from search.plan.packs import Pack, Plan, even_bounds


@dataclass(frozen=True, eq=False)
class Link:
    """One task: train a pack from one epoch to another, scoring it on the way.

    Attributes
    ----------
    pack : Pack
        The pack that it trains.
    start_epoch : int
        The epoch at which it starts.
    legs : tuple of Leg
        Its legs, at least one.
    seconds : float
        The compute time that it should take, by the speed model.
    attempt : int
        The number of this attempt, from 1.
    """

    pack: Pack
    start_epoch: int
    legs: tuple[Leg, ...]
    seconds: float
    attempt: int = 1

    @property
    def epoch(self) -> int:
        """The epoch at which it ends."""
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
        """Whether an open trial ends in it."""
        return any(leg.has_trials for leg in self.legs)

    @property
    def name(self) -> str:
        """Its name in the log and the terminal."""
        return f"{self._kind} {self._detail}"

    @property
    def task(self) -> str:
        """The name of its task: links of packs that share the same are of a kind."""
        return f"{self._kind}: {self._detail}"

    @property
    def _kind(self) -> str:
        return f"advance {self.pack.label}"

    @property
    def _detail(self) -> str:
        return f"epochs {self.start_epoch}-{self.epoch} width={self.width}"


Chain = tuple[Link, ...]
"""The links that a pack has to go, in order."""

# Seconds of a link: long against the cost of a task, and short enough that a lost link costs
# little and that the last ones of a sweep end together.
_SHORTEST, _LONGEST = 1.0, 6.0
_LINKS_PER_WORKER = 16

# Seconds of the driver for a link, to submit it and to make its result durable. One driver
# feeds all workers, so with many of them links must be longer.
_HANDLING = 0.03

# A link may be 25 % longer than planned if that saves a cut.
_SLACK = 1.25


class Speed(Protocol):
    """How long training and scoring take, measured or typical; a `LinkCutter` asks."""

    def training_row(self, kind: Any, width: int, /) -> float:
        """Seconds to train a pack of a `Pack.kind` and a width on one row."""

    def scoring_row(self, width: int, /) -> float:
        """Seconds to score a pack of a width on one row."""


@dataclass(frozen=True)
class LinkCutter:
    """Cuts packs into links by the time that they take.

    Attributes
    ----------
    speed : Speed
        The seconds of a row that is trained or scored.
    n_train, n_validation : int
        Rows that train and rows that score.
    target : float
        Seconds that a link should take.
    readouts : int
        How often what is scored is scored.
    exact : bool
        Whether a link may end anywhere. If not, each leg is a link, whatever it takes.
    """

    speed: Speed
    n_train: int
    n_validation: int
    target: float
    readouts: int = len(READOUT_NAMES)
    exact: bool = True

    @classmethod
    def for_plan(
        cls, plan: Plan, *, speed: Speed, n_train: int, n_validation: int, workers: int
    ) -> Self:
        """Return the cutter whose links keep some workers busy with a plan."""
        work = sum(
            n_train * speed.training_row(pack.kind, pack.width) * pack.column_epochs
            / pack.width for pack in plan.packs
        )  # fmt: skip
        return cls(speed, n_train, n_validation, link_seconds(work, workers))

    @classmethod
    def for_data(
        cls, plan: Plan, *, speed: Speed, config: SweepConfig, data: Dataset, workers: int
    ) -> Self:
        """Return the cutter for a data set that is split as the settings say."""
        n_train, n_validation = data.parts(config.scoring_fraction)
        found = cls.for_plan(
            plan, speed=speed, n_train=n_train, n_validation=n_validation, workers=workers
        )
        if config.trainer.is_softmax:
            return found
        return replace(found, readouts=1, exact=config.trainer.exact)

    def epoch_seconds(self, pack: Pack, width: int) -> float:
        """Seconds that one epoch of some columns of a pack takes."""
        return self.n_train * self.speed.training_row(pack.kind, width)

    def link(self, pack: Pack, start: int, legs: Sequence[Leg]) -> Link:
        """Return a link with the seconds that it should take."""
        seconds, epoch = 0.0, start
        for leg in legs:
            seconds += self._training(epoch, leg)
            if len(leg.scored):
                rows = self.n_validation * self.readouts
                seconds += rows * self.speed.scoring_row(len(leg.scored))
            epoch = leg.epoch
        return Link(pack, start, tuple(legs), seconds)

    def cut(self, pack: Pack, start: int, legs: Sequence[Leg]) -> Chain:
        """Return the links of some legs.

        First every leg that is too long for a link is split into even parts. Then
        each link takes as many legs as it may.

        Parameters
        ----------
        pack : Pack
            The pack whose legs they are.
        start : int
            The epoch from which it goes on, not beyond the first leg.
        legs : sequence of Leg
            At least one.

        Examples
        --------
        Where a link should take 10 epochs, and so 12 at most, the first two of these
        three legs are one link and the third is split:

        >>> from model.speed import SpeedModel
        >>> cutter = LinkCutter(SpeedModel({8: (1.0, 0.0)}, (0.0, 0.0)), 1, 1, target=10.0)
        >>> columns = {"learning_rate": np.array([0.1]), "alpha": np.zeros(1)}
        >>> numbers = np.array([[0, 1, 2]])
        >>> pack = Pack(0, {"batch_size": 8}, columns, stops=(4, 12, 40), numbers=numbers)
        >>> legs = open_legs(pack, closed=np.array([False, False, False, True]))
        >>> [(link.start_epoch, link.epoch) for link in cutter.cut(pack, 0, legs)]
        [(0, 12), (12, 21), (21, 30), (30, 40)]
        """
        links: list[Link] = []
        groups = self._grouped(start, self._split(start, legs)) if self.exact else zip(legs)
        for group in groups:
            links.append(self.link(pack, start, group))
            start = group[-1].epoch
        return tuple(links)

    def _split(self, start: int, legs: Sequence[Leg]) -> Iterator[Leg]:
        """Yield the parts of legs that are too long for a link, and the other legs as they are."""
        for leg in legs:
            length = self.target / self.epoch_seconds(leg.pack, _width(leg, start))
            bounds = even_bounds(leg.epoch - start, _parts(leg.epoch - start, length))
            for end in bounds[1:-1].tolist():
                yield _part(leg, start + end)
            yield leg
            start = leg.epoch

    def _grouped(self, start: int, legs: Iterable[Leg]) -> Iterator[list[Leg]]:
        """Yield the legs of each link. A part is its own link, and the last part begins one.

        The other parts are as long as a link already, and the rows of a link are
        published when it ends: so it ends at what it scores last.
        """
        group: list[Leg] = []
        spent = 0.0
        for leg in legs:
            seconds = self._training(start, leg)
            whole = all(len(other.scored) for other in (leg, *group))
            if group and not (whole and spent + seconds <= _SLACK * self.target):
                yield group
                group, spent = [], 0.0
            group.append(leg)
            spent += seconds
            start = leg.epoch
        yield group

    def _training(self, start: int, leg: Leg) -> float:
        return (leg.epoch - start) * self.epoch_seconds(leg.pack, _width(leg, start))


def _width(leg: Leg, start: int) -> int:
    """Return how many trainings the columns of a leg are; in the middle of its way, with schedules.

    Those that agree so far are one.
    """
    if not leg.pack.live or leg.epoch <= start:
        return len(leg.columns)
    lasts = np.full(len(leg.columns), leg.epoch)
    epochs = leg.pack.shared_epochs(leg.columns, start, lasts)
    return max(1, round(epochs / (leg.epoch - start)))


def link_seconds(work: float, workers: int) -> float:
    """Return how long a link should take.

    Parameters
    ----------
    work : float
        Seconds of the training of a plan, by one worker.
    workers : int
        Number of workers that share it.
    """
    shortest = max(_SHORTEST, _HANDLING * workers)
    return min(max(work / workers / _LINKS_PER_WORKER, shortest), max(_LONGEST, shortest))


def _part(leg: Leg, epoch: int) -> Leg:
    """Return the part of a leg up to an epoch before its end, at which nothing is scored."""
    nothing = np.array([], np.int64)
    return Leg(leg.pack, epoch, leg.columns, nothing, nothing)


def _parts(epochs: int, length: float) -> int:
    """Return into how many parts some epochs are split, if a link should take `length` of them.

    Rounded to the nearest, unless a part would then be too long.
    """
    most = max(1, int(_SLACK * length))
    return max(1, min(epochs, max(round(epochs / length), math.ceil(epochs / most))))


Reached = Callable[[Pack], tuple[int, NDArray[np.int64] | None]]
"""Returns the epoch and the columns of a pack's newest state; 0 and None if it has none."""


def nothing_reached(pack: Pack) -> tuple[int, None]:
    """Return 0 and None: no pack has a state yet."""
    del pack
    return 0, None


def open_chains(
    plan: Plan,
    closed: NDArray[np.bool_],
    reached: Reached,
    cutter: LinkCutter,
    until: float = math.inf,
) -> list[Chain]:
    """Return the chain of each pack that has open trials.

    Parameters
    ----------
    plan : Plan
        The packs.
    closed : ndarray of shape (trials + 1,), bool
        Whether each trial has its row; see `open_legs`.
    reached : callable
        Returns the epoch and the columns of a pack's newest state; see `Reached`.
    cutter : LinkCutter
        The cutter of the plan.
    until : float
        The epoch beyond which it is not known yet which columns go on.

    Returns
    -------
    list of Chain
        One for each pack with open trials up to that epoch.
    """
    chains = []
    for pack in plan.packs:
        if legs := open_legs(pack, closed):
            left = legs_from(legs, *reached(pack))
            if now := [leg for leg in left.legs if leg.epoch <= until]:
                chains.append(cutter.cut(pack, left.start, now))
    return chains
