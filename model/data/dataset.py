"""The value that a data source returns: labelled images, checked and fingerprinted."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import DataError


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training images with labels, and test images where the source has them.

    Attributes
    ----------
    name : str
        How the data set calls itself in the manifest, the log and the report.
    X : ndarray of shape (n, D), uint8 or float32
        Training images, one flattened image a row, in the source's own scale.
    y : ndarray of shape (n,), int64
        Labels 0 .. c-1.
    X_test, y_test : ndarray or None
        The same for the test images; both are None where the source has none.

    Raises
    ------
    DataError
        If shapes disagree, a label is out of range or a pixel is not finite.
    """

    name: str
    X: NDArray[np.generic]
    y: NDArray[np.int64]
    X_test: NDArray[np.generic] | None = None
    y_test: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        check_images(f"{self.name}: training", self.X, self.y)
        if self.n_classes < 2:
            raise DataError(
                f"{self.name}: every training label is 0; a classifier needs at least two classes."
            )
        if (self.X_test is None) != (self.y_test is None):
            raise DataError(
                f"{self.name}: test images and test labels come together or not at all; "
                "give both X_test and y_test, or neither."
            )
        if self.X_test is not None and self.y_test is not None:
            self._check_test(self.X_test, self.y_test)

    def _check_test(self, X: NDArray[np.generic], y: NDArray[np.int64]) -> None:
        check_images(f"{self.name}: test", X, y)
        if X.shape[1] != self.X.shape[1]:
            raise DataError(
                f"{self.name}: test images have {X.shape[1]} pixels, training images "
                f"{self.X.shape[1]}; both must be of one size."
            )
        if int(y.max()) >= self.n_classes:
            raise DataError(
                f"{self.name}: test label {int(y.max())} does not occur in the training labels "
                f"0 to {self.n_classes - 1}; a class that is tested must be trained."
            )

    @property
    def n_classes(self) -> int:
        """Number of classes c, the largest training label plus one."""
        return int(self.y.max()) + 1

    @cached_property
    def fingerprint(self) -> str:
        """The first 16 hex digits of the sha256 over all arrays, shapes and types."""
        digest = hashlib.sha256()
        for array in (self.X, self.y, self.X_test, self.y_test):
            if array is not None:
                digest.update(f"{array.shape}{array.dtype.str}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]


def check_images(what: str, X: NDArray[Any], y: NDArray[Any]) -> None:
    """Raise `DataError` unless X of shape (n, D) is finite and y of shape (n,) holds labels."""
    if X.ndim != 2 or y.shape != (X.shape[0],) or not len(y):
        raise DataError(
            f"{what} images have the shape {X.shape} and labels {y.shape}; expected (n, pixels) "
            "and (n,) with one n of at least 1."
        )
    if np.issubdtype(X.dtype, np.floating) and not np.isfinite(X).all():
        row, column = np.argwhere(~np.isfinite(X))[0]
        raise DataError(
            f"{what} image {row} holds {X[row, column]} at pixel {column}; every pixel must be a "
            "finite number, so mend or remove such images first."
        )
    if not 0 <= int(y.min()) <= int(y.max()) < 1000:
        raise DataError(
            f"{what} labels run from {y.min()} to {y.max()}; expected whole numbers from 0 to "
            "the number of classes less one, below 1000."
        )
