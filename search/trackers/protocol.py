"""The protocol of a tracker."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from search.trackers.values import Run, Trial


class Tracker(Protocol):
    """A place for one run, opened for it; `search.testing.TrackerSuite` has what it must do.

    A process may be killed within any of its calls. Whatever is there then, `known` says which
    trials are there whole; `remove` takes the others away.

    Every call raises `StoreError` where the tracker does not do what it is asked, and
    `ConfigError` where it is none that can be used, or holds something else under that name.
    """

    def known(self) -> Mapping[int, str]:
        """Return the mark of each trial that is there, by its number.

        An empty text stands for a trial that is there in part, or more than once.
        """
        ...

    def remove(self, numbers: Collection[int]) -> None:
        """Take all away that is there of these trials."""
        ...

    def add(self, trials: Sequence[Trial]) -> None:
        """Write trials of which nothing is there, each with its mark."""
        ...

    def conclude(self, run: Run) -> bool:
        """Write how the run stands, its result and its files; return whether anything was new."""
        ...

    def close(self) -> None:
        """Let go of connections and files; nothing is written."""
        ...
