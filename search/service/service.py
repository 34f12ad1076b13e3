"""The service: opens and closes sweeps as people want it, and keeps that over its own death."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from copy import copy
from functools import partial
from pathlib import Path

from cluster.executor import Executor
from model.data.dataset import Dataset
from model.errors import PacksweepError
from search.config import SweepConfig
from search.errors import ConfigError, LockedError
from search.ledger import Caller, Ledger, SweepRow
from search.queue import (
    CANCEL,
    CANCELLED,
    DONE,
    FINISH,
    GO,
    LEAVE,
    RUN,
    STOP,
    Asked,
    Overlap,
    ends_sooner_by_waiting,
    ends_with,
    mode_of,
    open_sweeps,
)
from search.record import RunFolder
from search.service.board import Board
from search.service.datasets import DataSets
from search.service.forgetting import ITSELF, Forgetting
from search.service.hooks import Hooks
from search.service.hub import Hub
from search.service.limits import Limits
from search.service.opened import Opened, Outcome, stopped_text
from search.service.progress import Progress, read_progress
from search.service.sharing import reusable_runs, trials_in_common
from search.storage import lock

log = logging.getLogger(__name__)

_TURN_SECONDS = 0.5

# Between two attempts to go on with a sweep that could not: doubled each time.
_AGAIN_SECONDS, _AGAIN_MOST = 2.0, 300.0


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
        self._data_sets = DataSets(self.root / "data", self.limits)
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
        # How those stood that were open and have not ended, by their identity.
        self._left: dict[str, Progress] = {}
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

    # --- What a desk needs; see `search.service.desk.Runner`.

    def wake(self, sweep: str | None = None) -> None:
        """Take notice that the ledger has changed; a sweep that was held up is tried at once."""
        if sweep is not None:
            self._again.pop(sweep, None)
        with self._news:
            self._woken = True
            self._news.notify_all()
        self.hub.wake()  # weights and quotas are rows too

    def surroundings(self) -> tuple[Path, Limits]:
        """Return the folder of the service and its limits."""
        return self.root, self.limits

    def board(self) -> Board:
        """Return how what is open goes."""
        opened = dict(self._open)
        return Board(
            cores=self.hub.cores, failure=self.hub.failure, waits=self.hub.waits,
            running=self.hub.running_by_sweep(), used=self.hub.used(),
            progress=self._left | {sweep: copy(one.progress) for sweep, one in opened.items()},
            open=frozenset(opened),
            at_work=frozenset(sweep for sweep, one in opened.items() if one.outcome is None),
            waits_for=self._waits_for, most=self.limits.open_sweeps,
        )  # fmt: skip

    def remove(self, caller: Caller, sweep: str) -> int:
        """Delete a sweep that has ended, with its files; return how many bytes are free now.

        Raises
        ------
        KeyError
            If there is no such sweep.
        ConfigError
            If it is only just ending, or another sweep is about to copy from it.
        PacksweepError
            If its files cannot be deleted.
        """
        row = self.ledger.sweeps.get(sweep)
        if row.ended is None or sweep in self._open:
            raise ConfigError(f"The sweep {sweep} is only just ending. Try again in a moment.")
        return self._forgetting.remove(caller, row)

    # --- In its own thread.

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._turn()
            except Exception:  # the next turn looks at everything again
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
        self._left.pop(row.id, None)

    def _may_be_open(self, rows: Iterable[SweepRow]) -> list[str]:
        """Return the sweeps that may be open, the first ones first.

        What waits for its next attempt, or for another sweep, holds no place.
        """
        self._waits_for = {}
        able = [row for row in rows if row.id in self._open or self._may_try(row)]
        while True:
            ranked = open_sweeps(map(self._asked, able), self.limits.open_sweeps)
            # Only for those that would be opened: many may be queued.
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
        finishes = self._finishes(row)
        mode = mode_of(row.wanted, may_be_open=may_be_open, finishes=finishes)
        if opened is not None:
            if (opened.row, opened.mode) != (row, mode):
                opened.change(row, mode)
        elif ends_with(row.wanted, finishes=finishes):
            how = CANCELLED if row.wanted == CANCEL else DONE
            self._end(row, how, self._stopped(row) if row.wanted == STOP else "")
        elif mode in {GO, FINISH} and len(self._open) < self.limits.open_sweeps:
            if other := self._awaited(row):  # which was opened in this turn
                self._waits_for[row.id] = other
            else:
                self._open_sweep(row, mode)

    def _open_sweep(self, row: SweepRow, mode: str) -> None:
        reusable = partial(self._reusable, row)
        opened = Opened(row, self.hub, self._data_sets, reusable, self.wake)
        # As it stood: what should be done with it follows from that.
        opened.start(mode, self._progress(row))
        self._open[row.id] = opened
        del self._left[row.id]

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
        if outcome.ended is not None:
            self._end(opened.row, outcome.ended, outcome.reason)
        elif outcome.trouble:
            _, attempts = self._again.get(sweep, (0.0, 0))
            pause = min(_AGAIN_SECONDS * math.pow(2, attempts), _AGAIN_MOST)
            self._again[sweep] = time.monotonic() + pause, attempts + 1
            self.ledger.sweeps.held_up(sweep, outcome.reason)
        else:
            self._again.pop(sweep, None)
        if outcome.ended is None:
            self._left[sweep] = opened.progress
        del self._open[sweep]  # last: an outcome that could not be written down comes again

    def _end(self, row: SweepRow, how: str, reason: str) -> None:
        result = read_progress(Path(row.folder)).result
        with self.ledger.transaction():
            if self.ledger.sweeps.end(row.id, how, reason, result):
                told = {"name": row.name, "reason": reason, "best": result.get("best")}
                self.ledger.events.add(row.id, row.person, how, **told)
        self._again.pop(row.id, None)
        self._left.pop(row.id, None)

    def _stopped(self, row: SweepRow) -> str:
        return stopped_text(self._progress(row).finished, row.total, has_model=False)

    def _progress(self, row: SweepRow) -> Progress:
        if row.id in self._open:
            return self._open[row.id].progress
        if row.id not in self._left:
            self._left[row.id] = read_progress(Path(row.folder))
        return self._left[row.id]

    def _finishes(self, row: SweepRow) -> bool:
        """Whether a sweep was stopped and has a trial that a model can be made of."""
        return row.wanted == STOP and self._progress(row).best is not None

    def _asked(self, row: SweepRow) -> Asked:
        finishes = self._finishes(row)
        return Asked(row.id, row.person, row.place, row.priority, row.wanted, finishes)

    def _tell(self, rows: Iterable[SweepRow]) -> None:
        """Write down which states are others than before."""
        board, told = self.board(), {}
        for row in rows:
            told[row.id] = state = board.state(row)
            if self._told.get(row.id) != state:
                self.ledger.events.add(row.id, row.person, "state", state=state)
        self._told = told
