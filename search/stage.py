"""The chains of a plan that can run now: up to the next rung, or to the end."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from search.legs import legs_from, open_legs
from search.links import Chain, LinkCutter
from search.planner import Pack, Plan

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
