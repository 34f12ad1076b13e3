"""What is left of a pack: the stretches in which the same columns are trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from search.plan.packs import NO_TRIAL, Pack

I64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Leg:
    """A stretch of a pack's way in which the same columns are trained.

    Attributes
    ----------
    pack : Pack
    epoch : int
        Where it ends.
    columns : ndarray of shape (n,), int64
        Which of the pack's columns are trained, increasing.
    scored : ndarray of int64
        Which of them are scored at its end: those with a trial there, and at a
        rung all that go on; empty for a part of a long way.
    numbers : ndarray of int64
        The trial of each scored column that has no row yet, `NO_TRIAL` where one
        is scored for its report alone.
    """

    pack: Pack
    epoch: int
    columns: I64
    scored: I64
    numbers: I64

    @cached_property
    def position(self) -> int:
        """Index of its end in ``pack.checkpoints``, where anything is scored."""
        return self.pack.checkpoints.index(self.epoch)

    @cached_property
    def has_trials(self) -> bool:
        """Whether a trial ends with it that has no row yet."""
        return bool((self.numbers != NO_TRIAL).any())


def open_legs(pack: Pack, closed: NDArray[np.bool_]) -> list[Leg]:
    """Return the legs of the trials that have no row yet.

    A column whose trials all have their row, because they have ended or are
    pruned, is not trained any further.

    Parameters
    ----------
    pack : Pack
    closed : ndarray of shape (trials + 1,), bool
        Whether a trial has its row; the last entry, true, is that of `NO_TRIAL`.
    """
    is_open = ~closed[pack.numbers]
    numbers = np.where(is_open, pack.numbers, NO_TRIAL)
    goes_on = np.logical_or.accumulate(is_open[:, ::-1], axis=1)[:, ::-1]
    scored = is_open | (goes_on & np.isin(pack.checkpoints, pack.rungs))
    return [
        _leg(pack, i, goes_on[:, i], scored[:, i], numbers[:, i])
        for i in np.flatnonzero(scored.any(axis=0)).tolist()
    ]


def _leg(
    pack: Pack, position: int, goes_on: NDArray[np.bool_], scored: NDArray[np.bool_], numbers: I64
) -> Leg:
    epoch = pack.checkpoints[position]
    return Leg(pack, epoch, np.flatnonzero(goes_on), np.flatnonzero(scored), numbers[scored])


def legs_from(legs: Sequence[Leg], epoch: int, columns: I64 | None) -> tuple[int, list[Leg]]:
    """Return from which epoch a pack goes on, and the legs from there.

    Parameters
    ----------
    legs : sequence of Leg
        All that are open, at least one.
    epoch : int
        Of the pack's newest state.
    columns : ndarray of int64 or None
        Which of the pack's columns that state has; None where there is no state.
    """
    first = next(leg.epoch for leg in legs if leg.has_trials)
    # A state cannot go back to an open trial, nor bring a dropped column back. Where it stands at
    # the trial's own end, the weights of the epoch before are gone that the average is made of.
    usable = columns is not None and epoch < first and np.isin(legs[0].columns, columns).all()
    if not usable:
        return 0, list(legs)
    return epoch, [leg for leg in legs if leg.epoch > epoch]
