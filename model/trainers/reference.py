"""A trainer by its name, as it travels to the workers."""

import atexit
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

from model.errors import TrainerError
from model.trainers.loading import load_trainer
from model.trainers.trainer import Trainer

MOST_BYTES = 8 * 2**20
"""Bytes of code that go to the workers at most: they travel with every task."""

_LEFT_OUT = {"__pycache__", ".git", ".venv", "node_modules"}


@dataclass(frozen=True)
class TrainerName:
    """A trainer's name, and where its module is looked for.

    Attributes
    ----------
    name : str
        As `load_trainer` takes it.
    folders : tuple of str
        Folders in which modules are looked for, where a machine has them, after its own.
    code : bytes
        A zip archive of modules that come before all others; empty without any.
    """

    name: str
    folders: tuple[str, ...] = ()
    code: bytes = field(default=b"", repr=False)

    @classmethod
    def here(cls, name: str, code: Path | None = None) -> "TrainerName":
        """Return the trainer of a name as this process would import it.

        Parameters
        ----------
        name : str
        code : Path, optional
            Folder whose files go to the workers.

        Raises
        ------
        TrainerError
            If that folder cannot be read, or is too large.
        """
        paths = (Path(folder or ".").absolute() for folder in ("", *sys.path))
        folders = tuple(dict.fromkeys(str(path) for path in paths if path.is_dir()))
        return cls(name, folders, _packed(code) if code else b"")

    def load(self) -> Trainer:
        """Return the trainer; in one process always the same.

        Raises
        ------
        TrainerError
            If it cannot be imported or made.
        """
        sys.path.extend(folder for folder in self.folders if folder not in sys.path)
        return _loaded(self.name, self.code)


@cache
def _loaded(name: str, code: bytes) -> Trainer:
    # By these two alone: the folders of a process grow with what it has unpacked.
    if code and (folder := _unpacked(code)) not in sys.path:
        sys.path.insert(0, folder)
    return load_trainer(name)


@cache
def _packed(folder: Path) -> bytes:
    """Return the files of a folder as a zip archive, the same bytes for the same files."""
    archive, size = BytesIO(), 0
    try:
        with ZipFile(archive, "w") as file:
            for path in sorted(folder.rglob("*")):
                inside = path.relative_to(folder)
                if not path.is_file() or _LEFT_OUT.intersection(inside.parts):
                    continue
                size += path.stat().st_size
                if size > MOST_BYTES:
                    raise TrainerError(
                        f"The folder {folder} holds more than {MOST_BYTES // 2**20} MiB, and "
                        "travels to every worker. Give --code a folder that has only code."
                    )
                file.writestr(inside.as_posix(), path.read_bytes())
    except OSError as error:
        raise TrainerError(f"The folder {folder} cannot be read: {error}.") from error
    return archive.getvalue()


@cache
def _unpacked(code: bytes) -> str:
    """Unpack code into a folder of this process alone, which goes with it."""
    folder = tempfile.mkdtemp(prefix="packsweep-code-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with ZipFile(BytesIO(code)) as file:
        file.extractall(folder)
    return folder
