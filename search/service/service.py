"""The service: opens and closes sweeps as people want it, and keeps that over its own death."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cluster.executor import Executor
from model.data.dataset import Dataset
from model.errors import PacksweepError
from search.config import SweepConfig
from search.errors import ConfigError, LockedError
from search.ledger import ADMIN, Caller, Ledger, SweepRow
from search.queue import (
    CANCEL,
    CANCELLED,
    DONE,
    GO,
    LEAVE,
    RUN,
    STOP,
    Asked,
    Overlap,
    Queue,
    actual_state,
    ends_sooner_by_waiting,
    ends_with,
    mode_of,
    open_sweeps,
)
from search.record import RunFolder
from search.service.datasets import DataSets
from search.service.errors import ForbiddenError
from search.service.forgetting import ITSELF, Forgetting, size_of
from search.service.hooks import Hooks
from search.service.hub import Hub
from search.service.limits import Limits
from search.service.opened import Opened, Outcome
from search.service.progress import Progress
from search.service.requests import KEPT, Checked, Request, Requests
from search.service.sharing import reusable_runs, trials_in_common
from search.storage import lock
from search.view import TrialTables
from search.watch import RunState

log = logging.getLogger(__name__)

_TURN_SECONDS = 0.5

# Between two attempts to go on with a sweep that could not: doubled each time.
_AGAIN_SECONDS, _AGAIN_MOST = 2.0, 300.0

PRIORITIES = range(-1000, 1001)
"""What a priority may be."""


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


class Service:
    """Runs the sweeps of many people on one cluster.

    Parameters
    ----------
    root : Path
        Folder of the ledger, the runs and the uploaded data sets.
    open_executor : callable
        Joins the cluster, or starts one; called in a thread of the service.
    limits : Limits
    now : callable
        Returns the seconds since 1970.

    Raises
    ------
    LockedError
        If another service works in the folder.
    LedgerError
        If the ledger cannot be read.
    """

    def __init__(
        self,
        root: Path,
        open_executor: Callable[[], Executor],
        limits: Limits | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.root, self.limits = root.absolute(), limits or Limits()
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = ExitStack()
        try:
            self._lock.enter_context(lock(self.root / ".lock"))
        except LockedError as error:
            reason = str(error).partition(". ")[0]
            raise LockedError(f"{reason}. Stop that service, or choose another --root.") from error
        self.ledger = Ledger(self.root / "ledger.sqlite", now)
        # Its tasks have died with the process that started them.
        self.ledger.leases.forget_all()
        self.data_sets = DataSets(self.root / "data", self.limits)
        self.requests = Requests(self.data_sets, self.limits)
        self.tables = TrialTables()
        self.hub = Hub(open_executor, self.ledger)
        self.hooks = Hooks(self.ledger, self.limits.hooks)
        keep = self.limits.keep_seconds
        self._forgetting = Forgetting(self.ledger, self.root / "runs", keep, now)
        # The sweeps that are open, by their identity; changed by the service's thread alone.
        self._open: dict[str, Opened] = {}
        # When a sweep that could not go on is tried again, and after how many attempts.
        self._again: dict[str, tuple[float, int]] = {}
        # For whom a sweep waits that has not begun; see `_awaited`.
        self._waits_for: dict[str, str] = {}
        # What was read of sweeps that are not open, by their identity.
        self._read: dict[str, Progress] = {}
        # The states that were told of last.
        self._told: dict[str, str] = {}
        self._news = threading.Condition()
        self._woken = self._stopping = False
        self._thread = threading.Thread(target=self._run, name="service", daemon=True)

    def start(self) -> None:
        """Begin."""
        self.hub.start()
        self.hooks.start()
        self._thread.start()

    def stop(self) -> None:
        """End: what runs is withdrawn, and all goes on where it was at the next start."""
        with self._news:
            self._stopping = True
            self._news.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        for opened in self._open.values():
            opened.change(opened.row, LEAVE)
        for opened in self._open.values():
            opened.join()
        self.hub.stop()
        self.hooks.stop()
        self.ledger.close()
        self._lock.close()

    def wake(self) -> None:
        """Take notice that something has changed."""
        with self._news:
            self._woken = True
            self._news.notify_all()

    # --- What people ask.

    def submit(self, caller: Caller, request: Request, key: str | None) -> tuple[SweepRow, bool]:
        """Write a sweep down; the same request under the same key twice is the same sweep.

        Returns
        -------
        row : SweepRow
        is_new : bool

        Raises
        ------
        UsageError
            If it cannot be trained, or is not allowed.
        """
        known = self.ledger.sweeps.repeated(caller.person, key, request.digest)
        if known:
            return known, False
        self._check_place(caller, request)
        return self._submit(caller, self.requests.check(request), key)

    def _check_place(self, caller: Caller, request: Request) -> None:
        self.ledger.queues.check(request.queue)
        _check_priority(request.priority)
        waiting = sum(row.person == caller.person for row in self.ledger.sweeps.live())
        if waiting >= self.limits.sweeps:
            raise ConfigError(
                f"{caller.person} has {waiting} sweeps that have not ended, which is the most that "
                "the service takes. Wait for one, or cancel one."
            )

    def _submit(self, caller: Caller, checked: Checked, key: str | None) -> tuple[SweepRow, bool]:
        name = checked.request.name or checked.config.name

        def folder(sweep: str) -> str:
            return str(self.root / "runs" / f"{name}-{sweep}")

        with self.ledger.transaction():
            self.ledger.queues.check(checked.request.queue)  # it may have been removed meanwhile
            self._enter(caller.person)
            row, is_new = self.ledger.sweeps.submit(checked.submission(caller.person, key, folder))
            if is_new:
                self.ledger.events.record(caller, "submit", row.id)
                self.ledger.events.add(row.id, row.person, "submitted", total=row.total)
        self.wake()
        return row, is_new

    def _enter(self, person: str) -> None:
        """Count to somebody who had nothing to run what others have used meanwhile."""
        active = {row.person for row in self.ledger.sweeps.live() if row.wanted == RUN}
        if person not in active and active:
            self.ledger.people.enter(person, active)

    def change(
        self, caller: Caller, sweep: str, *, wanted: str | None = None, **moved: Any
    ) -> SweepRow:
        """Want something else of a sweep, or move it to another priority, queue or name.

        Parameters
        ----------
        caller : Caller
        sweep : str
        wanted : str, optional
            `RUN`, `PAUSE`, `STOP` or `CANCEL`.
        **moved
            ``priority``, ``queue`` and ``name``, where they change.

        Raises
        ------
        KeyError
            If there is no such sweep.
        ForbiddenError
            If it is somebody else's.
        ValueError, UsageError
            If that cannot be.
        """
        if moved.get("priority") is not None:
            _check_priority(moved["priority"])
        with self.ledger.transaction():
            row = before = self.ledger.sweeps.get(sweep)
            self._allow(caller, before, "change")
            if moved.get("queue") is not None:
                self.ledger.queues.check(moved["queue"])
            if wanted is not None:
                if wanted == RUN != before.wanted:
                    self._enter(before.person)
                row = self.ledger.sweeps.want(sweep, wanted)
            if any(value is not None for value in moved.values()):
                row = self.ledger.sweeps.move(sweep, **moved)
            asked = {"wanted": wanted, **moved}
            said = {name: value for name, value in asked.items() if value is not None}
            self.ledger.events.record(caller, f"change {said}", sweep)
            self.ledger.events.add(sweep, row.person, "changed", by=caller.person, **said)
        self._again.pop(sweep, None)
        self.wake()
        return row

    def _allow(self, caller: Caller, row: SweepRow, verb: str) -> None:
        if caller.person != row.person and not caller.may(ADMIN):
            raise ForbiddenError(
                f"The sweep {row.id} is {row.person}'s; {caller.person} cannot {verb} it. Ask "
                f"{row.person}, or an administrator."
            )

    def remove(self, caller: Caller, sweep: str, *, dry_run: bool = False) -> int:
        """Delete a sweep that has ended, with its run folder; return how many bytes that frees.

        Parameters
        ----------
        caller : Caller
        sweep : str
        dry_run : bool
            Whether nothing is deleted: what it would free is counted.

        Raises
        ------
        KeyError
            If there is no such sweep.
        ForbiddenError
            If it is somebody else's.
        ConfigError
            If it has not ended, or another sweep is about to copy from it.
        PacksweepError
            If its files cannot be deleted.
        """
        row = self.ledger.sweeps.get(sweep)
        self._allow(caller, row, "delete")
        if row.ended is None and not ends_with(row.wanted):
            raise ConfigError(f"The sweep {sweep} has not ended; cancel it before.")
        if row.ended is None or sweep in self._open:
            raise ConfigError(f"The sweep {sweep} is only just ending. Try again in a moment.")
        if dry_run:
            return size_of(Path(row.folder))
        freed = self._forgetting.remove(caller, row)
        self._read.pop(sweep, None)
        return freed

    def cloned(self, row: SweepRow, changes: Mapping[str, Any]) -> Request:
        """Return the request of a sweep with changes.

        Parameters
        ----------
        row : SweepRow
        changes : mapping
            ``space`` with hyperparameters that have other values, ``settings`` with other keys of
            the grid file, ``name``, ``queue`` and ``priority``; what is left out stays.
        """
        table = {**row.settings, "dataset": row.dataset["named"], **changes.get("settings", {})}
        name = table.pop("name", row.name)
        trainer = table.get("trainer")
        if isinstance(trainer, Mapping):
            table["trainer"] = trainer.get("name", "")
        if (space := changes.get("space")) and isinstance(table["space"], Mapping):
            table["space"] = {**table["space"], **space}
        return Request(
            grid=table,
            name=changes.get("name", name),
            **{option: row.options[option] for option in KEPT if option in row.options},
            queue=changes.get("queue", row.queue),
            priority=changes.get("priority", row.priority),
        )

    def remove_upload(self, caller: Caller, name: str) -> int:
        """Remove an uploaded data set; return how many bytes that frees.

        Raises
        ------
        DataError
            If there is none of this name.
        ConfigError
            If a sweep that has not ended needs it.
        """
        if not caller.may(ADMIN):
            raise ForbiddenError(f"Only an administrator removes uploads such as {name}.")
        needing = [row.id for row in self.ledger.sweeps.live() if row.dataset["named"] == name]
        if needing:
            raise ConfigError(f"{name} is needed by {', '.join(needing)}, which have not ended.")
        freed = self.data_sets.remove(name)
        self.ledger.events.record(caller, "remove", name)
        return freed

    def weigh(self, caller: Caller, name: str, weight: float) -> None:
        """Change somebody's weight."""
        with self.ledger.transaction():
            self.ledger.people.set_weight(name, weight)
            self.ledger.events.record(caller, f"weight {weight:g}", name)
        self.hub.wake()

    def put_queue(self, caller: Caller, queue: Queue) -> None:
        """Make a queue, or change its quota."""
        with self.ledger.transaction():
            self.ledger.queues.put(queue)
            self.ledger.events.record(caller, f"quota {queue.cores:g} {queue.most:g}", queue.name)
        self.hub.wake()

    def remove_queue(self, caller: Caller, name: str) -> None:
        """Remove a queue that no sweep was submitted to."""
        with self.ledger.transaction():
            self.ledger.queues.remove(name)
            self.ledger.events.record(caller, "remove queue", name)

    def versions(self) -> dict[str, int]:
        """Return the version of what is known of each open sweep, which grows with each change."""
        return {sweep: opened.progress.version for sweep, opened in list(self._open.items())}

    def shared(self, row: SweepRow) -> dict[str, Any]:
        """Return how many trials of a sweep were taken over from others, and from how many."""
        folder = Path(row.folder)
        if RunFolder(folder).read_manifest() is None:
            return {"trials": 0, "from": []}
        sources = self.tables.get(folder).sources()
        runs = {Path(source.partition(",")[0]).name for source in sources if "/" in source}
        return {"trials": sum(sources.values()), "from": sorted(runs)}

    def see(self, row: SweepRow) -> Seen:
        """Return a sweep as people see it."""
        running = self.hub.leases(row.id)
        opened = self._open.get(row.id)
        state = self._state(row, opened, running)
        wait = self.hub.waits.get(row.id) if row.ended is None and row.wanted == RUN else None
        reason = row.reason or (wait.reason if wait else self._why_closed(row, opened))
        position = wait.position if wait else None
        return Seen(row, state, self._progress(row, opened), reason, position, running)

    @staticmethod
    def _state(row: SweepRow, opened: Opened | None, running: int) -> str:
        # Open without a task is at work too: it draws a plan, or writes its report.
        busy = running or (opened is not None and opened.outcome is None and row.started_at)
        return actual_state(row.wanted, 1 if busy else 0, row.ended)

    def _why_closed(self, row: SweepRow, opened: Opened | None) -> str:
        if row.ended is not None or row.wanted != RUN:
            return ""
        if self.hub.failure:
            return self.hub.failure
        if other := self._waits_for.get(row.id):
            return f"waits for {other}, which trains trials of it, and takes them over then"
        if opened is None and len(self._open) >= self.limits.open_sweeps:
            return f"{len(self._open)} sweeps are open, as many as may be at a time"
        return ""

    def _progress(self, row: SweepRow, opened: Opened | None) -> Progress:
        if opened is not None:
            return opened.progress
        if row.ended is not None:
            return Progress.of_result(row.result)
        known = self._read.get(row.id)
        if known is None:
            self._read[row.id] = known = read_progress(Path(row.folder))
        return known

    # --- In its own thread.

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._turn()
            except Exception:  # the next turn looks at everything anew
                log.exception("a turn of the service has failed")
            with self._news:
                if not (self._woken or self._stopping):
                    self._news.wait(_TURN_SECONDS)
                self._woken = False

    def _turn(self) -> None:
        """Bring what is open to what is wanted."""
        for sweep, opened in list(self._open.items()):
            if opened.outcome is not None:
                self._close(sweep, opened, opened.outcome)
            elif opened.progress.links and opened.row.reason:
                self._again.pop(sweep, None)  # what held it up is over
                self.ledger.sweeps.held_up(sweep, "")
        rows = self.ledger.sweeps.live()
        rank = {sweep: number for number, sweep in enumerate(self._may_be_open(rows))}
        # Those that have begun before those that may wait for them, after a restart too.
        for row in sorted(rows, key=lambda row: (row.started_at is None, rank.get(row.id, -1))):
            self._settle(row, may_be_open=row.id in rank)
        self._tell(rows)
        for row in self._forgetting.outdated():
            self._forget(row)

    def _forget(self, row: SweepRow) -> None:
        if row.id in self._open:
            return
        try:
            self._forgetting.remove(ITSELF, row)
        except PacksweepError as error:  # it is looked at again
            log.warning("the sweep %s was not deleted: %s", row.id, error)
        self._read.pop(row.id, None)

    def _may_be_open(self, rows: Iterable[SweepRow]) -> list[str]:
        """Return the sweeps that may be open, the first ones first.

        What waits for its next attempt, or for another sweep, holds no place.
        """
        self._waits_for = {}
        able = [row for row in rows if row.id in self._open or self._may_try(row)]
        while True:
            ranked = open_sweeps(map(_asked, able), self.limits.open_sweeps)
            # Of those alone that would be opened: many may be queued.
            next_ones = [row for row in able if row.id in ranked]
            waiting = {row.id: other for row in next_ones if (other := self._awaited(row))}
            if not waiting:
                return ranked
            self._waits_for |= waiting
            able = [row for row in able if row.id not in waiting]

    def _may_try(self, row: SweepRow) -> bool:
        return time.monotonic() >= self._again.get(row.id, (0.0, 0))[0]

    def _awaited(self, row: SweepRow) -> str | None:
        """Return the open sweep for which one that has not begun had better wait, if any.

        One of its queue that does not come after it, so that it delays nobody who goes before. Who
        waits is not open, so that nobody waits for who waits.
        """
        if row.id in self._open or row.wanted != RUN or RunFolder(Path(row.folder)).began:
            return None
        for opened in self._open.values():
            other = opened.row
            at_work = opened.outcome is None and other.wanted == RUN and opened.mode == GO
            if at_work and other.queue == row.queue and other.priority >= row.priority:
                shared = trials_in_common(row, other)
                overlap = Overlap(row.total, other.total, shared, opened.progress.finished)
                if shared and ends_sooner_by_waiting(overlap):
                    return other.id
        return None

    def _settle(self, row: SweepRow, *, may_be_open: bool) -> None:
        opened = self._open.get(row.id)
        mode = mode_of(row.wanted, may_be_open=may_be_open)
        if opened is not None:
            if (opened.row, opened.mode) != (row, mode):
                opened.change(row, mode)
        elif ends_with(row.wanted):
            how = CANCELLED if row.wanted == CANCEL else DONE
            self._end(row, how, self._stopped(row) if row.wanted == STOP else "")
        elif mode == GO and len(self._open) < self.limits.open_sweeps:
            if other := self._awaited(row):  # which was opened in this turn
                self._waits_for[row.id] = other
            else:
                self._open_sweep(row)

    def _open_sweep(self, row: SweepRow) -> None:
        reusable = partial(self._reusable, row)
        opened = Opened(row, self.hub, self.data_sets, reusable, self.wake)
        self._open[row.id] = opened
        self._read.pop(row.id, None)
        opened.start()

    def _reusable(self, row: SweepRow, config: SweepConfig, data: Dataset) -> list[Path]:
        """Return the runs of the same data set that a sweep copies from, the newest first."""
        folders = [
            Path(other.folder)
            for other in self.ledger.sweeps.page(limit=1000)
            if other.id != row.id and other.dataset["fingerprint"] == row.dataset["fingerprint"]
        ]
        return self._forgetting.choose(row.id, lambda: reusable_runs(config, data, folders))

    def _close(self, sweep: str, opened: Opened, outcome: Outcome) -> None:
        """Take notice that the thread of a sweep has ended."""
        opened.join()
        self._forgetting.closed(sweep)
        self._read.pop(sweep, None)
        if outcome.ended is not None:
            self._end(opened.row, outcome.ended, outcome.reason)
        elif outcome.trouble:
            _, attempts = self._again.get(sweep, (0.0, 0))
            pause = min(_AGAIN_SECONDS * math.pow(2, attempts), _AGAIN_MOST)
            self._again[sweep] = time.monotonic() + pause, attempts + 1
            self.ledger.sweeps.held_up(sweep, outcome.reason)
        else:
            self._again.pop(sweep, None)
        del self._open[sweep]  # last: an outcome that could not be written down comes again

    def _end(self, row: SweepRow, how: str, reason: str) -> None:
        result = read_progress(Path(row.folder)).result
        with self.ledger.transaction():
            if self.ledger.sweeps.end(row.id, how, reason, result):
                told = {"name": row.name, "reason": reason, "best": result.get("best")}
                self.ledger.events.add(row.id, row.person, how, **told)
        self._again.pop(row.id, None)

    def _stopped(self, row: SweepRow) -> str:
        done = self._progress(row, None).finished
        return f"stopped with {done} of {row.total} trials in the log"

    def _tell(self, rows: Iterable[SweepRow]) -> None:
        """Write down which states are others than before."""
        seen = {row.id: self.see(row) for row in rows}
        for sweep, now in seen.items():
            if self._told.get(sweep) != now.state:
                self.ledger.events.add(sweep, now.row.person, "state", state=now.state)
        self._told = {sweep: now.state for sweep, now in seen.items()}


def _asked(row: SweepRow) -> Asked:
    return Asked(row.id, row.person, row.place, row.priority, row.wanted)


def _check_priority(priority: int) -> None:
    if priority not in PRIORITIES:
        least, most = PRIORITIES[0], PRIORITIES[-1]
        raise ConfigError(f"priority {priority} is not a whole number from {least} to {most}.")


def read_progress(folder: Path) -> Progress:
    """Return how far a run has come, by its files; not at all where there is none."""
    progress = Progress()
    with suppress(PacksweepError):
        if RunFolder(folder).read_manifest() is not None:
            progress.count(RunState.read(folder).standings)
    return progress
