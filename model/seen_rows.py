"""Rows as the trainer sees them, made of their source when they are asked for."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model.features import Features
from model.mapped import MappedRows

F32 = NDArray[np.float32]
Places = NDArray[np.intp]

MOST_LAID_OUT = 2**29
"""Bytes of rows in float32 up to which they are laid out once; beyond, they stay in their source.

A link reads laid-out rows somewhat sooner than it makes them: benchmarks/rows_in_place.py.
"""

_CHUNK = 1024


@dataclass(frozen=True, eq=False)
class SeenRows:
    """Rows of one or two sources in some order, after their features: like an array of float32.

    Attributes
    ----------
    sources : tuple of MappedRows or ndarray of shape (n, D)
        Rows in their own scale and type, which stay as they are.
    order : ndarray of shape (m,), intp
        Which rows these are: places in all sources, one after the other.
    features : Features
    """

    sources: tuple[MappedRows | NDArray[Any], ...]
    order: Places
    features: Features

    @property
    def shape(self) -> tuple[int, int]:
        """(m, D)."""
        return len(self.order), self.sources[0].shape[1]

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """The type of the rows that are made."""
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, rows: slice | Places) -> F32:
        """Make some of the rows."""
        places = self.order[rows]
        made = np.empty((len(places), self.shape[1]), np.float32)
        for start in range(0, len(places), _CHUNK):
            self._make(places[start : start + _CHUNK], made[start : start + _CHUNK])
        return made

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Make all of the rows."""
        if copy is False:
            raise ValueError("the rows are made again")
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)

    def gather(self, rows: Places, out: F32) -> None:
        """Write some of the rows, of shape (k, D), into memory that is there."""
        self._make(self.order[rows], out)

    def part(self, rows: slice) -> Self:
        """Return some of the rows, without making them."""
        return replace(self, order=self.order[rows])

    @property
    def files(self) -> tuple[MappedRows, ...]:
        """The sources that are files."""
        return tuple(source for source in self.sources if isinstance(source, MappedRows))

    def with_rows(self) -> Self:
        """Return the same with the rows of its files."""
        return replace(self, sources=tuple(map(_array, self.sources)))

    def check(self) -> None:
        """Make sure that the files are still what they were; see `MappedRows.check`."""
        for file in self.files:
            file.check()

    def _make(self, places: Places, out: F32) -> None:
        if len(self.sources) == 1:
            self.features.apply_into(_array(self.sources[0]), places, out)
            return
        first = 0
        for source in map(_array, self.sources):
            mine = np.flatnonzero((first <= places) & (places < first + len(source)))
            if len(mine):
                seen = np.empty((len(mine), out.shape[1]), np.float32)
                self.features.apply_into(source, places[mine] - first, seen)
                out[mine] = seen
            first += len(source)


def _array(source: MappedRows | NDArray[Any]) -> NDArray[Any]:
    return source.array if isinstance(source, MappedRows) else source


def source_of(X: NDArray[Any]) -> MappedRows | NDArray[Any]:
    """Return rows as `SeenRows` takes them: the file that they are in, if there is one."""
    return MappedRows.of(X) or X.view(np.ndarray)


def stays_in_place(n_bytes: int, *sources: NDArray[Any] | None) -> bool:
    """Whether rows stay in their sources, instead of being laid out in float32.

    Parameters
    ----------
    n_bytes : int
        What they would take, in all copies that folds need.
    *sources : ndarray or None
        Rows in memory that are wider than float32 are laid out whatever they take: workers on
        Ray would get them whole, at twice the size.
    """
    there = [X for X in sources if X is not None]
    narrow = all(X.dtype.itemsize <= 4 or MappedRows.of(X) is not None for X in there)
    return n_bytes > MOST_LAID_OUT and narrow
