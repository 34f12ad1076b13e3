"""How wide packs should be for the workers there are."""

from collections.abc import Mapping

from model.speed import TYPICAL

# Wider packs gain nothing more and make links long.
WIDEST = 64


def choose_widths(trajectories: Mapping[int, int], workers: int) -> dict[int, int]:
    """Columns per pack that finish the sweep soonest.

    Wide packs do less work in all, narrow ones occupy more workers. A pack is a
    chain of links that one worker after another takes up, so a sweep lasts as
    long as its work shared by all workers, or as its longest pack.

    The typical cost model decides, not one measured here: widths change the order
    of float32 additions, and the same command must give the same bits whatever
    else the machine was doing while it was measured.

    Parameters
    ----------
    trajectories : mapping of int to int
        Number of trajectories of each batch size.
    workers : int

    Returns
    -------
    dict of int to int
        A width for each batch size.
    """
    candidates = range(WIDEST, 0, -1)
    widest = min(candidates, key=lambda width: _makespan(trajectories, width, workers))
    return {batch_size: _even(count, widest) for batch_size, count in trajectories.items()}


def _even(count: int, width: int) -> int:
    """Return the width of the parts when `count` columns are split evenly into as few as fit."""
    return -(-count // -(-count // width))


def _makespan(trajectories: Mapping[int, int], width: int, workers: int) -> float:
    total = longest = 0.0
    for batch_size, count in trajectories.items():
        even = _even(count, width)
        cost = TYPICAL.training_row(batch_size, even)
        total += cost * count / even
        longest = max(longest, cost)
    return max(total / workers, longest)
