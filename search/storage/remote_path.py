"""A folder in an object store, with the part of pathlib's interface that a run needs."""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import total_ordering
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from model.user_folders import expanded
from search.errors import RunFolderError
from search.storage.address import is_uri, parse_uri
from search.storage.object_store import ObjectStore


@dataclass(frozen=True)
class RemoteStat:
    """What a store says of an object.

    Attributes
    ----------
    st_mtime_ns : int
        Time at which it was written, by the clock of the store.
    st_size : int
    """

    st_mtime_ns: int
    st_size: int


@total_ordering
class RemotePath:
    """The path of an object or a folder in a store.

    It is used as a `pathlib.Path` is, and differs where a store does: a folder exists as long as
    something is in it, so that none is made; an object is whole or absent, and durable once it is
    written. As text it is the URI that was given, without credentials.

    Parameters
    ----------
    store : ObjectStore
    key : str
        The bucket and what is in it, with slashes between.
    """

    def __init__(self, store: ObjectStore, key: str) -> None:
        self.store = store
        self.key = key

    def __str__(self) -> str:
        return self.store.address.uri(self.key)

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and self._sort_key == other._sort_key

    def __lt__(self, other: "RemotePath") -> bool:
        return self._sort_key < other._sort_key

    def __hash__(self) -> int:
        return hash(self._sort_key)

    @property
    def _sort_key(self) -> tuple[str, str]:
        return self.key, str(self)  # which holds the options too

    def __truediv__(self, name: str) -> "RemotePath":
        return RemotePath(self.store, f"{self.key}/{name}")

    @property
    def parent(self) -> "RemotePath":
        """The folder that it is in."""
        return RemotePath(self.store, self.key.rpartition("/")[0])

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.key.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """Its name without what follows the last dot."""
        return Path(self.name).stem

    def with_name(self, name: str) -> "RemotePath":
        """Return a path beside this one."""
        return self.parent / name

    def absolute(self) -> "RemotePath":
        """Return this path: a URI depends on no working directory."""
        return self

    def resolve(self) -> "RemotePath":
        """Return this path: a store has no links."""
        return self

    def exists(self) -> bool:
        """Whether there is an object or a folder."""
        known = self.store.known(self.key)
        return self._type != "NotFound" if known is None else known

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return self._type == "Directory"

    def is_file(self) -> bool:
        """Whether it is an object."""
        return self._type == "File"

    @property
    def _type(self) -> str:
        name: str = self.store.info(self.key).type.name
        return name

    def stat(self) -> RemoteStat:
        """Return when an object was written, and its size.

        Raises
        ------
        OSError
            A FileNotFoundError where it is not there.
        """
        return _stat(self, self.store.info(self.key))

    def read_bytes(self) -> bytes:
        """Return what the object holds.

        Raises
        ------
        OSError
            A FileNotFoundError where it is not there.
        """
        return self.store.read(self.key)

    def open(self, mode: str = "rb") -> BytesIO:
        """Return the object as a file; objects can be read alone."""
        if mode != "rb":
            raise ValueError(f"An object cannot be opened as {mode!r}; write it with write_bytes.")
        return BytesIO(self.read_bytes())

    def write_bytes(self, content: bytes) -> None:
        """Put the object, whole and durable.

        Raises
        ------
        OSError
            If the store refuses; an older object stays.
        LockedError
            If another writer has taken the run over.
        """
        self.store.write(self.key, content)

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Delete the object."""
        if missing_ok and self.store.known(self.key) is False:
            return
        try:
            self.store.delete(self.key)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def iterdir(self) -> Iterator["RemotePath"]:
        """Yield what is in the folder."""
        for info in self.store.listed(self.key):
            yield self / info.path.rstrip("/").rpartition("/")[2]

    def glob(self, pattern: str) -> Iterator["RemotePath"]:
        """Yield what is in the folder itself under names of a pattern."""
        names = self.store.memory.names(self.key) if self.store.guard is not None else None
        if names is None:
            names = {path.name for path in self.iterdir()}
        for name in sorted(names):
            if fnmatchcase(name, pattern):
                yield self / name

    def remember_names(self) -> None:
        """Ask once for all names in the folder and remember them, as the run's writer."""
        if self.store.guard is not None:
            self.store.memory.remember_names(self.key, (path.name for path in self.iterdir()))


def _stat(path: RemotePath, info: Any) -> RemoteStat:
    if info.type.name != "File":
        raise FileNotFoundError(2, "There is no such object", str(path))
    return RemoteStat(info.mtime_ns, info.size)


Place: TypeAlias = Path | RemotePath
"""Where a run or a part of it is: on a disk, or in a store."""


def place(text: str | Place) -> Place:
    """Return the path that a text names: a plain path, a URI of a file, or one of a store.

    A plain one may begin at a home folder, as ``~/runs/full`` does.

    A store is not asked for anything yet.

    Parameters
    ----------
    text : str, Path or RemotePath

    Raises
    ------
    RunFolderError
        If it is a URI that names no folder in a store. The message shows no credentials.
    UsageError
        If there is no such home folder.
    """
    if not isinstance(text, str) or not is_uri(text):
        return text if isinstance(text, RemotePath) else expanded(text)
    if text[:5].lower() == "file:":
        return _local(text)
    address, key = parse_uri(text)
    return RemotePath(ObjectStore(address), key)


def _local(text: str) -> Path:
    parts = urlsplit(text, allow_fragments=False)
    if parts.netloc not in ("", "localhost") or parts.query or not parts.path:
        raise RunFolderError(
            f"{text} is on another machine, or not a path. Give file:///path, or only the path."
        )
    return Path(unquote(parts.path))
