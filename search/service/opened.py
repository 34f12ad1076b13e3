"""A sweep that is open: the thread that runs it, and what it is asked to do."""

import io
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Self, cast

from rich.console import Console

from model.data.dataset import Dataset
from model.errors import DataError, PacksweepError, told
from search.config import SweepConfig
from search.errors import InterruptedSweepError, LockedError, StoreError
from search.ledger import SweepRow
from search.output import visible
from search.queue import DONE, DRAIN, FAILED, FINISH, GO, LEAVE
from search.record import RunFolder, Summary
from search.result import why_no_result
from search.service.datasets import DataSets
from search.service.hub import Hub, NoClusterError
from search.service.progress import Progress
from search.service.requests import config_of, options_of
from search.service.share import Share
from search.session import Surroundings, resources_of, run_sweep
from search.watch import Interruption, RunState

log = logging.getLogger(__name__)

_LONGEST_REASON = 2000

# What it does while tasks of it may start.
_STARTING = (GO, FINISH)

_STOPPED = "it was stopped"

# Columns of what is told on the way, which is never broken into lines.
_WIDE = 10_000


@dataclass(frozen=True)
class Outcome:
    """How the thread of a sweep has ended.

    Attributes
    ----------
    ended : str or None
        `DONE` or `FAILED`; None where it goes on another time.
    reason : str
        Why; empty where there is nothing to say.
    trouble : bool
        Whether it could not go on, though it was to: it is tried again after a while.
    """

    ended: str | None = None
    reason: str = ""
    trouble: bool = False


class _ToLog(io.TextIOBase):
    """Logs what is told on the way: nobody sits before a terminal."""

    def write(self, text: str) -> int:
        """Log a text."""
        if text.strip():
            log.info("%s", text.strip())
        return len(text)


class _Asked(Interruption):
    """Stops a sweep as it is asked to, and knows no signals."""

    def __init__(self, opened: "Opened") -> None:
        super().__init__()
        self._opened = opened

    def __call__(self) -> bool:
        return self._opened.shall_end

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        """Do nothing: no signals were caught."""


class Opened:
    """Runs a sweep in its own thread, on its share of the cluster.

    Parameters
    ----------
    row : SweepRow
    hub : Hub
    data_sets : DataSets
    reusable : callable
        Returns the folders of runs whose trials may be taken over, for the settings and the data.
    tell : callable
        Called at the end, in the sweep's own thread.
    """

    def __init__(
        self,
        row: SweepRow,
        hub: Hub,
        data_sets: DataSets,
        reusable: Callable[[SweepConfig, Dataset], list[Path]],
        tell: Callable[[], None],
    ) -> None:
        self.row = row
        self.progress = Progress()
        self.outcome: Outcome | None = None
        """How it has ended; None before that."""
        self._hub, self._data_sets, self._reusable, self._tell = hub, data_sets, reusable, tell
        # None before its data is there.
        self._share: Share | None = None
        self._mode = GO
        # Held while what is wanted, the share or the outcome changes.
        self._changing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"sweep {row.id}", daemon=True)

    def start(self, mode: str, progress: Progress) -> None:
        """Begin, from how far it was before."""
        self._mode, self.progress = mode, progress
        self._thread.start()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join()

    @property
    def mode(self) -> str:
        """What it should do: go on, start no more, or end at once."""
        return self._mode

    def change(self, row: SweepRow, mode: str) -> None:
        """Take notice of what is wanted of it now."""
        with self._changing:
            before, self.row, self._mode = self._mode, row, mode
            share = self._share
            if share is not None:
                if FINISH == mode != before:
                    share.drop_waiting()
                share.hold(mode not in _STARTING)
                if self.outcome is None and share.failure is None:
                    self._hub.admit(share, row)

    def _enter(self, share: Share) -> None:
        """Have the share that was made meanwhile admitted, as is wanted now."""
        with self._changing:
            self._share = share
            share.hold(self._mode not in _STARTING)
            self._hub.admit(share, self.row)

    @property
    def shall_end(self) -> bool:
        """Whether it should end now: what runs has ended, or nobody waits for it."""
        drained = self._share is None or self._share.drained
        return self._mode == LEAVE or (self._mode == DRAIN and drained)

    # --- In its own thread.

    def _run(self) -> None:
        try:
            outcome = self._outcome()
            with self._changing:
                self.outcome = outcome
        finally:
            if self._share is not None:
                self._hub.leave(self._share)
            self._tell()

    def _outcome(self) -> Outcome:
        try:
            summary = self._sweep()
        except InterruptedSweepError:
            return Outcome()
        except PacksweepError as error:
            return self._outcome_of(error)
        except BaseException as error:  # nothing that a sweep does may end the service
            log.exception("sweep %s has failed", self.row.id)
            return Outcome(FAILED, _told(told(error)))
        if summary.best is None:
            config = config_of(self.row.settings, self.row.id)
            return Outcome(DONE, why_no_result(summary, config.axes_by_name))
        if summary.ended_early == _STOPPED:
            return Outcome(DONE, stopped_text(summary.trials.ended, self.row.total, has_model=True))
        return Outcome(DONE, summary.ended_early or "")

    def _outcome_of(self, error: PacksweepError) -> Outcome:
        """Return whether an error may be gone after a while, or comes again."""
        if isinstance(error, StoreError | LockedError | NoClusterError):
            return Outcome(reason=_told(error), trouble=True)
        return Outcome(FAILED, _told(error))

    def _sweep(self) -> Summary:
        row, folder = self.row, Path(self.row.folder)
        config = config_of(row.settings, row.id)
        data = self._data_sets.load(config.dataset, config.reading)
        if data.fingerprint != row.dataset["fingerprint"]:
            raise DataError(
                f"The data set {config.dataset} is not what it was when the sweep was submitted. "
                "Put it back as it was, or submit the sweep again."
            )
        share = Share(self._hub, row.id, resources_of(config))
        self._enter(share)
        options = options_of(row.options, folder)
        run = RunFolder(folder)
        if run.read_manifest() is None:
            options = replace(options, reuse=self._reusable(config, data))
        else:
            self.progress.count(RunState.read(folder).standings)
        surroundings = Surroundings(
            executor=lambda: share,
            interruption=lambda: _Asked(self),
            err=Console(file=cast(IO[str], _ToLog()), width=_WIDE),
            observer=self.progress,
            asked_to_end=lambda: _STOPPED if self._mode == FINISH else None,
            spent=lambda: self._hub.busy_seconds(row.id),
        )
        return run_sweep(options, config, data, surroundings)


def stopped_text(done: int, total: int, *, has_model: bool) -> str:
    """Return what is said of a sweep that was stopped."""
    if not done:
        return "stopped before any trial had ended, so there is no model"
    without = "no trial has a result, so there is no model"
    model = "the model is that of the best" if has_model else without
    return f"stopped with {done} of {total} trials in the log; {model}"


def _told(error: object) -> str:
    return visible(" ".join(str(error).split()))[:_LONGEST_REASON]
