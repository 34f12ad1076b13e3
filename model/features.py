"""The features of an image that the trainer sees: its pixels as they are, scaled, or standardized.

A transform x' = (x - shift) * scale of each feature is linear, and so is the model. One that was
trained on x' is therefore one of the raw pixels too: W'^T x' + b' = W^T x + b, with
w_dk = scale_d w'_dk and b_k = b'_k - sum_d shift_d scale_d w'_dk.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.pack import PackState

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Rows = NDArray[np.intp]

RAW, UNIT, STANDARDIZED = "raw", "unit", "standardized"

# Rows that are in float64 at a time: six megabytes of Fashion-MNIST.
_CHUNK = 1024
_LARGEST_PIXEL = 255.0


@dataclass(frozen=True, eq=False)
class Features:
    """The transform x' = (x - shift) * scale.

    Attributes
    ----------
    shift, scale : ndarray of shape (D,), float64
        Or of shape (1,), where all features have the same.
    """

    shift: F64
    scale: F64

    def apply(self, X: NDArray[Any], rows: Rows | None = None) -> F32:
        """Return what the trainer sees.

        Parameters
        ----------
        X : ndarray of shape (n, D)
            Images in the source's own scale; left as they are.
        rows : ndarray of shape (m,), intp, optional
            Those to return, in this order; left out, all of them.

        Returns
        -------
        ndarray of shape (m, D), float32
            The only array of this size that is made.
        """
        rows = np.arange(len(X)) if rows is None else rows
        seen = np.empty((len(rows), X.shape[1]), np.float32)
        for start, chunk in _chunks(X, rows):
            seen[start : start + len(chunk)] = (chunk - self.shift) * self.scale
        return seen

    def fold(self, state: PackState) -> PackState:
        """Return the state whose columns give on raw pixels what `state`'s give on x'.

        Parameters
        ----------
        state : PackState
            Trained on what `apply` returns. What comes back can be scored, but not trained on.
        """
        with np.errstate(all="ignore"):  # of a column that has diverged
            V = state.V * self.scale[:, None]
            drift = (self.shift[:, None] * V).sum(axis=0).reshape(state.b.shape)
            b = state.b - state.scale * drift
            return replace(state, V=V.astype(np.float32), b=b.astype(np.float32))

    def fold_weights(self, W: F64, b: F64) -> tuple[F64, F64]:
        """Return weights (D, c) and bias (c,) that give on raw pixels what W and b give on x'."""
        folded = W * self.scale[:, None]
        return folded, b - (self.shift[:, None] * folded).sum(axis=0)


AS_THEY_ARE = Features(np.zeros(1), np.ones(1))
"""The transform that changes no bit."""


def fit_features(kind: str, X: NDArray[Any], rows: Rows) -> Features:
    """Return a transform with the statistics of some images.

    Parameters
    ----------
    kind : str
        ``raw``; ``unit``: pixels of one byte over 255, others over the largest absolute
        value; ``standardized``: each feature less its mean, over its standard deviation, and 0
        where it is the same in all of these images.
    X : ndarray of shape (n, D), uint8 or float32
    rows : ndarray of shape (m,), intp
        The images that count: those of the training part.
    """
    return _FITS[kind](X, rows)


def _raw(X: NDArray[Any], rows: Rows) -> Features:
    del X, rows
    return AS_THEY_ARE


def _unit(X: NDArray[Any], rows: Rows) -> Features:
    if X.dtype == np.uint8:
        return Features(np.zeros(1), np.full(1, 1 / _LARGEST_PIXEL))
    largest = max(float(np.abs(chunk).max()) for _, chunk in _chunks(X, rows))
    return Features(np.zeros(1), _inverse(np.full(1, largest)))


def _standardized(X: NDArray[Any], rows: Rows) -> Features:
    n, first = len(rows), X[rows[0]]
    varies = np.zeros(X.shape[1], bool)
    total, squares = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for _, chunk in _chunks(X, rows):
        varies |= (chunk != first).any(axis=0)
        total += chunk.sum(axis=0)
    mean = total / n
    # In a second pass, because the mean of the squares less the square of the mean cancels.
    for _, chunk in _chunks(X, rows):
        squares += ((chunk - mean) ** 2).sum(axis=0)
    # The mean of a constant is rounded, so its deviation need not be exactly 0.
    return Features(mean, _inverse(np.where(varies, np.sqrt(squares / n), 0.0)))


def _inverse(lengths: F64) -> F64:
    """Return 1 / length, and 0 where there is no length."""
    return np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)


def _chunks(X: NDArray[Any], rows: Rows) -> Iterator[tuple[int, F64]]:
    """Give some rows of X, a few at a time, each with the place of its first."""
    for start in range(0, len(rows), _CHUNK):
        yield start, X[rows[start : start + _CHUNK]].astype(np.float64)


_FITS: dict[str, Callable[[NDArray[Any], Rows], Features]] = {
    RAW: _raw,
    UNIT: _unit,
    STANDARDIZED: _standardized,
}
