"""What people have used, and how it is forgotten."""

import math
from collections.abc import Iterable

from search.queue.rows import Person

HALF_LIFE = 600.0
"""Seconds in which half of what was used is forgotten."""


def decayed(use: float, seconds: float, half_life: float = HALF_LIFE) -> float:
    """Return what is left of core-seconds after some time.

    A clock that was set back forgets nothing.

    Examples
    --------
    >>> decayed(100.0, 1200.0)
    25.0
    """
    return use * math.pow(0.5, max(seconds, 0.0) / half_life)


def entered(person: Person, active: Iterable[Person]) -> float:
    """Return the use with which somebody begins who had nothing to run.

    At least that of who has the least of those that are at it, by weight. Who comes after an hour
    of rest does not get the whole cluster until the others have rested as long.

    Parameters
    ----------
    person : Person
    active : iterable of Person
        Who has links to run, or running ones.

    Examples
    --------
    >>> entered(Person("c", weight=2.0, use=1.0), [Person("a", use=30.0), Person("b", use=40.0)])
    60.0
    """
    shares = [other.use / other.weight for other in active if other.name != person.name]
    return max(person.use, person.weight * min(shares)) if shares else person.use
