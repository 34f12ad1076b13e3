"""Exact sums of products with 24-bit numbers, made of three products of bytes."""

import numpy as np
from numpy.typing import NDArray

from model.products.library import OneDnn

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

# Features whose sums are made before they are taken from the weights: those of 64 columns and nine
# classes, 1.3 MB, are still in the cache then. docs/performance.md has the measurement.
_TILE_FEATURES = 196


class LimbSums:
    """Sums in int32, of each of three bytes by itself: bytes multiply faster than float32.

    Parameters
    ----------
    library : OneDnn
    rows, n_features, width : int
        Rows of a block, features and columns.
    """

    def __init__(self, library: OneDnn, rows: int, n_features: int, width: int) -> None:
        from model.products import fixed_loops  # late: see `model.compiled`

        self._loops = fixed_loops
        self._library = library
        self._limbs = np.empty((max(rows, n_features), 3 * width), np.int8)
        self._sums = np.empty((max(rows, _TILE_FEATURES), 3 * width), np.int32)
        self._held = 0

    def hold(self, F: F32) -> None:
        """Write three bytes for each number."""
        self._held = len(F)
        self._unit, inverse = units(F)
        self._loops.split(F, inverse, self._limbs[: self._held])

    def write(self, X: U8, Z: F32) -> None:
        """Multiply each byte, and round their sum once."""
        sums = self._sums[: len(X)]
        self._library.multiply_bytes(X, self._limbs[: self._held], sums)
        self._loops.join(sums, self._unit, Z)

    def subtract(self, X: U8, V: F32, *, then_hold: bool) -> None:
        """Multiply for some features at a time, and round each difference once."""
        limbs = self._limbs[: self._held]
        for start in range(0, len(V), _TILE_FEATURES):
            some = slice(start, start + _TILE_FEATURES)
            sums = self._sums[: len(V[some])]
            self._library.multiply_bytes(X[:, some], limbs, sums, transposed=True)
            self._loops.join_and_subtract(sums, self._unit, V[some])
        if then_hold:
            self.hold(V)

    def gram(self, X: U8, G: F32) -> None:
        """X X^T = X (X - 128)^T + 128 X 1: bytes with a sign go to 127 alone."""
        signed = np.empty(X.shape[::-1], np.int8)
        signed[...] = (X ^ 128).view(np.int8).T
        sums = np.empty((len(X), len(X)), np.int32)
        self._library.multiply_bytes(X, signed, sums)
        G[...] = sums.astype(np.int64) + 128 * X.sum(axis=1, dtype=np.int64)[:, None]


def units(F: F32) -> tuple[F64, F32]:
    """Return the unit of each column's fixed point, and its inverse.

    If a column has a number that is not finite, its unit is nan, and so is every result from it.

    Examples
    --------
    >>> unit, inverse = units(np.array([[0.75, 3.0], [-0.5, 1.0]], np.float32))
    >>> np.log2(unit), np.log2(inverse)
    (array([-23., -21.]), array([23., 21.], dtype=float32))
    """
    from model.products import fixed_loops  # late: see `model.compiled`

    width = F.shape[1]
    unit, inverse = np.empty(width), np.empty(width, np.float32)
    fixed_loops.units(F.view(np.int32), np.zeros(width, np.int32), unit, inverse)
    return unit, inverse
