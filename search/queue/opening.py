"""Which sweeps a service keeps open, and what each of them should do now."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from search.queue.states import CANCEL, RUN, STOP

GO, FINISH, DRAIN, LEAVE = "go", "finish", "drain", "leave"
"""What a sweep does: start links; start none and train the best of what there is; start none and
end with those that run; or end at once."""


@dataclass(frozen=True)
class Asked:
    """A sweep that has not ended, as far as it decides who is open.

    Attributes
    ----------
    sweep, person : str
    place : int
        The number of its submission.
    priority : int
    wanted : str
        What was asked for last.
    finishes : bool
        Whether it was stopped and has a trial that a model can be made of.
    """

    sweep: str
    person: str
    place: int
    priority: int = 0
    wanted: str = RUN
    finishes: bool = False


def open_sweeps(asked: Iterable[Asked], most: int) -> list[str]:
    """Return the sweeps that may be open, of those that have something to do; first ones first.

    Higher priorities come first, then everybody's first sweep, everybody's second, and so on.
    It depends on what was asked alone, never on what has run: so nothing but a person, or the end
    of a sweep, changes it, and no sweep closes for another that closes for it.

    Parameters
    ----------
    asked : iterable of Asked
    most : int
        How many may be open at a time: each holds its data and its log in memory.

    Examples
    --------
    >>> asked = [Asked("a", "ann", 1), Asked("b", "ann", 2), Asked("c", "bob", 3)]
    >>> open_sweeps(asked, most=2)
    ['a', 'c']
    """
    # How many of the same person and priority come before each.
    before: Counter[tuple[str, int]] = Counter()
    ranked = []
    for one in sorted(asked, key=lambda one: one.place):
        if one.wanted == RUN or one.finishes:
            ranked.append((-one.priority, before[one.person, one.priority], one.place, one.sweep))
            before[one.person, one.priority] += 1
    return [sweep for *_, sweep in sorted(ranked)[:most]]


def mode_of(wanted: str, *, may_be_open: bool, finishes: bool = False) -> str:
    """Return what a sweep that is open should do: `GO`, `FINISH`, `DRAIN` or `LEAVE`."""
    if wanted == CANCEL:
        return LEAVE
    if wanted == STOP and finishes and may_be_open:
        return FINISH
    return GO if wanted == RUN and may_be_open else DRAIN


def ends_with(wanted: str, *, finishes: bool = False) -> bool:
    """Whether a sweep that is not open ends by what is wanted of it."""
    return wanted == CANCEL or (wanted == STOP and not finishes)
