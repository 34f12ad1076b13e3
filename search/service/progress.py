"""How far an open sweep has come, as its links tell it."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from model.errors import PacksweepError
from search.plan import Link
from search.record import RunFolder, Standings
from search.watch import RunState

_NEWEST = 20


@dataclass(frozen=True)
class EndedLink:
    """A link that has ended.

    Attributes
    ----------
    at : float
        Seconds since 1970.
    label : str
        What its trajectories have in common.
    start_epoch, epoch : int
    width : int
        Trajectories that it has trained.
    node : str
        The machine that it ran on.
    """

    at: float
    label: str
    start_epoch: int
    epoch: int
    width: int
    node: str


@dataclass
class Progress:
    """Counts the links of a sweep; an `Observer`.

    Only the sweep's own thread calls what an observer has; any thread may look.

    Attributes
    ----------
    version : int
        Grows with each change, so that who looks again knows whether there is news.
    finished : int
        Trials with a row.
    states : mapping of str to int
        How many have which state.
    best : dict or None
        Number, cost and hyperparameters of the best trial so far; by what it is the best, and the
        value of that, where it is another metric than the cost.
    links : int
        Links that have ended since the sweep was opened.
    tried_again : int
        Links that were tried again.
    newest : tuple of EndedLink
        The newest links, the newest last; never changed, so that any thread may go through it.
    """

    version: int = 0
    finished: int = 0
    states: Mapping[str, int] = field(default_factory=dict)
    best: dict[str, Any] | None = None
    links: int = 0
    tried_again: int = 0
    newest: tuple[EndedLink, ...] = ()

    @classmethod
    def of_result(cls, result: Mapping[str, Any]) -> Self:
        """Return the progress of a sweep that has ended, as `result` has told it."""
        return cls(**result)

    @property
    def result(self) -> dict[str, Any]:
        """What is kept of it in the ledger."""
        return {"finished": self.finished, "states": dict(self.states), "best": self.best}

    def started(self, link: Link) -> None:
        """Take notice of a link that waits for its turn, which is not news."""

    def advanced(self, link: Link, standings: Standings, node: str) -> None:
        """Count a link that is in the log."""
        self.links += 1
        ended = EndedLink(
            time.time(), link.pack.label, link.start_epoch, link.epoch, link.width, node
        )
        self.newest = (*self.newest[1 - _NEWEST :], ended)
        self.count(standings)

    def count(self, standings: Standings) -> None:
        """Take over what the log holds."""
        best = standings.best_trial
        self.finished, self.states = standings.finished, dict(standings.states)
        if best:
            self.best = {
                "number": best.number,
                "cost": standings.best_cost,
                "params": dict(best.params),
            }
            objective = standings.layout.objective
            if not objective.is_cost:
                self.best |= {"objective": objective.title, "value": best.value}
        self.version += 1

    def lost(self, link: Link, reason: str) -> None:
        """Count a link that is tried again."""
        del link, reason
        self.tried_again += 1
        self.version += 1

    def late(self, link: Link, how: str) -> None:
        """Take notice of a link that takes long, which is not news yet."""

    def idle(self) -> None:
        """Nothing has ended for a moment."""


def read_progress(folder: Path) -> Progress:
    """Return how far a run has come, by its files; not at all where there is none."""
    progress = Progress()
    with suppress(PacksweepError):
        if RunFolder(folder).began:
            progress.count(RunState.read(folder).standings)
    return progress
