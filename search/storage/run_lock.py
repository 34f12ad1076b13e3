"""The lock of a run's folder: taken by its one writer, looked at by everybody else."""

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

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

    In a store of objects it is a lease, which ends some seconds after the process.

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
    with path.open("a+") as file:
        if not _taken(file):
            file.seek(0)
            raise LockedError(
                f"{path.parent} is being written by {Writer.read(file.read())}. "
                "Wait for it, stop it, or choose another --run-dir."
            )
        file.truncate(0)
        file.write(mine.to_json())
        file.flush()
        yield


def _taken(file: IO[str]) -> bool:
    for _ in range(_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(_PAUSE)
    return False


def find_writer(path: Place) -> Writer | None:
    """Return the process that holds a lock, or None where nobody does; nothing is written.

    Parameters
    ----------
    path : Path or RemotePath
        Path of the lock's file, which need not exist.
    """
    if isinstance(path, RemotePath):
        return holder(path)
    try:
        with path.open(errors="replace") as file:
            try:
                # Shared, so that those who look do not see each other; closing the file ends it.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Writer.read(file.read())
    except OSError:  # no lock, or one that is not ours to look at
        pass
    return None
