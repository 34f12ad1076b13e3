"""The legs of a pack: the open stretches of its way in which the same columns are trained."""

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
        The pack whose columns are trained.
    epoch : int
        The epoch at which it ends.
    columns : ndarray of shape (n,), int64
        The columns of the pack that are trained, increasing.
    scored : ndarray of shape (k,), int64
        The columns that are scored at its end: those with an open trial there,
        and at a rung all that go on. Empty for a part of a leg; see `LinkCutter`.
    numbers : ndarray of shape (k,), int64
        The open trial of each scored column; `NO_TRIAL` where a column is scored
        for its report alone.
    """

    pack: Pack
    epoch: int
    columns: I64
    scored: I64
    numbers: I64

    @cached_property
    def position(self) -> int:
        """Index of its end in ``pack.stops``; a ValueError where nothing is scored."""
        return self.pack.stops.index(self.epoch)

    @cached_property
    def has_trials(self) -> bool:
        """Whether an open trial ends with it."""
        return bool((self.numbers != NO_TRIAL).any())


def open_legs(pack: Pack, closed: NDArray[np.bool_]) -> list[Leg]:
    """Return the legs of the open trials, those that have no row yet.

    A column is trained up to its last open trial: a trial that has ended or was
    pruned has its row.

    Parameters
    ----------
    pack : Pack
        The pack whose trials they are.
    closed : ndarray of shape (trials + 1,), bool
        Whether each trial has its row; the last entry, true, is that of `NO_TRIAL`.

    Returns
    -------
    list of Leg
        One for each stop at which anything is scored.

    Examples
    --------
    Two columns with trials 0 and 1 at epochs 5 and 10, and 2 at epoch 5:

    >>> columns = {"learning_rate": np.array([0.1, 0.2]), "alpha": np.zeros(2)}
    >>> numbers = np.array([[0, 1], [2, NO_TRIAL]])
    >>> pack = Pack(0, {"batch_size": 8}, columns, stops=(5, 10), numbers=numbers)
    >>> def show(*closed):
    ...     legs = open_legs(pack, np.array([*closed, True]))
    ...     return [(leg.epoch, leg.columns.tolist(), leg.numbers.tolist()) for leg in legs]
    >>> show(False, False, False)
    [(5, [0, 1], [0, 2]), (10, [0], [1])]
    >>> show(True, False, True)
    [(10, [0], [1])]
    """
    is_open = ~closed[pack.numbers]
    numbers = np.where(is_open, pack.numbers, NO_TRIAL)
    goes_on = np.logical_or.accumulate(is_open[:, ::-1], axis=1)[:, ::-1]
    scored = is_open | (goes_on & np.isin(pack.stops, pack.rungs))
    return [
        _leg(pack, i, goes_on[:, i], scored[:, i], numbers[:, i])
        for i in np.flatnonzero(scored.any(axis=0)).tolist()
    ]


def _leg(
    pack: Pack, position: int, goes_on: NDArray[np.bool_], scored: NDArray[np.bool_], numbers: I64
) -> Leg:
    epoch = pack.stops[position]
    return Leg(pack, epoch, np.flatnonzero(goes_on), np.flatnonzero(scored), numbers[scored])


@dataclass(frozen=True, eq=False)
class Remaining:
    """The rest of a pack's way.

    Attributes
    ----------
    start : int
        The epoch of the state that it goes on from; 0 if the pack starts again.
    legs : tuple of Leg
        The legs beyond that epoch.
    """

    start: int
    legs: tuple[Leg, ...]


def legs_from(legs: Sequence[Leg], epoch: int, columns: I64 | None) -> Remaining:
    """Return the rest of a pack's way, given its newest state.

    The state is unusable if it is at an open trial's end or beyond, because
    the average of a trial needs the weights one epoch earlier, or if it lacks a
    column that is open. Then the pack starts again.

    Parameters
    ----------
    legs : sequence of Leg
        All open legs of the pack, at least one.
    epoch : int
        The epoch of its newest state.
    columns : ndarray of int64 or None
        The pack's columns that the state has; None where there is no state.
    """
    first = next(leg.epoch for leg in legs if leg.has_trials)
    usable = columns is not None and epoch < first and np.isin(legs[0].columns, columns).all()
    if not usable:
        return Remaining(0, tuple(legs))
    return Remaining(epoch, tuple(leg for leg in legs if leg.epoch > epoch))
