"""Look-ahead blocks: several mini-batches whose large products are done as one.

Mini-batch j of a block needs X_j V after the updates of mini-batches i < j. With
V_0 the weights at the start of the block and delta'_i the scaled deltas,

    X_j V_j = X_j V_0 - sum_{i<j} (X_j X_i^T) delta'_i,

so one product X V_0 and one Gram matrix X X^T serve the block, and after it
V <- V - X^T delta'. It is the same update; only the large products run at the
size of the block instead of the mini-batch.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import sgemm

from model.kernels import descend

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# Rows of a block and of one product: docs/performance.md has the measurement. Look-ahead
# pays where the products are wide; for a few columns the Gram matrix costs more than it saves.
BLOCK_ROWS = 64
NARROW_BLOCK_ROWS = 32
NARROW = 16
TILE_ROWS = 128

# A scale beyond these is folded into V. Squared they still fit float32.
_LARGEST_SCALE = 1e12


def block_batches(batch_size: int, decay: F64) -> int:
    """Mini-batches in a block: as many as its rows hold and every column's scale can stand.

    Within a block a scale moves by decay^R, which must stay within 1e-12 and
    1e12; a decay near zero (eta alpha near 1) allows no look-ahead.

    Parameters
    ----------
    batch_size : int
    decay : ndarray of shape (M,), float64
        1 - eta alpha of each column.
    """
    rows = BLOCK_ROWS if len(decay) >= NARROW else NARROW_BLOCK_ROWS
    fitting = rows // batch_size
    with np.errstate(divide="ignore"):
        steepest = float(np.abs(np.log(np.abs(decay))).max())
    bearable = math.log(_LARGEST_SCALE) / steepest if steepest else math.inf
    return int(max(1, min(fitting, bearable)))


class Block:
    """Working memory for blocks of one shape, made once and written over.

    Parameters
    ----------
    batch_size : int
        Rows of a mini-batch.
    batches : int
        Mini-batches in a block.
    n_features : int
        D.
    shape : tuple of int
        (K, M): stored classes and columns.
    """

    def __init__(
        self, batch_size: int, batches: int, n_features: int, shape: tuple[int, int]
    ) -> None:
        self.batch_size = batch_size
        self.rows = batch_size * batches
        width = shape[0] * shape[1]
        self._X = np.empty((self.rows, n_features), np.float32)
        self._Z = np.empty((self.rows, width), np.float32)
        self._correction = np.zeros((batch_size, width), np.float32)
        looks_ahead = self.rows if batches > 1 else 0
        self._gram = np.empty((self.rows, looks_ahead), np.float32)

    def load(self, X: F32, y: I64, rows: NDArray[np.intp]) -> None:
        """Gather the block's images and labels; the last block of an epoch may be short."""
        self._n = len(rows)
        np.take(X, rows, axis=0, out=self._X[: self._n], mode="clip")
        self._y = y[rows]

    def descend(self, V: F32, scale: F64, b: F32, learning_rate: F64, decay: F64) -> F64:
        """Take all steps of the block: V and b change in place, the new scale is returned.

        Parameters
        ----------
        V : ndarray of shape (D, K*M)
        scale : ndarray of shape (M,)
        b : ndarray of shape (K, M)
        learning_rate, decay : ndarray of shape (M,)
        """
        X, Z = self._X[: self._n], self._Z[: self._n]
        batches = _slices(self._n, self.batch_size)
        scales = np.multiply.accumulate([scale, *[decay] * len(batches)])
        self._project(X, V, Z)
        gram = self._gram_before(X, batches[-1].start)
        for j, batch in enumerate(batches):
            z, done = Z[batch], Z[: batch.start]
            correction = np.matmul(gram[batch, : batch.start], done, out=self._correction[: len(z)])
            if j + 1 == len(batches):
                _fold(scales[-1], V, done)
            step = (learning_rate / len(z)).astype(np.float32)
            now, then = scales[j : j + 2].astype(np.float32)
            descend(z, correction, self._y[batch], now, then, step, b)
        self._update(X, V, Z)
        last: F64 = scales[-1]
        return last

    def _project(self, X: F32, V: F32, Z: F32) -> None:
        """Z = X V."""
        for tile in _slices(len(X), TILE_ROWS):
            np.matmul(X[tile], V, out=Z[tile])

    def _gram_before(self, X: F32, start: int) -> F32:
        """X X^T, or a matrix without columns where no mini-batch comes before `start` = 0."""
        n = len(X)
        return np.matmul(X, X.T, out=self._gram[:n, :n]) if start else self._gram[:n, :0]

    def _update(self, X: F32, V: F32, deltas: F32) -> None:
        """V <- V - X^T delta', added up inside the BLAS call; the transposed views copy nothing."""
        for tile in _slices(len(X), TILE_ROWS):
            sgemm(-1.0, deltas[tile].T, X[tile].T, 1.0, V.T, trans_b=True, overwrite_c=True)


def _slices(n: int, rows: int) -> list[slice]:
    return [slice(i, min(i + rows, n)) for i in range(0, n, rows)]


def _fold(scale: F64, V: F32, deltas: F32) -> None:
    """Move scales that leave the range of float32, zero among them, into V and the deltas."""
    bearable = (np.abs(scale) > 1 / _LARGEST_SCALE) & (np.abs(scale) < _LARGEST_SCALE)
    if bearable.all():
        return
    factor = np.where(bearable, 1.0, scale).astype(np.float32)
    for array in (V, deltas):
        np.multiply(array, np.tile(factor, array.shape[1] // len(factor)), out=array)
    scale[~bearable] = 1.0
