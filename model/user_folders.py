"""Folders of the user's: the one for what can be made again, and paths from the home folder."""

import os
import tempfile
from pathlib import Path

from platformdirs import user_cache_path

from model.errors import UsageError


def cache_folder() -> Path:
    """Return the user's folder for what can be made again; it need not exist yet.

    Where the user has no home, as in some containers, it is one of theirs among the temporary
    files. What is read there is checked, as anybody may have put it there.
    """
    try:
        return user_cache_path("packsweep")
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"packsweep-{os.getuid()}"


def expanded(path: str | Path) -> Path:
    """Return a path with the home folder in place of a ``~`` at its beginning.

    A shell does so in ``DIR``, but neither in ``--run-dir=~/x`` nor within quotes.

    Raises
    ------
    UsageError
        If there is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UsageError(
            f"{path}: there is no such home folder. Give the path without ~; a file of "
            f"that name is ./{path}."
        ) from None
