"""Products in float32 by oneDNN."""

import numpy as np
from numpy.typing import NDArray

from model.products.library import OneDnn, onednn
from model.products.products import BlockProducts, NumpyBlock, Rows

F32 = NDArray[np.float32]


class OneDnnProducts:
    """Products in float32 by oneDNN, which is faster than numpy's BLAS on some processors.

    Raises
    ------
    MissingProductsError
        If oneDNN is not there.
    """

    name = "onednn"
    alike = False
    row_type: type[np.float32 | np.uint8] = np.float32

    def __init__(self) -> None:
        self._library = onednn()

    def of_block(self, rows: int, n_features: int, width: int) -> BlockProducts:
        """Return products that need no memory of ours."""
        del rows, n_features, width
        self._library.in_one_thread()
        return _OneDnnBlock(self._library)


class _OneDnnBlock(NumpyBlock):
    """The two large products; for small ones a call of the library costs more than it saves."""

    def __init__(self, library: OneDnn) -> None:
        self._library = library

    def project(self, X: Rows, Z: F32) -> None:
        """Multiply."""
        self._library.multiply(X, self._V, Z)

    def update(self, X: Rows, V: F32, deltas: F32, *, then_hold: bool) -> None:
        """Add up inside the library's call."""
        del then_hold  # it is held as it is
        self._library.subtract(X, deltas, V)
