"""The rows that a trainer gets, and the random numbers of its epochs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.shuffle import epoch_order, epoch_rng


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows that train, or rows that score; nobody may write to them.

    Attributes
    ----------
    X : ndarray of shape (n, D), float32
        The features.
    y : ndarray of shape (n,), int64
        The class of each row, from 0 to ``n_classes - 1``. A class may be missing.
    n_classes : int
        Number of classes c.
    weights : ndarray of shape (n,), float64, or None
        Weight of each row; None where all count the same.
    seed : int
        The seed of the training.
    threads : int
        Cores that a training has; libraries should use no more.
    metrics : tuple of str
        What `classification_figures` should return beside cost and accuracy, as `model.metrics`
        knows it.

    Examples
    --------
    The order of an epoch depends on the seed and on the epoch alone:

    >>> data = Rows(np.zeros((4, 1), np.float32), np.zeros(4, np.int64), n_classes=2, seed=7)
    >>> data.order(3).tolist() == data.order(3).tolist()
    True
    >>> data.X[0] = 1
    Traceback (most recent call last):
    ValueError: assignment destination is read-only
    """

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    n_classes: int
    weights: NDArray[np.float64] | None = None
    seed: int = 0
    threads: int = 1
    metrics: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("X", "y", "weights"):
            values = getattr(self, name)
            if values is not None:
                values = values.view()  # whose owner may still write
                values.flags.writeable = False
                object.__setattr__(self, name, values)

    def rng(self, epoch: int | None = None) -> np.random.Generator:
        """Return the random numbers of an epoch, from their beginning.

        Parameters
        ----------
        epoch : int or None
            An epoch, counted from 0; None for what comes before the first one.
        """
        return epoch_rng(self.seed, epoch)

    def order(self, epoch: int) -> NDArray[np.intp]:
        """Return the order in which an epoch, counted from 0, visits the rows; shape (n,)."""
        return epoch_order(len(self.y), self.seed, epoch)
