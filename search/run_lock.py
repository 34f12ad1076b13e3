"""The lock of a run's folder: taken by its one writer, looked at by everybody else."""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from search.errors import LockedError
from search.manifest import utc_now

# Somebody who looks whether there is a writer holds the lock for some microseconds. A writer that
# starts in just these asks again, so that looking never makes it fail; it would take somebody
# looking at each of so many moments.
_TRIES, _PAUSE = 20, 0.01


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, however it ends.

    Parameters
    ----------
    path : Path
        Of the lock's file, made where it is missing.

    Raises
    ------
    LockedError
        If another process holds it.
    """
    with path.open("a+") as file:
        if not _taken(file):
            file.seek(0)
            raise LockedError(
                f"{path.parent} is being written by {file.read().strip() or 'another process'}. "
                "Wait for it, stop it, or choose another --run-dir."
            )
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {utc_now()}")
        file.flush()
        yield


def _taken(file: IO[str]) -> bool:
    for _ in range(_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(_PAUSE)
    return False


def writer(path: Path) -> str | None:
    """Say which process holds a lock, or None where nobody does; nothing is written.

    Parameters
    ----------
    path : Path
        Of the lock's file, which need not exist.
    """
    try:
        with path.open(errors="replace") as file:
            try:
                # Shared, so that those who look do not see each other; closing the file ends it.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read().strip() or "another process"
    except OSError:  # no lock, or one that is not ours to look at
        pass
    return None
