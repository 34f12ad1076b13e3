"""The protocol of the packed trainer's products, and its plainest form: numpy's BLAS."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

Rows = NDArray[np.float32 | np.uint8]
"""Rows in float32, or in the `Products.row_type` of some products."""


class BlockProducts(Protocol):
    """The products of blocks of one shape, with working memory that is made once.

    `model.block.Block` calls `hold` once, and for each block of rows `project` for some at a time,
    `gram`, then `correct` for each mini-batch but the first one, then `update` for some rows at a
    time, the last time with `then_hold`. Scoring calls `hold` once and then `project`.
    """

    def hold(self, V: F32) -> None:
        """Take the factor of all calls of `project` up to the next `hold` or `update`.

        Parameters
        ----------
        V : ndarray of shape (D, W)
            It may be changed between the last `project` and `update`, which reads it as it is then.
        """

    def project(self, X: Rows, Z: F32) -> None:
        """Z = X V, with the V that is held.

        Parameters
        ----------
        X : ndarray of shape (n, D)
            At most as many rows as the block has, in float32 or in `Products.row_type`.
        Z : ndarray of shape (n, W)
            Written over.
        """

    def gram(self, X: Rows, G: F32) -> None:
        """G = X X^T, of shape (n, n)."""

    def correct(self, gram: F32, deltas: F32, correction: F32) -> None:
        """Write gram deltas over `correction`.

        Parameters
        ----------
        gram : ndarray of shape (n, m)
            Inner products of the rows of a mini-batch and those before it.
        deltas : ndarray of shape (m, W)
        correction : ndarray of shape (n, W)
        """

    def update(self, X: Rows, V: F32, deltas: F32, *, then_hold: bool) -> None:
        """V <- V - X^T deltas, in place.

        Parameters
        ----------
        X : ndarray of shape (n, D)
        V : ndarray of shape (D, W)
        deltas : ndarray of shape (n, W)
        then_hold : bool
            Whether V is held afterwards, as by `hold`; else nothing is.
        """


class Products(Protocol):
    """A way of multiplying: makes the products of blocks.

    Attributes
    ----------
    name : str
        What the user calls it; part of what decides a result's last bits.
    alike : bool
        Whether each column of a product has the same bits on every machine, whatever other columns
        are beside it. The trainer then does everything else in such a way too.
    row_type : type
        The type of rows that they read fastest: float32 or uint8.
    """

    name: str
    alike: bool
    row_type: type[np.float32 | np.uint8]

    def of_block(self, rows: int, n_features: int, width: int) -> BlockProducts:
        """Return the products of blocks of at most `rows` rows, D features and W columns."""


class NumpyProducts:
    """Products in float32 by the BLAS that numpy and scipy bring."""

    name = "numpy"
    alike = False
    row_type: type[np.float32 | np.uint8] = np.float32

    def of_block(self, rows: int, n_features: int, width: int) -> BlockProducts:
        """Return products that need no memory."""
        del rows, n_features, width
        return NumpyBlock()


class NumpyBlock:
    """Products of blocks in float32, by numpy and scipy."""

    def hold(self, V: F32) -> None:
        """Keep it as it is."""
        self._V = V

    def project(self, X: Rows, Z: F32) -> None:
        """Multiply."""
        np.matmul(X, self._V, out=Z)

    def gram(self, X: Rows, G: F32) -> None:
        """Multiply."""
        np.matmul(X, X.T, out=G)

    def correct(self, gram: F32, deltas: F32, correction: F32) -> None:
        """Multiply."""
        np.matmul(gram, deltas, out=correction)

    def update(self, X: Rows, V: F32, deltas: F32, *, then_hold: bool) -> None:
        """Add up inside the BLAS call; the transposed views copy nothing."""
        del then_hold  # it is held as it is
        # Late, as scipy takes a quarter of a second to import, and a look at a run trains nothing.
        from scipy.linalg.blas import sgemm

        sgemm(-1.0, deltas.T, X.T, 1.0, V.T, trans_b=True, overwrite_c=True)


NUMPY = NumpyProducts()
