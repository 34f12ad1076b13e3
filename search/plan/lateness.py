"""How long a task may run before it is thought to hang: decisions alone, no clock."""

import statistics
from collections.abc import Iterable

FLOOR = 60.0
"""Seconds that every task may run: the first one of a worker starts it and loads the kernels."""

MULTIPLE = 10.0
"""How many times the seconds that it should take a task may run."""


def patience(expected: float, slowness: float = 1.0, attempt: int = 1) -> float:
    """Return the seconds after which a task is given up.

    Each attempt has twice the patience of the one before: a machine that is slower than anybody
    thought costs attempts, but ends no sweep.

    Parameters
    ----------
    expected : float
        Seconds that it should take.
    slowness : float
        Seconds that such tasks have taken, as a multiple of those that they should take.
    attempt : int
        Number of the attempt, from 1.

    Examples
    --------
    >>> patience(5.0), patience(5.0, attempt=3), patience(20.0, slowness=1.5)
    (60.0, 240.0, 300.0)
    """
    return max(FLOOR, MULTIPLE * expected * slowness) * 2.0 ** (attempt - 1)


def slowness(paces: Iterable[tuple[float, float]]) -> float:
    """Return the median of what links have taken, as a multiple of what they should take.

    The median, because one that a machine has slept through, or a short one that has started a
    worker, says nothing of the others. At least 1: nobody is given up for being fast before.

    Parameters
    ----------
    paces : iterable of (float, float)
        The seconds that each link should take and has taken; none at first.

    Examples
    --------
    >>> slowness([(1.0, 3.0), (1.0, 900.0), (2.0, 4.0)]), slowness([]), slowness([(2.0, 1.0)])
    (3.0, 1.0, 1.0)
    """
    ratios = [taken / expected for expected, taken in paces if expected > 0]
    return max(1.0, statistics.median(ratios)) if ratios else 1.0
