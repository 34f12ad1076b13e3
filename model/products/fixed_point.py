"""Products of bytes with numbers of 24 bits, whose sums are exact.

The features are whole numbers from 0 to 255. The other factor is written in fixed point: a column
f becomes whole numbers q of 24 bits and a unit, a power of two, with f = unit q up to half a unit,
which is 2^-23 of the column's largest number or less. The sums of x q are whole numbers that are
exact in whatever order, and each is rounded once: a column of a product has the same bits on every
machine and beside any other columns.

In float32 each term and sum is rounded to 24 bits instead, so that neither is better. The sums are
made of three products of bytes, in AMX's tiles (`model.products.tiles`) or by oneDNN
(`model.products.limbs`), and where neither is at hand in float64.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from model.errors import MissingProductsError
from model.products.library import OneDnn, onednn
from model.products.limbs import LimbSums, units
from model.products.products import BlockProducts, Rows
from model.products.tiles import TileSums, have_tiles

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

MOST_FEATURES = 65_000
"""255 * 128 * 65,000 is below 2^31: no sum of a byte of 24 bits leaves int32."""

# Rows that are looked at at a time.
_CHUNK = 4096


class Sums(Protocol):
    """Exact sums of the products of bytes with whole numbers of 24 bits: one suite for all."""

    def hold(self, F: F32) -> None:
        """Take the factor, as whole numbers and a unit of each column."""

    def write(self, X: U8, Z: F32) -> None:
        """Z = X times the factor."""

    def subtract(self, X: U8, V: F32, *, then_hold: bool) -> None:
        """V <- V - X^T times the factor; then take V as the factor, or leave that open."""

    def gram(self, X: U8, G: F32) -> None:
        """G = X X^T."""


class DoubleSums:
    """Sums in float64: exact, since less than 2^53, and half as fast as float32.

    Parameters
    ----------
    rows, n_features, width : int
        Rows of a block, features and columns.
    """

    def __init__(self, rows: int, n_features: int, width: int) -> None:
        self._factor = np.empty((max(rows, n_features), width))
        self._sums = np.empty((max(rows, n_features), width))
        self._held = 0

    def hold(self, F: F32) -> None:
        """Round to whole numbers."""
        self._held = len(F)
        self._unit, inverse = units(F)
        np.rint(F * inverse, out=self._factor[: self._held])

    def write(self, X: U8, Z: F32) -> None:
        """Multiply, and round once."""
        sums = self._sums[: len(X)]
        np.matmul(X.astype(np.float64), self._factor[: self._held], out=sums)
        np.multiply(sums, self._unit, out=Z, casting="same_kind")

    def subtract(self, X: U8, V: F32, *, then_hold: bool) -> None:
        """Multiply, and round the difference once."""
        sums = self._sums[: len(V)]
        np.matmul(X.T.astype(np.float64), self._factor[: self._held], out=sums)
        np.multiply(sums, self._unit, out=sums)
        np.subtract(V, sums, out=V, casting="same_kind")
        if then_hold:
            self.hold(V)

    def gram(self, X: U8, G: F32) -> None:
        """Multiply, and round once."""
        wide = X.astype(np.float64)
        G[...] = wide @ wide.T


class FixedPointProducts:
    """Products in fixed point, for features that are whole numbers from 0 to 255.

    Parameters
    ----------
    made : {"tiles", "bytes", "float64"}, optional
        How the sums are made, to the same bits: in AMX's tiles, of bytes by oneDNN, or in float64.
        Left out, by the first of these that is there.

    Raises
    ------
    MissingProductsError
        If what is asked for is not there.
    """

    name = "fixed"
    alike = True
    row_type: type[np.float32 | np.uint8] = np.uint8

    def __init__(self, made: str | None = None) -> None:
        self._made, self._library = made, None
        if made == "tiles" and not have_tiles():
            raise MissingProductsError(
                "This processor has no AMX, or its system does not allow it."
            )
        if made == "bytes":
            self._library = onednn()
        if made is None:
            self._made, self._library = _fastest()

    def of_block(self, rows: int, n_features: int, width: int) -> BlockProducts:
        """Return products with memory for a factor and its sums."""
        if self._made == "tiles":
            return _FixedBlock(TileSums(rows, n_features, width), rows, n_features)
        if self._library is None:
            return _FixedBlock(DoubleSums(rows, n_features, width), rows, n_features)
        self._library.in_one_thread()
        sums = LimbSums(self._library, rows, n_features, width)
        return _FixedBlock(sums, rows, n_features)


def _fastest() -> tuple[str, OneDnn | None]:
    """Return how sums are made here, and the library that it takes."""
    if have_tiles():
        return "tiles", None
    try:
        return "bytes", onednn()
    except MissingProductsError:
        return "float64", None


class _FixedBlock:
    def __init__(self, sums: Sums, rows: int, n_features: int) -> None:
        self._sums = sums
        self._bytes = np.empty((rows, n_features), np.uint8)

    def hold(self, V: F32) -> None:
        """Write it in fixed point."""
        self._sums.hold(V)

    def project(self, X: Rows, Z: F32) -> None:
        """Multiply."""
        self._sums.write(self._bytes_of(X), Z)

    def gram(self, X: Rows, G: F32) -> None:
        """Multiply."""
        self._sums.gram(self._bytes_of(X), G)

    def correct(self, gram: F32, deltas: F32, correction: F32) -> None:
        """Add up in the order of the rows: a BLAS would take one that depends on the columns."""
        from model.products.fixed_loops import sum_in_order  # late: see `model.compiled`

        sum_in_order(gram, deltas, correction)

    def update(self, X: Rows, V: F32, deltas: F32, *, then_hold: bool) -> None:
        """Write the deltas in fixed point, and multiply them."""
        self._sums.hold(deltas)
        self._sums.subtract(self._bytes_of(X), V, then_hold=then_hold)

    def _bytes_of(self, X: Rows) -> U8:
        if X.dtype == np.uint8:
            return X.view(np.uint8)  # which says so to the type checker
        seen = self._bytes[: len(X)]
        np.copyto(seen, X, casting="unsafe")
        return seen


def fits(X: NDArray[Any]) -> str | None:
    """Say why features cannot be multiplied in fixed point; None where they can.

    Parameters
    ----------
    X : ndarray of shape (n, D)

    Examples
    --------
    >>> fits(np.array([[0, 255]])), fits(np.array([[0.5]]))
    (None, 'takes whole numbers from 0 to 255, and a feature is 0.5')
    """
    if X.shape[1] > MOST_FEATURES:
        return f"takes {MOST_FEATURES:,} features at most, and there are {X.shape[1]:,}"
    if X.dtype == np.uint8:
        return None
    for start in range(0, len(X), _CHUNK):
        part = X[start : start + _CHUNK]
        wrong = ~((part >= 0) & (part <= 255) & (part == np.rint(part)))
        if wrong.any():
            return f"takes whole numbers from 0 to 255, and a feature is {part[wrong][0]}"
    return None
