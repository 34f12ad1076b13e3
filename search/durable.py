"""Files that are whole or absent, whatever happens while they are written."""

import contextlib
import os
import tempfile
from collections.abc import Callable
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
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=TEMPORARY_PREFIX, delete=False
        ) as file:
            temporary = Path(file.name)
            write(file)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
        _flush_folder(path.parent)
    except BaseException as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _refused(path, error) from error
        raise


def rename_durably(source: Path, target: Path) -> None:
    """Rename a file, so that the new name survives whatever follows.

    Raises
    ------
    StoreError
        If the system refuses.
    """
    try:
        source.replace(target)
        _flush_folder(target.parent)
    except OSError as error:
        raise _refused(target, error) from error


def _refused(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path} could not be written: {error.strerror or error}. What was logged before "
        "is safe; make room or mend the disk, then give the same command to continue."
    )


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
