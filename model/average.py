"""The mean of a pack's weights over an epoch.

With W = s V for each column, the sum of the weights takes one pass over V for each reading. The
weights change little from one mini-batch to the next, so a few hundred readings of an epoch give
the mean of all, at a small part of the time.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# Rows between two readings: docs/statistics.md has what fewer and more cost and give. The number
# of columns has no part in it, as the mean must not depend on the pack.
READING_ROWS = 256


def readings(order: NDArray[np.intp], batch_size: int) -> Iterator[NDArray[np.intp]]:
    """Cut the rows of an epoch into stretches of whole mini-batches, each ending with a reading."""
    rows = batch_size * max(1, READING_ROWS // batch_size)
    for start in range(0, len(order), rows):
        yield order[start : start + rows]


class Average:
    """Adds up weights and biases as an epoch goes on.

    Parameters
    ----------
    weights, biases : tuple of int
        Shapes of V, (D, K*M), and of b, (K, M).
    alike : bool
        Whether a column's mean must have the same bits on every machine.
    """

    def __init__(
        self, weights: tuple[int, ...], biases: tuple[int, ...], *, alike: bool = False
    ) -> None:
        from model.kernels import add_scaled, add_scaled_alike  # late: see `model.compiled`

        self._add = add_scaled_alike if alike else add_scaled
        self._W = np.zeros(weights, np.float32)
        self._b = np.zeros(biases, np.float64)
        self._n = 0

    def add(self, V: F32, scale: F64, b: F32) -> None:
        """Take a reading of W = scale * V and b."""
        self._add(self._W, V, np.tile(scale.astype(np.float32), len(b)))
        self._b += b
        self._n += 1

    def mean(self) -> tuple[F32, F32]:
        """Return the means; the sums are used up."""
        with np.errstate(all="ignore"):  # of a column that has diverged
            self._W *= np.float32(1 / self._n)
            return self._W, (self._b / self._n).astype(np.float32)
