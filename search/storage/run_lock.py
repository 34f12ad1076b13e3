"""The lock of a run's folder: taken by its one writer, looked at by everybody else."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from search.errors import LockedError
from search.storage.lease import Lease, holder
from search.storage.remote_path import Place, RemotePath
from search.storage.writers import Writer

# Somebody who looks whether there is a writer holds the lock for some microseconds. A writer that
# starts in just these asks again, so that looking never makes it fail; it would take somebody
# looking at each of so many moments.
_TRIES, _PAUSE = 20, 0.01


def say_nothing(text: str) -> None:
    """Take a sentence for the user, and show it to nobody."""


def lock(
    path: Place, notify: Callable[[str], None] = say_nothing
) -> contextlib.AbstractContextManager[None]:
    """Hold a lock that ends with the process, however it ends.

    In a store of objects it is a lease, which ends some seconds after the process. On a disk the
    folder is locked beside the file, so that nobody gets in where the file was deleted or another
    one put in its place. Not every shared disk can lock a folder; on one that cannot, the file
    alone holds.

    Parameters
    ----------
    path : Path or RemotePath
        Path of the lock's file, made where it is missing.
    notify : callable
        Gets a sentence for the user when it takes some seconds to get a lease.

    Raises
    ------
    LockedError
        If another process holds it.
    """
    mine = Writer.this_process()
    if isinstance(path, RemotePath):
        return Lease(path, mine).held(notify)
    return _locked(path, mine)


@contextlib.contextmanager
def _locked(path: Path, mine: Writer) -> Iterator[None]:
    with _opened(path.parent) as folder, path.open("a+") as file:
        if not (_taken(file.fileno()) and _taken_if_possible(folder)):
            file.seek(0)
            raise LockedError(
                f"{path.parent} is being written by {Writer.read(file.read())}. "
                "Wait for it, stop it, or choose another --run-dir."
            )
        file.truncate(0)
        file.write(mine.to_json())
        file.flush()
        yield


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    for _ in range(_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(_PAUSE)
    return False


def _taken_if_possible(folder: int) -> bool:
    try:
        return _taken(folder)
    except OSError:  # NFS locks only what can be written to
        return True


def find_writer(path: Place) -> Writer | None:
    """Return the process that holds a lock, or None where nobody does; nothing is written.

    Parameters
    ----------
    path : Path or RemotePath
        Path of the lock's file, which need not exist.
    """
    if isinstance(path, RemotePath):
        return holder(path)
    for locked in (path, path.parent):
        if _is_held(locked):
            return _writer_in(path)
    return None


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # no lock, or one that is not ours to look at
        return False
    try:
        # Shared, so that those who look do not see each other; closing ends it.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a folder on a disk that cannot lock it
        pass
    finally:
        os.close(descriptor)
    return False


def _writer_in(path: Path) -> Writer:
    """Return who a lock says that it is; its file may be gone, or say nothing."""
    try:
        return Writer.read(path.read_text(errors="replace"))
    except OSError:
        return Writer.read("")
