"""Products of bytes with numbers of 24 bits, whose sums are exact.

The features are whole numbers from 0 to 255. The other factor is written in fixed point: a column
f becomes whole numbers q of 24 bits and a unit, a power of two, with f = unit q up to half a unit,
which is 2^-23 of the column's largest number or less. The sums of x q are whole numbers that are
exact in whatever order, and each is rounded once: a column of a product has the same bits on every
machine and beside any other columns.

In float32 each term and sum is rounded to 24 bits instead, so that neither is better. The sums are
made of three products of bytes where oneDNN is at hand (`model.products.limbs`), else in float64.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from model.errors import MissingProductsError
from model.products.library import onednn
from model.products.limbs import LimbSums
from model.products.products import BlockProducts

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

MOST_FEATURES = 65_000
"""255 * 128 * 65,000 is below 2^31: no sum of a byte of 24 bits leaves int32."""

# q is at most 127 + 127 * 2^8 + 127 * 2^16, so that its three bytes have a sign each.
_BITS = 23
_FULLEST = 8_355_711 / 2**_BITS

# Rows that are looked at at a time.
_CHUNK = 4096

# Below 2^-100 a column is thought to be zero: the inverse of its unit would leave float32.
_LEAST = -100


class Sums(Protocol):
    """Exact sums of the products of bytes with whole numbers of 24 bits: one suite for all."""

    def hold(self, F: F32, inverse: F32) -> None:
        """Take the factor, as the whole numbers nearest to F times `inverse`, a number a column."""

    def write(self, X: U8, unit: F64, Z: F32) -> None:
        """Z = X times the factor, times the unit of each column."""

    def subtract(self, X: U8, unit: F64, V: F32) -> None:
        """V <- V - X^T times the factor, times the unit of each column."""

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

    def hold(self, F: F32, inverse: F32) -> None:
        """Round to whole numbers."""
        self._held = len(F)
        np.rint(F * inverse, out=self._factor[: self._held])

    def write(self, X: U8, unit: F64, Z: F32) -> None:
        """Multiply, and round once."""
        sums = self._sums[: len(X)]
        np.matmul(X.astype(np.float64), self._factor[: self._held], out=sums)
        np.multiply(sums, unit, out=Z, casting="same_kind")

    def subtract(self, X: U8, unit: F64, V: F32) -> None:
        """Multiply, and round the difference once."""
        sums = self._sums[: len(V)]
        np.matmul(X.T.astype(np.float64), self._factor[: self._held], out=sums)
        np.multiply(sums, unit, out=sums)
        np.subtract(V, sums, out=V, casting="same_kind")

    def gram(self, X: U8, G: F32) -> None:
        """Multiply, and round once."""
        wide = X.astype(np.float64)
        G[...] = wide @ wide.T


class FixedPointProducts:
    """Products in fixed point, for features that are whole numbers from 0 to 255.

    Parameters
    ----------
    whole : bool, optional
        Whether the sums are made of bytes by oneDNN, or else in float64, to the same bits; left
        out, by oneDNN where it is there.

    Raises
    ------
    MissingProductsError
        If oneDNN is asked for and not there.
    """

    name = "fixed"
    alike = True

    def __init__(self, whole: bool | None = None) -> None:
        self._library = None
        if whole is not False:
            try:
                self._library = onednn()
            except MissingProductsError:
                if whole:
                    raise

    def of_block(self, rows: int, n_features: int, width: int) -> BlockProducts:
        """Return products with memory for a factor and its sums."""
        if self._library is None:
            return _FixedBlock(DoubleSums(rows, n_features, width), rows, n_features)
        self._library.in_one_thread()
        sums = LimbSums(self._library, rows, n_features, width)
        return _FixedBlock(sums, rows, n_features)


class _FixedBlock:
    def __init__(self, sums: Sums, rows: int, n_features: int) -> None:
        self._sums = sums
        self._bytes = np.empty((rows, n_features), np.uint8)

    def hold(self, V: F32) -> None:
        """Write it in fixed point."""
        self._unit, inverse = units(V)
        self._sums.hold(V, inverse)

    def project(self, X: F32, Z: F32) -> None:
        """Multiply."""
        self._sums.write(self._bytes_of(X), self._unit, Z)

    def gram(self, X: F32, G: F32) -> None:
        """Multiply."""
        self._sums.gram(self._bytes_of(X), G)

    def correct(self, gram: F32, deltas: F32, correction: F32) -> None:
        """Add up in the order of the rows: a BLAS would take one that depends on the columns."""
        from model.products.fixed_loops import sum_in_order  # late: see `model.compiled`

        sum_in_order(gram, deltas, correction)

    def update(self, X: F32, V: F32, deltas: F32) -> None:
        """Write the deltas in fixed point, and multiply them."""
        self.hold(deltas)
        self._sums.subtract(self._bytes_of(X), self._unit, V)

    def _bytes_of(self, X: F32) -> U8:
        seen = self._bytes[: len(X)]
        np.copyto(seen, X, casting="unsafe")
        return seen


def units(F: F32) -> tuple[F64, F32]:
    """Return the unit of each column's fixed point, and its inverse.

    Of a column with a number that is not finite the unit is nan, and so is all that is made of it.

    Examples
    --------
    >>> unit, inverse = units(np.array([[0.75, 3.0], [-0.5, 1.0]], np.float32))
    >>> np.log2(unit), np.log2(inverse)
    (array([-23., -21.]), array([23., 21.], dtype=float32))
    """
    from model.products.fixed_loops import largest  # late: see `model.compiled`

    top = np.zeros(F.shape[1], np.int32)
    largest(F.view(np.int32), top)
    fraction, exponent = np.frexp(top.view(np.float32))
    exponent = np.maximum(exponent + (fraction > _FULLEST), _LEAST)
    finite = np.isfinite(fraction)
    exponent = np.where(finite, exponent, 0)
    unit = np.ldexp(1.0, exponent - _BITS)
    inverse = np.ldexp(np.float32(1.0), _BITS - exponent).astype(np.float32)
    return np.where(finite, unit, np.nan), np.where(finite, inverse, np.float32(0.0))


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
