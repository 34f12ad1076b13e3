"""The memory that there is, asked before something large is made."""

import errno
import math
import os
import re
import resource
from contextlib import suppress
from pathlib import Path

from model.errors import DataError

_CGROUP = Path("/sys/fs/cgroup")
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")  # of a container, in both versions
_GIB = 2**30
_ASKED = re.compile(r"alloc of size (\d+)")  # pyarrow's words


def memory_bytes(cgroup: Path = _CGROUP) -> int:
    """Return the memory that this process can have at most: its machine's, or its container's.

    Parameters
    ----------
    cgroup : Path
        Folder with the files in which Linux tells the limits of a container.
    """
    found = [machine_bytes()]
    for name in _LIMITS:
        with suppress(OSError, ValueError):  # no such limit, or "max"
            found.append(int((cgroup / name).read_text()))
    found.append(resource.getrlimit(resource.RLIMIT_AS)[0])
    return min(size for size in found if size > 0)


def machine_bytes() -> int:
    """Return the memory of this machine, whatever this process may have of it."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def own_bytes(status: Path = Path("/proc/self/status")) -> int:
    """Return the memory of this process that it cannot give back: not that of mapped files.

    Parameters
    ----------
    status : Path
        Where Linux tells it; elsewhere it is what the process had at most.
    """
    with suppress(OSError, ValueError):
        for line in status.read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def most_unpacked() -> int:
    """Return how many bytes a file may unpack to: what is made of it takes as many again."""
    return memory_bytes() // 2


def check_unpacked(path: object, size: int) -> None:
    """Refuse a file whose content does not fit into the memory, before it is unpacked.

    Parameters
    ----------
    path : Path or str
        The file, or what of it, as a message begins.
    size : int
        Bytes of its content, or so many that are there at least.

    Raises
    ------
    DataError
        With both sizes.
    """
    if size > most_unpacked():
        raise DataError(
            f"{path}: unpacks to {gib(size)} or more, and this machine has {gib(memory_bytes())} "
            "of memory, of which a file may take half. Is it what it should be? Give fewer rows, "
            "or a machine with more memory."
        )


def asked_bytes(error: MemoryError) -> int:
    """Return how many bytes a library asked for in vain, or 0 where an error does not say it.

    More than there can be is asked for by a length in a damaged file; anything else is a lack of
    memory, and says nothing of the file.
    """
    if hasattr(error, "shape") and hasattr(error, "dtype"):  # numpy's own
        return int(math.prod(error.shape) * error.dtype.itemsize)
    found = _ASKED.search(str(error))
    return int(found[1]) if found else 0


def raise_lack_of_memory(error: Exception) -> None:
    """Raise a MemoryError where an error is a lack of memory, of which no file is the cause.

    For readers that take any error of their library for damage. Nothing is raised where more was
    asked for than there can be: that is a damaged length.

    Raises
    ------
    MemoryError
        The error itself, or one in place of the system's.
    """
    if isinstance(error, MemoryError) and asked_bytes(error) <= most_unpacked():
        raise error
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        raise MemoryError(str(error)) from error


def gib(size: int) -> str:
    """Return a number of bytes in a few words."""
    return f"{size / _GIB:,.3g} GiB"
