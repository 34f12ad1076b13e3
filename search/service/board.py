"""What is in no row of the ledger: how the sweeps that are open go, as of one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from search.ledger import SweepRow
from search.queue import RUN, STOP, Wait, actual_state
from search.service.progress import Progress


@dataclass(frozen=True)
class Board:
    """The sweeps that are open, and the cluster; it may be sent to another process.

    Attributes
    ----------
    cores : float
        Cores of the cluster.
    failure : str
        Why there is no cluster; empty where there is one.
    waits : mapping of str to Wait
        Why sweeps have no more tasks under way.
    running : mapping of str to int
        How many tasks of a sweep are running; without an entry, none.
    used : mapping of str to float
        The cores that each queue has at work.
    progress : mapping of str to Progress
        The progress of each open sweep, and of those that were open and have not ended.
    open : frozenset of str
    at_work : frozenset of str
        The sweeps that are open and have not come to their end.
    waits_for : mapping of str to str
        The open sweep whose trials one that has not begun will take over.
    most : int
        How many may be open at a time.
    """

    cores: float = 1.0
    failure: str = ""
    waits: Mapping[str, Wait] = field(default_factory=dict)
    running: Mapping[str, int] = field(default_factory=dict)
    used: Mapping[str, float] = field(default_factory=dict)
    progress: Mapping[str, Progress] = field(default_factory=dict)
    open: frozenset[str] = frozenset()
    at_work: frozenset[str] = frozenset()
    waits_for: Mapping[str, str] = field(default_factory=dict)
    most: int = 1

    @cached_property
    def version(self) -> tuple[object, ...]:
        """A value that differs between two boards with different contents."""
        return (
            self.cores, self.failure, *self.waits.items(), *self.running.items(),
            *self.used.items(), *((name, one.version) for name, one in self.progress.items()),
            *self.waits_for.items(), self.open, self.at_work,
        )  # fmt: skip

    def state(self, row: SweepRow) -> str:
        """Return what a sweep is; see `search.queue.actual_state`."""
        # Open without a task is at work too: it draws a plan, or writes its report.
        busy = self.running.get(row.id, 0) or (row.id in self.at_work and row.started_at)
        return actual_state(row.wanted, 1 if busy else 0, row.ended)

    def reason(self, row: SweepRow) -> str:
        """Return why a sweep waits, cannot go on or has ended; empty where there is nothing."""
        if row.reason or row.ended is not None:
            return row.reason
        return self._why_stopping(row) if row.wanted == STOP else self._why_waiting(row)

    def _why_stopping(self, row: SweepRow) -> str:
        best = row.id in self.progress and self.progress[row.id].best
        model = ", and the best of them becomes the model" if best else ""
        return f"stops: no more trials are started{model}"

    def _why_waiting(self, row: SweepRow) -> str:
        if row.wanted != RUN:
            return ""
        if wait := self.waits.get(row.id):
            return wait.reason
        if self.failure:
            return self.failure
        if other := self.waits_for.get(row.id):
            return f"waits for {other}, which trains trials of it, and takes them over then"
        if row.id not in self.open and len(self.open) >= self.most:
            return f"{len(self.open)} sweeps are open, as many as may be at a time"
        return ""

    def position(self, row: SweepRow) -> int | None:
        """Return the place of a sweep among those that wait, from 1; None where it does not."""
        wait = self.waits.get(row.id) if row.ended is None and row.wanted == RUN else None
        return wait.position if wait else None


@dataclass(frozen=True)
class Seen:
    """A sweep as people see it.

    Attributes
    ----------
    row : SweepRow
    state : str
        What it is; see `search.queue.actual_state`.
    progress : Progress
    reason : str
        Why it waits, cannot go on, or has ended; empty where there is nothing to say.
    position : int or None
        Its place among those that wait, from 1.
    running : int
        Tasks of it that run.
    """

    row: SweepRow
    state: str
    progress: Progress
    reason: str
    position: int | None
    running: int

    @classmethod
    def of(cls, row: SweepRow, board: Board, progress: Progress) -> "Seen":
        """Return how a sweep is seen."""
        running = board.running.get(row.id, 0)
        state, position = board.state(row), board.position(row)
        return cls(row, state, progress, board.reason(row), position, running)
