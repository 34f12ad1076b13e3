"""Sweeps that are deleted with their files: by who may, or when they are old enough."""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from search.errors import ConfigError, RunFolderError, StoreError
from search.keeping import leftovers, look, remove_leftover, remove_run
from search.ledger import ADMIN, Caller, Ledger, SweepRow
from search.record import RunFolder
from search.storage import listed

log = logging.getLogger(__name__)

# Between two looks for sweeps that are old enough.
_LOOK_SECONDS = 60.0

ITSELF = Caller("search.serve", ADMIN, 0)
"""Who deletes what is old enough."""


class Forgetting:
    """Deletes sweeps that have ended, and no run from which another one is about to copy.

    Parameters
    ----------
    ledger : Ledger
    runs : Path
        Folder of the run folders.
    keep_seconds : float or None
        Seconds for which a sweep is kept after its end; None for ever.
    now : callable
        Returns the seconds since 1970.
    """

    def __init__(
        self, ledger: Ledger, runs: Path, keep_seconds: float | None, now: Callable[[], float]
    ) -> None:
        self._ledger, self._keep, self._now = ledger, keep_seconds, now
        # Held while it is chosen from which runs a sweep copies, and while one is deleted.
        self._choosing = threading.Lock()
        # The runs that a sweep has chosen and may not have written down yet, by its identity.
        self._chosen: dict[str, list[Path]] = {}
        self._looked_at = -_LOOK_SECONDS
        for path in leftovers([runs], _tell_left):
            try:
                remove_leftover(path)
            except StoreError as error:
                _tell_left(error)

    def choose(self, sweep: str, find: Callable[[], list[Path]]) -> list[Path]:
        """Return the runs that a sweep copies from; they stay until it has done so.

        Parameters
        ----------
        sweep : str
        find : callable
            Finds them.
        """
        with self._choosing:
            self._chosen[sweep] = find()
            return self._chosen[sweep]

    def closed(self, sweep: str) -> None:
        """Take notice that a sweep is not open any more."""
        self._chosen.pop(sweep, None)

    def remove(self, caller: Caller, row: SweepRow) -> int:
        """Delete a sweep that has ended and is not open; return how many bytes are free now.

        The files go first: killed in between, it can be deleted again.

        Raises
        ------
        ConfigError
            If another sweep is about to copy from it.
        LockedError
            If a command writes to its folder.
        StoreError
            If its files cannot be deleted.
        """
        folder = Path(row.folder)
        with self._choosing:
            if reader := self._reader_of(folder):
                raise ConfigError(
                    f"The sweep {reader} takes trials of {row.id} over. Try again in a moment."
                )
            freed = _removed(folder)
            with self._ledger.transaction():
                self._ledger.sweeps.remove(row.id)
                self._ledger.events.record(caller, "delete", row.id)
                self._ledger.events.add(row.id, row.person, "deleted", bytes=freed)
        return freed

    def _reader_of(self, folder: Path) -> str | None:
        """Return the sweep that has chosen a run to copy from, and has not done so yet."""
        for row in self._ledger.sweeps.live():
            mine = RunFolder(Path(row.folder))
            if listed(mine.reused, "[!.]*.parquet"):  # all is copied
                continue
            manifest = None
            # A damaged one is its own sweep's trouble; of one that cannot be read nobody knows.
            with suppress(RunFolderError):
                manifest = mine.read_manifest()
            named = manifest.reuse if manifest else ()
            if str(folder.resolve()) in named or folder in self._chosen.get(row.id, ()):
                return row.id
        return None

    def outdated(self) -> Iterable[SweepRow]:
        """Return the sweeps that ended long enough ago; none where it was asked just before."""
        if self._keep is None or time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return []
        self._looked_at = time.monotonic()
        return self._ledger.sweeps.ended_before(self._now() - self._keep)


def _tell_left(error: StoreError) -> None:
    """Say why something stays, which the next start tries again."""
    log.warning("of deleted sweeps something is left: %s", error)


def size_of(folder: Path) -> int:
    """Return the bytes that a run takes; none where it never began."""
    try:
        return look(folder).size
    except RunFolderError:
        return 0


def _removed(folder: Path) -> int:
    try:
        return remove_run(folder)
    except RunFolderError:  # it never began, or its files are gone
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            pass
        except OSError as problem:
            raise StoreError(f"{folder} cannot be deleted: {problem.strerror}.") from problem
        return 0
