"""Files that are whole or absent, whatever happens while they are written."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from search.errors import ObjectStoreError, StoreError
from search.storage.remote_path import Place, RemotePath

TEMPORARY_PREFIX = ".tmp-"


def read_whole(path: Place) -> bytes | None:
    """Return what a file holds, or None where there is none.

    A failed read raises: callers must not take it for a missing or a damaged file.

    Parameters
    ----------
    path : Path or RemotePath

    Raises
    ------
    StoreError
        If the system refuses, or the store does not answer.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:  # a file's name, and nothing in it
        return b""
    except ObjectStoreError:  # which says it in the store's terms
        raise
    except OSError as error:
        raise _unreadable(path, error) from error


def listed(folder: Place, pattern: str = "*") -> list[Place]:
    """Return what a folder holds under names of a pattern, in their order; nothing without one.

    A folder that cannot be looked at raises: callers must not take it for an empty one, as
    `Path.glob` does.

    Raises
    ------
    StoreError
        If the system refuses, or the store does not answer.
    """
    if isinstance(folder, RemotePath):
        return [*folder.glob(pattern)]
    try:
        found = [path for path in folder.iterdir() if fnmatchcase(path.name, pattern)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error
    return sorted(found)


def is_there(path: Place) -> bool:
    """Whether there is a file or a folder of a name.

    Raises
    ------
    StoreError
        If the system refuses to say, or the store does not answer.
    """
    try:
        if isinstance(path, RemotePath):
            return path.exists()
        path.stat()  # `Path.exists` of newer Pythons takes every refusal for an absence
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last of what no name can hold
        return False
    except ObjectStoreError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link to itself
            return False
        raise _unreadable(path, error) from error
    return True


def all_within(folder: Path) -> list[Path]:
    """Return a folder and all that is in it, at any depth; links are not followed.

    What goes meanwhile is left out. A folder that cannot be looked at raises: `Path.rglob` takes it
    for an empty one.

    Raises
    ------
    StoreError
        If the system refuses.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise _unreadable(Path(error.filename or folder), error) from error

    found = [folder]
    for parent, folders, files in os.walk(folder, onerror=refuse):
        found += [Path(parent, name) for name in (*folders, *files)]
    return found


def _unreadable(path: Place, error: OSError) -> StoreError:
    return StoreError(
        f"{path} could not be read: {error.strerror or error}. Nothing was changed; fix the "
        "disk or the file's permissions, then give the same command to continue."
    )


def write_atomically(path: Place, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that a reader, or a later start, sees all of it or nothing.

    A unique temporary file in the same folder is written, flushed to the disk
    and renamed; then the folder is flushed, because the rename is its change.
    A store of objects does that itself: an object is put whole, or not at all.

    Parameters
    ----------
    path : Path or RemotePath
        Replaced where it exists.
    write : callable
        Gets the open temporary file.

    Raises
    ------
    StoreError
        If the system refuses, for want of space for example. Nothing is left
        behind and an older `path` stays as it was.
    """
    if isinstance(path, RemotePath):
        _put(path, write)
        return
    with _refusals(path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY_PREFIX)
        os.close(descriptor)
    temporary = Path(name)
    write_durably(temporary, write, of=path)
    try:
        with _refusals(path):  # as where the folder was moved away meanwhile
            temporary.chmod(0o644)
        rename_durably(temporary, path)
    except BaseException:
        _remove(temporary)
        raise


def write_whole(path: Place, content: bytes) -> None:
    """Write these bytes as `write_atomically` does."""
    write_atomically(path, lambda file: file.write(content))


def _put(path: RemotePath, write: Callable[[BinaryIO], object]) -> None:
    # Into memory first: a stream that an exception closes would publish a part.
    buffer = BytesIO()
    write(buffer)
    with _refusals(path):
        path.write_bytes(buffer.getvalue())


def write_durably(
    path: Place, write: Callable[[BinaryIO], object], *, of: Path | None = None
) -> None:
    """Write a file and flush it to the disk; one that cannot be written whole is removed.

    Parameters
    ----------
    path : Path or RemotePath
        Whatever stands there is overwritten, so it is not a name that others read.
    write : callable
        Gets the open file.
    of : Path, optional
        The name for a message, where `path` is a temporary one.

    Raises
    ------
    StoreError
        If the system refuses.
    """
    if isinstance(path, RemotePath):
        _put(path, write)
        return
    try:
        with _refusals(of or path), path.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        _remove(path)
        raise


def rename_durably(source: Place, target: Place) -> None:
    """Rename a file, so that the new name survives whatever follows.

    A store of objects has no renaming: a copy is made and the source deleted. Both are there for
    a moment, and stay where the process is killed in it.

    Parameters
    ----------
    source, target : Path or RemotePath
        Both of the same kind.

    Raises
    ------
    StoreError
        If the system refuses.
    """
    with _refusals(target):
        if isinstance(source, RemotePath) and isinstance(target, RemotePath):
            source.store.copy(source.key, target.key)
            source.store.delete_meanwhile(source.key)
        elif isinstance(source, Path) and isinstance(target, Path):
            source.replace(target)
            _flush_folder(target.parent)


def remove(path: Place) -> None:
    """Delete a file, where there is one.

    Raises
    ------
    StoreError
        If the system refuses, or the store does not answer.
    """
    with _refusals(path, "removed"):
        path.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _refusals(path: Place, what: str = "written") -> Iterator[None]:
    """Say in the user's terms that the system refuses to change a file."""
    try:
        yield
    except OSError as error:
        first = "" if isinstance(path, RemotePath) else "make room or fix the disk, then "
        raise StoreError(
            f"{path} could not be {what}: {error.strerror or error}. What was logged before "
            f"is safe; {first}give the same command to continue."
        ) from error


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def prepare_folder(folder: Place) -> None:
    """Make a folder that we alone write to, and delete what a killed writer left in it.

    One in a store of objects needs neither; its names are remembered.

    Raises
    ------
    StoreError
        If the system refuses.
    """
    if isinstance(folder, RemotePath):
        folder.remember_names()
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
            leftover.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder {folder} cannot be used: {error.strerror}. Make room, fix its "
            "permissions, or choose another --run-dir."
        ) from error
