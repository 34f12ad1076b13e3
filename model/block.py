"""Look-ahead blocks: several mini-batches whose large products are done as one.

Mini-batch j of a block needs X_j V after the updates of mini-batches i < j. With
V_0 the weights at the start of the block and delta'_i the scaled deltas,

    X_j V_j = X_j V_0 - sum_{i<j} (X_j X_i^T) delta'_i,

so one product X V_0 and one Gram matrix X X^T serve the block, and after it
V <- V - X^T delta'. It is the same update; only the large products run at the
size of the block instead of the mini-batch.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.products import NUMPY, Products, Rows
from model.seen_rows import SeenRows

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# Rows of a block: docs/performance.md has the measurement. Look-ahead pays where the products are
# wide; for a few columns the Gram matrix costs more than it saves.
BLOCK_ROWS = 64
NARROW_BLOCK_ROWS = 32
NARROW = 16
# With many classes the weights do not fit the cache, and each product reads all of them: fewer and
# larger ones pay, however few columns there are.
MANY_BLOCK_ROWS = 128
MANY = 1024
# Rows of one product: there too.
TILE_ROWS = 128
# Rows of both where all must be alike: fixed point writes the weights again for each block, however
# short it is. As many as lie between two readings of an average, which no block goes beyond.
ALIKE_ROWS = 256

# A scale beyond this, or below its inverse, is folded into V. Squared they still fit float32.
_LARGEST_SCALE = 1e12


def block_rows(n_classes: int, width: int, *, alike: bool = False) -> int:
    """Return how many rows a block has at most, of K stored classes and M columns.

    With `alike` the number of columns has no part in it.
    """
    if alike:
        return ALIKE_ROWS
    if n_classes * width >= MANY:
        return MANY_BLOCK_ROWS
    return BLOCK_ROWS if width >= NARROW else NARROW_BLOCK_ROWS


def block_batches(batch_size: int, decay: F64, n_classes: int = 1, *, alike: bool = False) -> int:
    """Return how many mini-batches make a block.

    As many as fit its rows, and few enough that no column's scale leaves 1e-12
    to 1e12 within a block of R mini-batches, in which it moves by decay^R. A
    decay near zero (eta alpha near 1) allows no look-ahead.

    Parameters
    ----------
    batch_size : int
        Rows in a mini-batch.
    decay : ndarray of shape (M,), float64
        1 - eta alpha of each column.
    n_classes : int
        K, the classes that are stored.
    alike : bool
        Whether the number of columns must have no part in it.
    """
    fitting = block_rows(n_classes, len(decay), alike=alike) // batch_size
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
    n_batches : int
        Mini-batches in a block.
    n_features : int
        D.
    shape : tuple of int
        (K, M): stored classes and columns.
    products : Products
        How it multiplies.
    dtype : dtype
        The type of the rows: float32, or the products' `row_type`.
    """

    def __init__(
        self,
        batch_size: int,
        n_batches: int,
        n_features: int,
        shape: tuple[int, int],
        products: Products = NUMPY,
        dtype: Any = np.float32,
    ) -> None:
        from model import kernels  # late: see `model.compiled`

        self.batch_size = batch_size
        self.rows = batch_size * n_batches
        width = shape[0] * shape[1]
        self._alike = products.alike
        self._tile = ALIKE_ROWS if self._alike else TILE_ROWS
        self._products = products.of_block(min(self.rows, self._tile), n_features, width)
        self._loop = kernels.descend_alike if self._alike else kernels.descend
        self._before_last = kernels.descend_before_last
        self._X = np.empty((self.rows, n_features), dtype)
        self._Z = np.empty((self.rows, width), np.float32)
        self._correction = np.zeros((batch_size, width), np.float32)
        # A block of one mini-batch does not look ahead, and needs no Gram matrix.
        gram_columns = self.rows if n_batches > 1 else 0
        self._gram = np.empty((self.rows, gram_columns), np.float32)

    def hold(self, V: F32) -> None:
        """Begin with weights of shape (D, K*M), which `descend` alone changes from then on."""
        self._products.hold(V)

    def gather(self, X: Rows | SeenRows, rows: NDArray[np.intp]) -> Rows:
        """Return some rows of X, at most a block's, in memory that the next call writes over."""
        gathered = self._X[: len(rows)]
        if isinstance(X, SeenRows):
            X.gather(rows, gathered)
        else:
            np.take(X, rows, axis=0, out=gathered, mode="clip")
        return gathered

    def descend(
        self,
        X: Rows,
        y: I64,
        V: F32,
        scale: F64,
        b: F32,
        learning_rate: F64,
        decay: F64,
        weights: F32 | None = None,
    ) -> F64:
        """Take all steps of a block: V, which is held, and b change; the new scale is returned.

        Parameters
        ----------
        X : ndarray of shape (n, D)
            Images of the block; the last block of an epoch may be short.
        y : ndarray of shape (n,)
            Their labels.
        V : ndarray of shape (D, K*M)
        scale : ndarray of shape (M,)
        b : ndarray of shape (K, M)
        learning_rate, decay : ndarray of shape (M,)
        weights : ndarray of shape (n,), optional
            Weights of the rows.
        """
        Z = self._Z[: len(X)]
        batches = _slices(len(X), self.batch_size)
        # Mini-batch j begins with scales[j] and leaves scales[j + 1].
        scales = np.multiply.accumulate([scale, *[decay] * len(batches)])
        for tile in _slices(len(X), self._tile):
            self._products.project(X[tile], Z[tile])
        gram = self._gram_before(X, batches[-1].start)
        ahead = len(batches) - 1 if self._alike and weights is None else 0
        if ahead:
            step = (learning_rate / self.batch_size).astype(np.float32)
            self._before_last(Z, gram, y, scales.astype(np.float32), step, b, self._correction)
        for j, batch in enumerate(batches[ahead:], ahead):
            # Z holds products X V, and mini-batch by mini-batch becomes deltas.
            z, deltas_so_far = Z[batch], Z[: batch.start]
            correction = self._correction[: len(z)]
            self._products.correct(gram[batch, : batch.start], deltas_so_far, correction)
            if j + 1 == len(batches):
                # Before the last step, which divides by the scale after it.
                scales[-1] = _fold(scales[-1], V, deltas_so_far)
            step = (learning_rate / len(z)).astype(np.float32)
            now, then = scales[j : j + 2].astype(np.float32)
            if weights is None:
                self._loop(z, correction, y[batch], now, then, step, b)
            else:
                self._descend_weighted(z, correction, y[batch], now, then, step, b, weights[batch])
        for tile in _slices(len(X), self._tile):
            last_one = tile.stop == len(X)
            self._products.update(X[tile], V, deltas=Z[tile], then_hold=last_one)
        last: F64 = scales[-1]
        return last

    def _gram_before(self, X: Rows, start: int) -> F32:
        """X X^T, or a matrix without columns if no mini-batch comes before `start` = 0."""
        n = len(X)
        if not start:
            return self._gram[:n, :0]
        gram = self._gram[:n, :n]
        self._products.gram(X, gram)
        return gram

    def _descend_weighted(
        self, z: F32, correction: F32, y: I64, now: F32, then: F32, step: F32, b: F32, weights: F32
    ) -> None:
        """Do as `descend` does, with the delta of each row times its weight."""
        self._loop(z, correction, y, now, then, step, b.copy())  # its step of b has no weights
        z *= weights[:, None]
        b -= then * self._sum_of_rows(z).reshape(b.shape)

    def _sum_of_rows(self, z: F32) -> F32:
        """Sum up each column."""
        if not self._alike:
            total: F32 = z.sum(axis=0)
            return total
        ones, sums = np.ones((1, len(z)), np.float32), np.empty((1, z.shape[1]), np.float32)
        self._products.correct(ones, z, sums)  # numpy has other orders for one column and for more
        return sums.ravel()


def _slices(n: int, rows: int) -> list[slice]:
    return [slice(i, min(i + rows, n)) for i in range(0, n, rows)]


def _fold(scale: F64, V: F32, deltas: F32) -> F64:
    """Multiply V and the deltas in place by scales outside 1e-12 to 1e12; return 1 for these."""
    bearable = (np.abs(scale) > 1 / _LARGEST_SCALE) & (np.abs(scale) < _LARGEST_SCALE)
    if bearable.all():
        return scale
    factor = np.where(bearable, 1.0, scale).astype(np.float32)
    for array in (V, deltas):
        np.multiply(array, np.tile(factor, array.shape[1] // len(factor)), out=array)
    return np.where(bearable, scale, 1.0)
