"""The features of a row that the trainer sees: its values as they are, scaled, or standardized.

A transform x' = (x - shift) * scale of each feature. It is computed in float64 from the values as
their source has them, and only then rounded to float32: of a column whose mean is large against
its spread, such as dates or coordinates, nothing is lost. The final model keeps shift and scale
and does the same, so that it sees what the trainer saw.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

F64 = NDArray[np.float64]
Rows = NDArray[np.intp]

RAW, UNIT, STANDARDIZED = "raw", "unit", "standardized"

# Rows that are in float64 at a time: six megabytes of Fashion-MNIST.
_CHUNK = 1024

# What float32 may take from a column, in standard deviations of it. Beyond, it is told.
_LOST = 2.0**-10


@dataclass(frozen=True, eq=False)
class Features:
    """The transform x' = (x - shift) * scale.

    Attributes
    ----------
    shift, scale : ndarray of shape (D,), float64
        Or of shape (1,), where all features have the same.
    """

    shift: F64
    scale: F64

    @property
    def changes_nothing(self) -> bool:
        """Whether rows stay as they are, but for the rounding."""
        return not self.shift.any() and bool((self.scale == 1).all())

    def apply(
        self, X: NDArray[Any], rows: Rows | None = None, dtype: DTypeLike = np.float32
    ) -> NDArray[Any]:
        """Return what the trainer sees.

        Parameters
        ----------
        X : ndarray of shape (n, D)
            Rows in the source's own scale and type; left as they are.
        rows : ndarray of shape (m,), intp, optional
            Those to return, in this order; left out, all of them.
        dtype : dtype
            Type that the result is rounded to.

        Returns
        -------
        ndarray of shape (m, D)
            The only array of this size that is made.
        """
        rows = np.arange(len(X)) if rows is None else rows
        seen = np.empty((len(rows), X.shape[1]), dtype)
        self.apply_into(X, rows, seen)
        return seen

    def apply_into(self, X: NDArray[Any], rows: Rows, seen: NDArray[Any]) -> None:
        """Write what the trainer sees of some rows into `seen`, of shape (m, D)."""
        shift, scale = self.shift, self.scale
        if seen.dtype == np.float32 and _fits_float32(X):
            self._apply_fitting(X, rows, seen)
            return
        origin = np.zeros(1)
        if _is_wide_integer(X):  # float64 would round them before the shift is taken away
            origin = np.rint(shift)
        with np.errstate(over="ignore"):  # under raw features, of columns that are told
            for start, chunk in _chunks(X, rows, origin):
                seen[start : start + len(chunk)] = (chunk - (shift - origin)) * scale

    def _apply_fitting(self, X: NDArray[Any], rows: Rows, seen: NDArray[np.float32]) -> None:
        """Do as `apply_into` does, to the same bits, where float32 holds each value of X."""
        unchanged = self.changes_nothing
        for start in range(0, len(rows), _CHUNK):
            part = seen[start : start + _CHUNK]
            part[...] = np.take(X, rows[start : start + _CHUNK], axis=0)
            if not unchanged:
                wide = np.subtract(part, self.shift, dtype=np.float64)
                np.multiply(wide, self.scale, out=wide)
                with np.errstate(over="ignore"):
                    part[...] = wide


AS_THEY_ARE = Features(np.zeros(1), np.ones(1))
"""The transform that changes no bit."""


def fit_features(kind: str, X: NDArray[Any], rows: Rows) -> Features:
    """Return a transform with the statistics of some rows.

    Parameters
    ----------
    kind : str
        ``raw``; ``unit``: all values over the largest absolute one of these rows;
        ``standardized``: each feature less its mean, over its standard deviation, and 0
        where it is the same in all of these rows.
    X : ndarray of shape (n, D)
    rows : ndarray of shape (m,), intp
        The rows that count: those of the training part.
    """
    return _FITS[kind](X, rows)


def lost_columns(kind: str, X: NDArray[Any]) -> list[int]:
    """Return the columns of which float32 loses what matters, under raw or unit features.

    These are the columns whose rounding is more than a thousandth of their standard deviation.

    Parameters
    ----------
    kind : str
        As in `fit_features`.
    X : ndarray of shape (n, D)
    """
    if kind == STANDARDIZED or X.dtype.itemsize < 4 or X.dtype == np.float32:
        return []
    rows = np.arange(len(X))
    _, deviation = _moments(X, rows)
    origin = _origin(X, rows)
    lost = np.zeros(X.shape[1])
    for start in range(0, len(X), _CHUNK):
        part = X[start : start + _CHUNK]
        rounded = part.astype(np.float32).astype(np.float64)
        exact = _less(part, origin)
        lost = np.maximum(lost, np.abs(exact - (rounded - origin.astype(np.float64))).max(axis=0))
    # A constant has nothing to lose.
    return np.flatnonzero((lost > _LOST * deviation) & (deviation > 0)).tolist()


def _raw(X: NDArray[Any], rows: Rows) -> Features:
    del X, rows
    return AS_THEY_ARE


def _unit(X: NDArray[Any], rows: Rows) -> Features:
    largest = max(float(np.abs(chunk).max()) for _, chunk in _chunks(X, rows))
    return Features(np.zeros(1), _inverse(np.full(1, largest)))


def _standardized(X: NDArray[Any], rows: Rows) -> Features:
    mean, deviation = _moments(X, rows)
    return Features(mean, _inverse(deviation))


def _moments(X: NDArray[Any], rows: Rows) -> tuple[F64, F64]:
    """Return mean and standard deviation of each column over some rows."""
    n, origin = len(rows), _origin(X, rows)
    first = _less(X[rows[:1]], origin)
    varies = np.zeros(X.shape[1], bool)
    total, squares = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for _, chunk in _chunks(X, rows, origin):
        varies |= (chunk != first).any(axis=0)
        total += chunk.sum(axis=0)
    mean = total / n
    # In a second pass, because the mean of the squares less the square of the mean cancels.
    for _, chunk in _chunks(X, rows, origin):
        squares += ((chunk - mean) ** 2).sum(axis=0)
    # The mean of a constant is rounded, so its deviation need not be exactly 0.
    return origin.astype(np.float64) + mean, np.where(varies, np.sqrt(squares / n), 0.0)


def _origin(X: NDArray[Any], rows: Rows) -> NDArray[Any]:
    """Return what is taken from all rows before they are summed up: a row of wide types.

    Sums of values that are large against their spread would be rounded.
    """
    return X[rows[0]] if X.dtype.itemsize == 8 else np.zeros(1)


def _inverse(lengths: F64) -> F64:
    """Return 1 / length, and 0 where there is no length."""
    return np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)


def _chunks(
    X: NDArray[Any], rows: Rows, origin: NDArray[Any] | None = None
) -> Iterator[tuple[int, F64]]:
    """Give some rows of X less an origin, a few at a time, each with the place of its first."""
    for start in range(0, len(rows), _CHUNK):
        part = X[rows[start : start + _CHUNK]]
        yield start, part.astype(np.float64) if origin is None else _less(part, origin)


def _less(part: NDArray[Any], origin: NDArray[Any]) -> F64:
    """Return part - origin in float64; exactly, where both are whole numbers of 64 bits."""
    if not _is_wide_integer(part):
        exact: F64 = part.astype(np.float64) - origin
        return exact
    # Beyond 2**62 a difference could overflow; such numbers come as float64.
    difference: F64 = (part.astype(np.int64) - origin.astype(np.int64)).astype(np.float64)
    return difference


def _fits_float32(X: NDArray[Any]) -> bool:
    """Whether float32 holds every value of the type of X."""
    return np.can_cast(X.dtype, np.float32, "safe")


def _is_wide_integer(X: NDArray[Any]) -> bool:
    return X.dtype.kind in "iu" and X.dtype.itemsize == 8


_FITS: dict[str, Callable[[NDArray[Any], Rows], Features]] = {
    RAW: _raw,
    UNIT: _unit,
    STANDARDIZED: _standardized,
}
