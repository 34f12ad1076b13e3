"""Files that are whole or absent, whatever happens while they are written."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from search.errors import StoreError

TEMPORARY_PREFIX = ".tmp-"


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that a reader, or a later start, sees all of it or nothing.

    A unique temporary file in the same folder is written, flushed to the disk
    and renamed; then the folder is flushed, because the rename is its change.

    Parameters
    ----------
    path : Path
        Replaced where it exists.
    write : callable
        Gets the open temporary file.

    Raises
    ------
    StoreError
        If the system refuses, for want of space for example. Nothing is left
        behind and an older `path` stays as it was.
    """
    with _refusals(path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY_PREFIX)
        os.close(descriptor)
    temporary = Path(name)
    write_durably(temporary, write, of=path)
    try:
        temporary.chmod(0o644)
        rename_durably(temporary, path)
    except BaseException:
        _remove(temporary)
        raise


def write_durably(
    path: Path, write: Callable[[BinaryIO], object], *, of: Path | None = None
) -> None:
    """Write a file and flush it to the disk; one that cannot be written whole is removed.

    Parameters
    ----------
    path : Path
        Whatever stands there is overwritten, so it is no name that others read.
    write : callable
        Gets the open file.
    of : Path, optional
        The name for a message, where `path` is a temporary one.

    Raises
    ------
    StoreError
        If the system refuses.
    """
    try:
        with _refusals(of or path), path.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        _remove(path)
        raise


def rename_durably(source: Path, target: Path) -> None:
    """Rename a file, so that the new name survives whatever follows.

    Raises
    ------
    StoreError
        If the system refuses.
    """
    with _refusals(target):
        source.replace(target)
        _flush_folder(target.parent)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Say in the user's terms that the system refuses to write a file."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path} could not be written: {error.strerror or error}. What was logged before "
            "is safe; make room or mend the disk, then give the same command to continue."
        ) from error


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def prepare_folder(folder: Path) -> None:
    """Make a folder that we alone write to, and delete what a killed writer left in it.

    Raises
    ------
    StoreError
        If the system refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
            leftover.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder {folder} cannot be used: {error.strerror}. Make room, mend its "
            "permissions, or choose another --run-dir."
        ) from error
