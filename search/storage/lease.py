"""The lock of a run in an object store, where no lock ends with its process: a lease."""

import contextlib
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from search.errors import LockedError, ObjectStoreError
from search.storage.remote_path import RemotePath
from search.storage.repeated import Repeated
from search.storage.writers import Writer

BEAT = 4.0
"""Seconds between two signs of life."""

STALE = 15.0
"""Seconds without one after which a writer counts as dead."""

PAUSE = 1.0
"""Seconds in which another that started at the same moment has written its lease too."""

# Without a sign of life for so long, a writer asks the store before it writes on: another may
# have found it dead.
_UNSURE = 8.0

# Somebody who only looks once goes by the time at which the store got the last sign of life.
_SEEN = 60.0

_ENDED = "another process, which has ended since"


@dataclass(frozen=True)
class Holder:
    """What a lease says of the writer that has it.

    Attributes
    ----------
    who : str
        The writer, as its `Writer.to_json`; of an earlier version, in words.
    process : list of str
        Names of the machine since it was started and of its table of processes, the number there,
        and when the process began.
    token : str
        A random text, so that no two leases are alike.
    beats : int
        Number of signs of life so far.
    """

    who: str
    process: list[str]
    token: str
    beats: int = 0

    @property
    def writer(self) -> Writer:
        """Who it is, for messages."""
        return Writer.read(str(self.who))

    @property
    def is_gone(self) -> bool:
        """Whether it ran on this machine and is no more; false where that cannot be known."""
        *machine, number, began = self.process
        return machine == _machine() and _began(number) != began


class Lease:
    """A writer's claim to a run, which it renews as long as it lives.

    Other writers do not compare clocks, which differ between machines: they watch for a while
    whether the lease is renewed.

    Parameters
    ----------
    path : RemotePath
        Path of the lease's object.
    writer : Writer
        The process that claims it.
    """

    def __init__(self, path: RemotePath, writer: Writer) -> None:
        self._path = path
        process = [*_machine(), str(os.getpid()), _began("self")]
        self._mine = Holder(writer.to_json(), process, secrets.token_hex(8))
        # Held while the store is asked whose the lease is, and while it is renewed.
        self._lock = threading.Lock()
        # True once the store has said that the lease is this one; nothing is written before.
        self._confirmed = False
        # Who has taken the lease over, in words; once it is set, nothing is ever written again.
        self._lost: str | None = None
        # When the last sign of life was sent, and when it had arrived, by `_now`.
        self._asked = 0.0
        self._seen = 0.0

    @contextlib.contextmanager
    def held(self, notify: Callable[[str], None]) -> Iterator[None]:
        """Hold the lease, so that nothing is written without it.

        Parameters
        ----------
        notify : callable
            Gets a sentence for the user when it takes some seconds to see whether another writer is
            alive.

        Raises
        ------
        LockedError
            If another writer has it, at once or before any later write.
        OSError
            If the store refuses.
        """
        self._wait_for_another(notify)
        self._renew()
        store = self._path.store
        store.guard = self._check
        try:
            with Repeated(BEAT, self._beat):
                yield
        finally:
            store.finish()
            store.guard = None
            self._release()

    def _wait_for_another(self, notify: Callable[[str], None]) -> None:
        first = found = _read(self._path)
        if found is None or found.is_gone:
            return
        notify(
            f"Watching for up to {STALE:g} s whether the writer of this run is alive: "
            f"{found.writer}"
        )
        until = time.monotonic() + STALE
        while found is not None and time.monotonic() < until:
            if found != first:
                raise _taken(self._path, found)
            time.sleep(min(1.0, STALE / 10))
            with contextlib.suppress(
                ObjectStoreError
            ):  # the lease may go while it is read; it is asked again
                found = _read(self._path)

    def _renew(self) -> None:
        self._mine = replace(self._mine, beats=self._mine.beats + 1)
        content = json.dumps(asdict(self._mine)).encode()
        asked = _now()
        self._path.store.write(self._path.key, content, guarded=False)
        self._asked, self._seen = asked, _now()

    def _beat(self) -> None:
        # A store that does not answer for a moment is asked again at the next beat; before that
        # nothing is written.
        with contextlib.suppress(OSError, LockedError):
            self._renew_if_mine()

    def _renew_if_mine(self) -> None:
        with self._lock:
            self._confirm()
            self._renew()

    def _confirm(self) -> None:
        """Make sure that the lease in the store is this one."""
        found = _read(self._path)
        if found is None or found.token != self._mine.token:
            self._lost = str(found.writer) if found else _ENDED
        self._raise_if_lost()
        self._confirmed = True

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise LockedError(
                f"{self._path.parent} was taken over by {self._lost}, which found no sign of life "
                "of this command. It continues with everything logged; wait for it or stop it."
            )

    def _check(self) -> None:
        """Raise where this writer must not write, at the price of a request at most."""
        self._raise_if_lost()
        if not self._confirmed:
            time.sleep(max(0.0, self._seen + PAUSE - _now()))
            with self._lock:
                if not self._confirmed:  # by another thread meanwhile
                    self._confirm()
        # By when it was sent: others may have seen it at once, and the answer have taken long.
        elif _now() - self._asked > _UNSURE:
            self._renew_if_mine()

    def _release(self) -> None:
        with contextlib.suppress(OSError):
            found = _read(self._path)
            if found is not None and found.token == self._mine.token:
                self._path.store.delete(self._path.key)


def holder(path: RemotePath) -> Writer | None:
    """Return who holds a lease, or None where nobody seems to; nothing is written.

    One look cannot see a sign of life. A lease counts that was renewed within the last minute,
    by the clocks of the store and of this machine.

    Parameters
    ----------
    path : RemotePath
        Path of the lease's object, which need not exist.
    """
    try:
        found, renewed = _read(path), path.stat().st_mtime_ns / 1e9
    except OSError:  # no lease, or one that is not ours to look at
        return None
    alive = found is not None and not found.is_gone and time.time() - renewed < _SEEN
    return found.writer if found is not None and alive else None


def _read(path: RemotePath) -> Holder | None:
    """Return what a lease says, or None where there is none or none that can be understood."""
    try:
        return Holder(**json.loads(path.store.fetched(path.key)))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _taken(path: RemotePath, by: Holder) -> LockedError:
    return LockedError(
        f"{path.parent} is being written by {by.writer}. "
        "Wait for it, stop it, or choose another --run-dir."
    )


def _now() -> float:
    """Return seconds that go on while the machine sleeps, when others see no sign of life."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _machine() -> list[str]:
    """Name the running system and the table of processes, of which containers have their own."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return [boot, str(Path("/proc/self/ns/pid").readlink())]
    except OSError:  # not to be known: no two are alike
        return [secrets.token_hex(8), ""]


def _began(process: str) -> str:
    """Return when a process began, in ticks since the system did, or nothing where it is gone."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return ""
    # The 22nd field; the second is a name in parentheses, which may hold blanks.
    fields = re.sub(r".*\)", "", stat, flags=re.DOTALL).split()
    return "" if fields[0] == "Z" else fields[19]
