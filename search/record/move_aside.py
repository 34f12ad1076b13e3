"""A run in an object store moved aside or deleted, where nothing can be renamed."""

from search.storage import RemotePath

MOVED = ".moved"
"""Says that all of a run is elsewhere, or wanted no more, so that what is left is to be deleted."""

_KEPT = (MOVED, ".lock")


def move_aside(source: RemotePath, target: RemotePath) -> RemotePath:
    """Copy a run, then delete it; killed at any moment, nothing of it is lost.

    Everything is copied, the manifest last, so that a part of a run is never one. Then the
    object `.moved` says that the copy is whole: a command that is killed before it leaves the run
    as it was, and one that is killed later leaves the rest of the work to `finish_move`.

    Parameters
    ----------
    source, target : RemotePath
        Folders of one store.

    Returns
    -------
    RemotePath
        The target.

    Raises
    ------
    OSError
        If the store refuses.
    LockedError
        If another writer has taken the run over.
    """
    manifest = f"{source.key}/manifest.json"
    keys = [
        info.path
        for info in source.store.listed(source.key, recursive=True)
        if info.type.name == "File" and info.path != manifest and not _stays(source, info.path)
    ]
    for some in (keys, [manifest]):
        source.store.copy_all([(key, target.key + key.removeprefix(source.key)) for key in some])
    (source / MOVED).write_bytes(str(target).encode())
    finish_move(source)
    return target


def delete_run(source: RemotePath) -> None:
    """Delete a run; killed at any moment, it is whole, or its next command deletes the rest.

    Raises
    ------
    OSError
        If the store refuses.
    LockedError
        If another writer has taken the run over.
    """
    (source / MOVED).write_bytes(b"")
    finish_move(source)


def finish_move(source: RemotePath) -> None:
    """Delete what is left of a run that was moved aside or deleted, if it was.

    The manifest goes first, so that what is left is not a run to anybody.

    Raises
    ------
    OSError
        If the store refuses.
    LockedError
        If another writer has taken the run over.
    """
    if not (source / MOVED).is_file():
        return
    (source / "manifest.json").unlink(missing_ok=True)
    for info in source.store.listed(source.key):
        if info.type.name == "Directory":
            source.store.delete_folder(info.path.rstrip("/"))
        elif not _stays(source, info.path):
            source.store.delete(info.path)
    (source / MOVED).unlink()


def _stays(source: RemotePath, key: str) -> bool:
    return key.removeprefix(f"{source.key}/") in _KEPT
