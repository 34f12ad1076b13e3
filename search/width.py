"""How wide packs should be for the workers there are."""

from collections.abc import Mapping

# Microseconds that one training row costs a pack: a part of its own (gather, Gram
# matrix, calls) and one per column (the products). Only the ratio matters here.
# Measured with D = 784 and c = 10; docs/performance.md has the table.
_ROW_COST = 1.3
_LOOK_AHEAD_COST = 1.7
_COLUMN_COST = 0.31
_LOOK_AHEAD_BELOW = 64

# Wider packs gain nothing more and make links long.
WIDEST = 64


def row_cost(batch_size: int, width: int) -> float:
    """Relative cost of one training row for a pack of `width` columns."""
    look_ahead = _LOOK_AHEAD_COST if batch_size < _LOOK_AHEAD_BELOW else 0.0
    return _ROW_COST + look_ahead + _COLUMN_COST * width


def choose_widths(trajectories: Mapping[int, int], workers: int) -> dict[int, int]:
    """Columns per pack that finish the sweep soonest.

    Wide packs do less work in all, narrow ones occupy more workers. A pack is a
    chain of links that one worker after another takes up, so a sweep lasts as
    long as its work shared by all workers, or as its longest pack.

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
        cost = row_cost(batch_size, even)
        total += cost * count / even
        longest = max(longest, cost)
    return max(total / workers, longest)
