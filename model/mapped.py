"""Rows that are in a file and are read there: a memory map that another process opens itself."""

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from model.errors import DataError

# Bytes of a file by which it is told from another one, in pieces from its first byte to its last.
_PIECES, _PIECE = 64, 4096


@dataclass(frozen=True)
class Stamp:
    """By what a file is known again, without reading all of it.

    Attributes
    ----------
    size : int
        Its bytes.
    changed : int
        When it was written last, in nanoseconds since 1970.
    digest : str
        The sha256 over pieces of it.
    """

    size: int
    changed: int
    digest: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """Stamp a file.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        digest = hashlib.sha256()
        with path.open("rb") as file:
            found = path.stat()
            for place in np.linspace(0, max(0, found.st_size - _PIECE), _PIECES).astype(int):
                file.seek(int(place))
                digest.update(file.read(_PIECE))
        return cls(found.st_size, found.st_mtime_ns, digest.hexdigest())


@dataclass(frozen=True, eq=False)
class MappedRows:
    """Rows of a file, which are not copied when this is sent: whoever gets it opens the file.

    Attributes
    ----------
    path : Path
        Absolute.
    dtype : dtype
    offset : int
        Bytes before the first row.
    shape : tuple of int
        (n, D); the rows lie one after the other.
    stamp : Stamp
        What the file was when the rows were first read.
    host : str
        The machine on which that was.
    """

    path: Path
    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, int]
    stamp: Stamp
    host: str
    # The open map; empty in a process that has not asked for it yet.
    _map: list[NDArray[Any]] = field(default_factory=list, repr=False)

    @classmethod
    def of(cls, array: NDArray[Any]) -> Self | None:
        """Return where rows of shape (n, D) lie; None where that is not a file.

        Parameters
        ----------
        array : ndarray
            A memory map, or a part of one that is without gaps.
        """
        root, above = None, array
        while isinstance(above, np.ndarray):
            root = above if isinstance(above, np.memmap) else root
            above = above.base  # type: ignore[assignment]
        # A map of mode "c" may hold what its file does not.
        if root is None or root.filename is None or root.mode == "c" or array.ndim != 2:
            return None
        if not array.flags.c_contiguous:
            return None
        path = Path(root.filename).absolute()
        offset = root.offset + _address(array) - _address(root)
        try:
            stamp = Stamp.of(path)
        except OSError:  # deleted while it is mapped
            return None
        n, n_features = array.shape
        shape = (n, n_features)
        return cls(path, array.dtype, offset, shape, stamp, platform.node(), [array])

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the map behind."""
        return MappedRows, (
            self.path, self.dtype, self.offset, self.shape, self.stamp, self.host,
        )  # fmt: skip

    @property
    def array(self) -> NDArray[Any]:
        """The rows, which are read where they are used."""
        if not self._map:
            self.check()
            self._map.append(
                np.memmap(self.path, self.dtype, "r", self.offset, self.shape).view(np.ndarray)
            )
        return self._map[0]

    def check(self) -> None:
        """Make sure that the file is still what it was.

        Raises
        ------
        DataError
            If it was changed, or taken away on the machine where it was.
        OSError
            If it cannot be read on another machine.
        """
        try:
            found = self.path.stat()
            same = found.st_size == self.stamp.size and found.st_mtime_ns == self.stamp.changed
            if not same or not (self._map or Stamp.of(self.path) == self.stamp):
                raise DataError(
                    f"{self.path} has changed since its rows were read. Bring back the file as it "
                    "was and give the same command; a sweep on the new rows needs another "
                    "--run-dir, or --fresh."
                )
        except OSError as error:
            if platform.node() != self.host:
                raise
            raise DataError(
                f"{self.path} can no longer be read ({error.strerror}), and the rows of the "
                "sweep are in it. Bring it back, then give the same command to continue."
            ) from error

    def is_here(self) -> bool:
        """Whether this machine has the file, and as it was."""
        try:
            return Stamp.of(self.path) == self.stamp
        except OSError:
            return False


def all_here(files: Sequence[MappedRows]) -> bool:
    """Whether this machine has some files, and as they were."""
    return all(file.is_here() for file in files)


@runtime_checkable
class HasFiles(Protocol):
    """What workers share may lie in files that they open themselves; executors ask."""

    @property
    def files(self) -> tuple[MappedRows, ...]:
        """The files."""

    def with_rows(self) -> Any:
        """Return it with the rows of the files, for workers that do not have these."""


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])
