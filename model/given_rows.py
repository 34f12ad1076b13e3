"""Rows that a saved model is given: of the right shape, and with a number for each feature."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import DataError


def shaped(X: NDArray[Any], n_features: int) -> NDArray[Any]:
    """Return rows of shape (n, D).

    Parameters
    ----------
    X : ndarray of shape (n, D), or (n, height, width) and the like
    n_features : int
        The number D of features that the model takes.

    Raises
    ------
    DataError
        If they have another number of features, or are not numbers.
    """
    if X.ndim < 2 or math.prod(X.shape[1:]) != n_features or X.dtype.kind not in "buif":
        raise DataError(
            f"The rows are {X.dtype} of the shape {X.shape}; the model takes numbers of the "
            f"shape (n, {n_features})."
        )
    return X.reshape(len(X), n_features)


def complete(X: NDArray[Any], fill: NDArray[np.float64] | None, first: int = 0) -> NDArray[Any]:
    """Return rows without missing values.

    Parameters
    ----------
    X : ndarray of shape (n, D)
    fill : ndarray of shape (D,), float64, or None
        The value that replaces a missing value of each feature; None where none may be missing.
    first : int
        The number of the first row, for the message.

    Raises
    ------
    DataError
        If a value is not a finite number.
    """
    missing = np.isnan(X) if X.dtype.kind == "f" else np.zeros(0, bool)
    if missing.any() and fill is not None:
        X = np.where(missing, fill, X)
    if X.dtype.kind == "f" and not np.isfinite(X).all():
        row, column = np.argwhere(~np.isfinite(X))[0]
        raise DataError(
            f"Row {first + row + 1} (counted from 1) holds {X[row, column]} at feature {column}; "
            "the model takes finite numbers. Fix or remove such rows."
        )
    return X
