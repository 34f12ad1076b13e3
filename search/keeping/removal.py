"""Runs as they are in their folders: what they take, and how they are deleted."""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from stat import S_ISDIR

from search.errors import StoreError
from search.keeping.rules import FINISHED, RUNNING, UNFINISHED, UNREADABLE, KeptRun
from search.record import DELETED, RunFolder
from search.storage import Place, RemotePath, all_within, listed


def look(path: Place) -> KeptRun:
    """Return what there is of a run; its manifest need not be readable.

    Raises
    ------
    RunFolderError
        If there is no run.
    StoreError
        If its files cannot be read.
    """
    folder = RunFolder(path)
    if not folder.began:
        folder.existing_manifest()  # which says why there is none
    size, changed_at = _files_of(path)
    writer = folder.find_writer()
    state = RUNNING if writer else FINISHED if folder.has_result else UNFINISHED
    return KeptRun(path, state, changed_at, size, writer)


def look_or_keep(path: Place) -> KeptRun:
    """Return what there is of a run; one that cannot be read is one that stays.

    Raises
    ------
    RunFolderError
        If there is no run.
    """
    try:
        return look(path)
    except StoreError as error:
        cause = error.__cause__
        why = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(error)
        return KeptRun(path, UNREADABLE, 0.0, 0, problem=f"cannot be read: {why}")


def _files_of(path: Place) -> tuple[int, float]:
    """Return the bytes of all files, and when the newest was written.

    Raises
    ------
    StoreError
        If one of them cannot be read.
    """
    try:
        return _sizes_and_times(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}.") from error


def _sizes_and_times(path: Place) -> tuple[int, float]:
    if isinstance(path, RemotePath):
        found = [i for i in path.store.listed(path.key, recursive=True) if i.type.name == "File"]
        return sum(i.size for i in found), max((i.mtime_ns / 1e9 for i in found), default=0.0)
    root, seen = path.resolve(), set()
    size, changed_at = 0, 0.0
    for entry in all_within(root):
        try:
            stat = entry.lstat()
        except FileNotFoundError:  # of a run that is being written
            continue
        is_file = not S_ISDIR(stat.st_mode)
        # What it takes on the disk, not how long it is; linked from elsewhere, it stays there.
        if (stat.st_dev, stat.st_ino) not in seen and not (is_file and stat.st_nlink > 1):
            size += stat.st_blocks * 512
        seen.add((stat.st_dev, stat.st_ino))
        changed_at = max(changed_at, stat.st_mtime) if is_file else changed_at
    return size, changed_at


def remove_run(path: Place) -> int:
    """Delete a run, and return how many bytes are free now.

    Killed at any moment, the run is whole or no run any more; what is left of it then is found by
    `leftovers`.

    Raises
    ------
    RunFolderError
        If there is no run.
    LockedError
        If it is being written.
    StoreError
        If it cannot be deleted.
    """
    size = look(path).size
    with RunFolder.locked(path) as folder:
        folder.delete()
    return size


def leftovers(parents: Iterable[Place], tell: Callable[[StoreError], object]) -> dict[Place, int]:
    """Return what killed commands of this user have left of runs that they deleted.

    Parameters
    ----------
    parents : iterable of Path or RemotePath
        The folders in which the runs were.
    tell : callable
        Gets why something cannot be read, which keeps nothing else.

    Returns
    -------
    dict of Path to int
        With its bytes.
    """
    found: dict[Place, int] = {}
    for parent in parents:
        # In a store the next command that opens the run's folder deletes them.
        if isinstance(parent, Path):
            try:
                left = [path for path in listed(parent, f"{DELETED}*") if _is_mine(path)]
            except StoreError as error:
                tell(error)
                continue
            for path in left:
                try:
                    found[path] = _files_of(path)[0]
                except StoreError as error:
                    tell(error)
    return found


def _is_mine(path: Place) -> bool:
    """Whether this user may be expected to delete something."""
    try:
        return os.lstat(str(path)).st_uid == os.geteuid()
    except OSError:  # it is gone, or the folder says nothing of what it holds
        return False


def remove_leftover(path: Place) -> int:
    """Delete one that `leftovers` has found, and return how many bytes are free now.

    Raises
    ------
    StoreError
        If it cannot be deleted.
    """
    size = _files_of(path)[0]
    try:
        shutil.rmtree(str(path))
    except FileNotFoundError:  # by another command
        return 0
    except OSError as error:
        raise StoreError(f"{path} cannot be deleted: {error.strerror}.") from error
    return size
