"""The data sets that people may name: known ones, uploaded ones, and files of allowed folders."""

import hashlib
import json
import logging
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from model.data.dataset import Dataset
from model.data.found import Reading
from model.data.sources import KNOWN, load_dataset
from model.errors import DataError
from search.config import ReadingSettings
from search.errors import StoreError
from search.service.limits import Limits
from search.storage import listed, remove

log = logging.getLogger(__name__)

# Data sets that are kept in memory: those of the sweeps that are open share them.
_KEPT = 2

# Those that are loaded at a time: reading one takes more memory than it has in the end.
_AT_A_TIME = 2

_UPLOADED = "upload-"


@dataclass(frozen=True)
class Upload:
    """A data set that somebody has uploaded.

    Attributes
    ----------
    name : str
        What sweeps name it by: made of the digest of its bytes, so that the same file twice is
        one.
    size : int
        Bytes.
    """

    name: str
    size: int


class DataSets:
    """Loads what may be named, and keeps the newest of it in memory.

    Parameters
    ----------
    folder : Path
        Where uploads lie.
    limits : Limits
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self._limits = folder, limits
        # Held around the dictionaries alone, never while anything is read.
        self._lock = threading.Lock()
        # Of each data set that is loaded: held by who does so, and who waits finds it loaded.
        self._loading: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
        self._places = threading.BoundedSemaphore(_AT_A_TIME)
        self._kept: OrderedDict[str, Dataset] = OrderedDict()

    def resolve(self, named: str) -> str:
        """Return the name or the path that a name stands for.

        Raises
        ------
        DataError
            If there is nothing of this name, or it is in no folder that is allowed.
        """
        if named in KNOWN:
            return named
        if named.startswith(_UPLOADED):
            found = self._uploads().get(named)
            if found is None:
                raise DataError(f"There is no uploaded data set {named}.")
            return str(found)
        path = Path(os.path.realpath(named))
        allowed = [Path(os.path.realpath(folder)) for folder in self._limits.folders]
        if not (Path(named).is_absolute() and any(path.is_relative_to(f) for f in allowed)):
            where = " or ".join(map(str, self._limits.folders))
            paths = (
                f"the full path of a file in {where}" if where
                else "upload it: the administrator has not allowed any folder with --data"
            )  # fmt: skip
            raise DataError(
                f"Data set {named} is not available. Use {', '.join(KNOWN)} or an uploaded one, or "
                f"{paths}."
            )
        return str(path)

    def load(self, named: str, settings: ReadingSettings) -> Dataset:
        """Return the data set that `resolve` has returned the name of.

        Raises
        ------
        DataError
            If it cannot be read.
        """
        reading = settings.to_reading()
        key = json.dumps([named, _stamp(named), asdict(reading)])
        with self._lock:
            loading = self._loading.setdefault(key, threading.Lock())
        with loading:
            with self._lock:
                data = self._kept.get(key)
            if data is None:
                with self._places:
                    data = load_dataset(named, reading, notify=lambda _: None)
            with self._lock:
                self._kept[key] = data
                self._kept.move_to_end(key)
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return data

    @contextmanager
    def receiving(self, name: str) -> Iterator[tuple[Path, "hashlib._Hash"]]:
        """Give a path to write a file to, which is gone in the end, and a digest to feed."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f".{secrets.token_hex(8)}{_ending(name)}"
        try:
            yield path, hashlib.sha256()
        finally:
            path.unlink(missing_ok=True)

    def remove_leftovers(self) -> None:
        """Remove what a killed process was receiving; nobody else may receive anything now."""
        try:
            left = listed(self._folder, ".*")
        except StoreError as error:
            _tell_left(error)
            return
        for path in left:
            try:
                remove(path)
            except StoreError as error:
                _tell_left(error)

    def check_size(self, size: int) -> None:
        """Refuse what is too large.

        Raises
        ------
        DataError
            With the limit.
        """
        if size > self._limits.upload_bytes:
            raise DataError(
                f"The file has more than {self._limits.upload_bytes:,} bytes, which is the most "
                "that is taken. Let the administrator put it into a folder that --data allows."
            )

    def keep(self, path: Path, digest: str) -> Upload:
        """Keep a file that has been received whole, unless it is not a data set."""
        size = path.stat().st_size
        try:
            # As any reader may take it: what its labels are is said with the sweep.
            load_dataset(str(path), Reading(), notify=lambda _: None)
        except DataError as error:
            said = str(error).replace(str(path), "")
            if "which column holds the labels" not in said:  # of a table that is said later
                raise DataError(str(error).replace(str(path), f"the file (*{path.suffix})")) from (
                    error
                )
        # The same bytes under another ending are another data set.
        kind = path.suffix.removeprefix(".")
        name = f"{_UPLOADED}{digest[:16]}{f'-{kind}' if kind else ''}"
        path.replace(self._folder / f"{name}{path.suffix}")
        return Upload(name, size)

    def uploads(self) -> list[Upload]:
        """Return what was uploaded, by name.

        Raises
        ------
        StoreError
            If their folder cannot be looked at.
        """
        found = []
        for name, path in sorted(self._uploads().items()):
            with suppress(FileNotFoundError):  # somebody has removed it meanwhile
                found.append(Upload(name, path.stat().st_size))
        return found

    def _uploads(self) -> dict[str, Path]:
        found = [self._folder / path.name for path in listed(self._folder, f"{_UPLOADED}*")]
        return {path.name.removesuffix(path.suffix): path for path in found}

    def remove(self, name: str) -> int:
        """Remove what was uploaded; return how many bytes that frees.

        Raises
        ------
        DataError
            If there is nothing of this name.
        """
        path = self._uploads().get(name)
        if path is not None:
            with suppress(FileNotFoundError):  # by another one
                size = path.stat().st_size
                path.unlink()
                return size
        raise DataError(f"There is no uploaded data set {name}.")


def _tell_left(error: StoreError) -> None:
    """Say why something stays, which the next start tries again."""
    log.warning("of uploads something is left: %s", error)


def _ending(name: str) -> str:
    ending = Path(name).suffix.lower()
    return ending if ending[1:].isalnum() and len(ending) <= 12 else ""


def _stamp(dataset: str) -> list[int]:
    """Return what tells a file from what it was before."""
    if dataset in KNOWN:
        return []
    with suppress(OSError):
        found = Path(dataset).stat()
        return [found.st_size, found.st_mtime_ns]
    return []
