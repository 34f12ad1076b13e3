"""Softmax regression as in a textbook: one configuration, plain, readable, checkable."""

from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, Protocol, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import DTypeLike, NDArray

from model.errors import DataError
from model.shuffle import epoch_order

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


class Openable(Protocol):
    """The path of a file, wherever that is."""

    def open(self, mode: Literal["rb"]) -> IO[bytes]:
        """Open the file to be read."""


def log_softmax(Z: Floats) -> Floats:
    """Logarithm of the class probabilities, log p_ik = z_ik - log sum_j exp z_ij.

    Parameters
    ----------
    Z : ndarray of shape (n, c)
        Logits.

    Returns
    -------
    ndarray of shape (n, c)
    """
    shifted = Z - Z.max(axis=1, keepdims=True)
    log_p: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return log_p


def cost(W: Floats, b: Floats, X: Floats, y: Ints) -> float:
    """Cross-entropy J(W, b) = -(1/n) sum_i log p_(i, y_i), without the penalty.

    Parameters
    ----------
    W : ndarray of shape (D, c)
    b : ndarray of shape (c,)
    X : ndarray of shape (n, D)
    y : ndarray of shape (n,)
        Labels 0 .. c-1.

    Returns
    -------
    float
        The mean negative log-likelihood of the labels.
    """
    log_p = log_softmax(X @ W + b)
    return float(-log_p[np.arange(len(y)), y].mean(dtype=np.float64))


def gradient(W: Floats, b: Floats, X: Floats, y: Ints, alpha: float) -> tuple[Floats, Floats]:
    """Gradient of J(W, b) + (alpha/2) sum W^2.

    With p the probabilities and y one-hot:
    dJ/dw_k = -(1/n) sum_i x_i (y_ik - p_ik) + alpha w_k and
    dJ/db_k = -(1/n) sum_i (y_ik - p_ik).

    Parameters
    ----------
    W, b, X, y
        As in `cost`.
    alpha : float
        L2 strength, on the weights only.

    Returns
    -------
    dW : ndarray of shape (D, c)
    db : ndarray of shape (c,)
    """
    delta = np.exp(log_softmax(X @ W + b))
    delta[np.arange(len(y)), y] -= 1
    delta /= len(y)
    return X.T @ delta + alpha * W, delta.sum(axis=0)


@dataclass
class SoftmaxRegression:
    """Mini-batch stochastic gradient descent on the L2-regularised cross-entropy.

    Weights and bias start at zero; the rows are shuffled anew in every epoch;
    the last mini-batch of an epoch holds what is left.

    Parameters
    ----------
    batch_size : int
        Rows per update.
    learning_rate : float
        Step of the descent, per unit of the mean gradient.
    epochs : int
        Passes over the training rows.
    alpha : float
        L2 strength.
    seed : int
        The seed of the shuffles.
    dtype : dtype
        Floating-point type of all arithmetic.

    Attributes
    ----------
    W : ndarray of shape (D, c)
    b : ndarray of shape (c,)
        Present after `fit` or `load`.
    """

    batch_size: int
    learning_rate: float
    epochs: int
    alpha: float
    seed: int = 0
    dtype: DTypeLike = np.float32

    def fit(self, X: NDArray[Any], y: Ints, n_classes: int | None = None) -> Self:
        """Train on X of shape (n, D) and labels y of shape (n,)."""
        X = np.asarray(X, dtype=self.dtype)
        c = n_classes or int(y.max()) + 1
        self.W = np.zeros((X.shape[1], c), dtype=self.dtype)
        self.b = np.zeros(c, dtype=self.dtype)
        for epoch in range(self.epochs):
            order = epoch_order(len(y), self.seed, epoch)
            for start in range(0, len(y), self.batch_size):
                rows = order[start : start + self.batch_size]
                self._step(X[rows], y[rows])
        return self

    def _step(self, X: Floats, y: Ints) -> None:
        dW, db = gradient(self.W, self.b, X, y, self.alpha)
        self.W -= self.learning_rate * dW
        self.b -= self.learning_rate * db

    def predict_proba(self, X: NDArray[Any]) -> Floats:
        """Class probabilities, shape (n, c), of X of shape (n, D)."""
        return np.exp(log_softmax(np.asarray(X, dtype=self.W.dtype) @ self.W + self.b))

    def predict(self, X: NDArray[Any]) -> NDArray[np.intp]:
        """Most probable class, shape (n,), of X of shape (n, D)."""
        label: NDArray[np.intp] = np.argmax(self.predict_proba(X), axis=1)
        return label

    def cost(self, X: NDArray[Any], y: Ints) -> float:
        """Cross-entropy on X of shape (n, D) and labels y of shape (n,)."""
        return cost(self.W, self.b, np.asarray(X, dtype=self.W.dtype), y)

    def save(self, file: Path | BinaryIO) -> None:
        """Write weights and settings as npz."""
        np.savez(
            file,
            W=self.W,
            b=self.b,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            epochs=self.epochs,
            alpha=self.alpha,
            seed=self.seed,
        )

    @classmethod
    def load(cls, path: Openable) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If the file is none of `save`'s.
        """
        try:
            # Opened here, because numpy leaves a file open that turns out to be no archive.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
                model = cls(
                    batch_size=int(saved["batch_size"]),
                    learning_rate=float(saved["learning_rate"]),
                    epochs=int(saved["epochs"]),
                    alpha=float(saved["alpha"]),
                    seed=int(saved["seed"]),
                    dtype=saved["W"].dtype,
                )
                model.W, model.b = saved["W"], saved["b"]
        except (OSError, ValueError, KeyError, EOFError, TypeError, BadZipFile) as error:
            raise DataError(
                f"{path} is no saved softmax regression ({error}); give a file that save() wrote."
            ) from error
        return model
