"""The changes that bring a tracker up to date with a run: a pure function of both."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from search.trackers.values import Trial


@dataclass(frozen=True)
class Changes:
    """The changes that a tracker needs.

    Attributes
    ----------
    remove : tuple of int
        Trials that are there otherwise, in part or twice.
    add : tuple of Trial
        Those, and the ones that are not there, by their numbers.
    """

    remove: tuple[int, ...]
    add: tuple[Trial, ...]


def changes(trials: Iterable[Trial], known: Mapping[int, str]) -> Changes:
    """Return what is to be removed from a tracker, and then added.

    Trials that the tracker has and the run has no more stay: their rows may be lost, and whoever
    looks there has seen them.

    Parameters
    ----------
    trials : iterable of Trial
        The finished trials of the run.
    known : mapping of int to str
        What `Tracker.known` says.

    Examples
    --------
    >>> from datetime import datetime
    >>> now = datetime(2026, 1, 1)
    >>> trial = Trial(number=7, state="COMPLETE", value=0.4, params={}, figures={}, last_epoch=5,
    ...               started_at=now, finished_at=now)
    >>> changes([trial], {7: trial.mark})
    Changes(remove=(), add=())
    >>> changes([trial], {7: "another"}).remove
    (7,)
    """
    add = sorted(
        (trial for trial in trials if known.get(trial.number) != trial.mark),
        key=lambda trial: trial.number,
    )
    return Changes(tuple(trial.number for trial in add if trial.number in known), tuple(add))
