"""Brings a tracker to the state of a run."""

from collections.abc import Sequence
from dataclasses import dataclass

from search.trackers.changes import changes
from search.trackers.protocol import Tracker
from search.trackers.values import Run, Trial


@dataclass(frozen=True)
class Sent:
    """The result of an export.

    Attributes
    ----------
    new, changed : int
        Trials that were not there, and those that were there otherwise or in part.
    same : int
        Trials that were there as they are.
    run : bool
        Whether anything about the run itself was new.
    """

    new: int
    changed: int
    same: int
    run: bool

    @property
    def anything(self) -> bool:
        """Whether the tracker had to be changed."""
        return bool(self.new or self.changed or self.run)


def send(run: Run, trials: Sequence[Trial], tracker: Tracker) -> Sent:
    """Let a tracker have what a run has, each trial once; called again it adds what is new.

    Raises
    ------
    PacksweepError
        If the tracker refuses. What it has then, the next call completes.
    """
    wanted = changes(trials, tracker.known())
    if wanted.remove:
        tracker.remove(wanted.remove)
    if wanted.add:
        tracker.add(wanted.add)
    # The last: whoever sees a finished run there finds all its trials.
    concluded = tracker.conclude(run)
    changed = len(wanted.remove)
    new = len(wanted.add) - changed
    return Sent(new, changed, len(trials) - len(wanted.add), concluded)
