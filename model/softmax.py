"""Softmax regression as in a textbook: one configuration, plain, readable, checkable."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from model.data.encoding import Encoding
from model.data.labels import Label, codes_of, labels_of
from model.features import AS_THEY_ARE, Features
from model.given_rows import complete, shaped
from model.seal import Openable, Seal
from model.shuffle import epoch_order
from model.softmax_file import file_of, read_file

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
F64 = NDArray[np.float64]

# Rows whose features are made at a time.
_CHUNK = 512


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


def cost(W: Floats, b: Floats, X: Floats, y: Ints, weights: F64 | None = None) -> float:
    """Cross-entropy J(W, b) = -(1/n) sum_i log p_(i, y_i), without the penalty.

    With weights it is -sum_i w_i log p_(i, y_i) / sum_i w_i.

    Parameters
    ----------
    W : ndarray of shape (D, c)
    b : ndarray of shape (c,)
    X : ndarray of shape (n, D)
    y : ndarray of shape (n,)
        Labels 0 .. c-1.
    weights : ndarray of shape (n,), optional
        How much each row counts.

    Returns
    -------
    float
        The mean negative log-likelihood of the labels.
    """
    return mean_loss(log_softmax(X @ W + b), y, weights)


def mean_loss(log_p: Floats, y: Ints, weights: F64 | None = None) -> float:
    """Return the mean of -log p_(i, y_i), by weights where they are given.

    Parameters
    ----------
    log_p : ndarray of shape (n, c)
    y : ndarray of shape (n,)
        Labels 0 .. c-1.
    weights : ndarray of shape (n,), optional
    """
    own = log_p[np.arange(len(y)), y]
    if weights is None:
        return float(-own.mean(dtype=np.float64))
    return float(-np.average(own.astype(np.float64), weights=weights))


def share(correct: NDArray[np.bool_], weights: F64 | None = None) -> float:
    """Return the fraction of the rows that are correct, by weights where they are given."""
    return float(np.average(correct, weights=weights))


def gradient(
    W: Floats, b: Floats, X: Floats, y: Ints, alpha: float, weights: F64 | None = None
) -> tuple[Floats, Floats]:
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
    weights : ndarray of shape (n,), optional
        Weight w_i of each row, whose term becomes w_i times as large; 1 if left out.

    Returns
    -------
    dW : ndarray of shape (D, c)
    db : ndarray of shape (c,)
    """
    delta = np.exp(log_softmax(X @ W + b))
    delta[np.arange(len(y)), y] -= 1
    delta /= len(y)
    if weights is not None:
        delta *= weights[:, None]
    return X.T @ delta + alpha * W, delta.sum(axis=0)


@dataclass
class SoftmaxRegression:
    """Mini-batch stochastic gradient descent on the L2-regularised cross-entropy.

    Weights and bias start at zero; the rows are shuffled again in every epoch;
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
        Floating-point type in which it is trained.
    features : Features
        The transform of the rows, with which it is trained and applied.
    classes : ndarray of shape (c,), or sequence of Label
        Labels as the user writes them, in the order of the classes; 0 .. c-1 if left out.
    feature_names : sequence of str
        Name of each feature of the rows, for the record.
    fill : ndarray of shape (D,), float64, or None
        The value that replaces a missing value of each feature; None where none may be missing.
    columns : sequence of Encoding
        How the columns of a table become the features, for the record: `predict` takes features.

    Attributes
    ----------
    W : ndarray of shape (D, c)
    b : ndarray of shape (c,)
        Bias for the transformed rows; like W, present after `fit` or `load`.
    """

    batch_size: int
    learning_rate: float
    epochs: int
    alpha: float
    seed: int = 0
    dtype: DTypeLike = np.float32
    features: Features = AS_THEY_ARE
    classes: NDArray[Any] | Sequence[Label] = ()
    feature_names: Sequence[str] = ()
    fill: F64 | None = None
    columns: Sequence[Encoding] = ()

    def fit(
        self,
        X: NDArray[Any],
        y: NDArray[Any],
        n_classes: int | None = None,
        weights: F64 | None = None,
    ) -> Self:
        """Train on X of shape (n, D) and labels y of shape (n,), by weights of shape (n,)."""
        X = self.features.apply(np.asarray(X), dtype=self.dtype)
        y = self._places(y)
        c = n_classes or len(self.classes) or int(y.max()) + 1
        self.W = np.zeros((X.shape[1], c), dtype=self.dtype)
        self.b = np.zeros(c, dtype=self.dtype)
        if weights is not None:
            weights = weights.astype(self.dtype)
        for epoch in range(self.epochs):
            order = epoch_order(len(y), self.seed, epoch)
            for start in range(0, len(y), self.batch_size):
                rows = order[start : start + self.batch_size]
                self._step(X[rows], y[rows], None if weights is None else weights[rows])
        return self

    def _step(self, X: Floats, y: Ints, weights: F64 | None) -> None:
        dW, db = gradient(self.W, self.b, X, y, self.alpha, weights)
        self.W -= self.learning_rate * dW
        self.b -= self.learning_rate * db

    def log_proba(self, X: NDArray[Any]) -> Floats:
        """Logarithm of the class probabilities, shape (n, c), float64.

        Parameters
        ----------
        X : ndarray of shape (n, D), or (n, height, width) and the like
            Rows as the source of the training rows has them.

        Raises
        ------
        DataError
            If rows have another number of features, or hold what is not a finite number.
        """
        return self._by_row(X, log_softmax)

    def predict_proba(self, X: NDArray[Any]) -> Floats:
        """Class probabilities, shape (n, c), of rows X as `log_proba` takes them."""
        return self._by_row(X, lambda Z: np.exp(log_softmax(Z)))

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Label of the most probable class, shape (n,), of rows X as `log_proba` takes them."""
        X = shaped(np.asarray(X), len(self.W))
        places = np.empty(len(X), np.int64)
        for rows, Z in self.logits_by_part(X):
            places[rows] = Z.argmax(axis=1)
        labels: NDArray[Any] = np.asarray(self.classes)[places] if len(self.classes) else places
        return labels

    def cost(self, X: NDArray[Any], y: NDArray[Any], weights: F64 | None = None) -> float:
        """Cross-entropy on rows X and their labels y of shape (n,)."""
        return self.evaluate(X, y, weights)[0]

    def accuracy(self, X: NDArray[Any], y: NDArray[Any], weights: F64 | None = None) -> float:
        """Fraction of rows X whose label in y, of shape (n,), is the most probable one."""
        return self.evaluate(X, y, weights)[1]

    def evaluate(
        self, X: NDArray[Any], y: NDArray[Any], weights: F64 | None = None
    ) -> tuple[float, float]:
        """Return `cost` and `accuracy` at once."""
        y = self._places(y)
        own, right = np.empty((len(y), 1)), np.empty(len(y), bool)
        for rows, Z in self.logits_by_part(X):  # not all probabilities at once
            own[rows] = np.take_along_axis(log_softmax(Z), y[rows, None], axis=1)
            right[rows] = Z.argmax(axis=1) == y[rows]
        # What is left of each row is its own class.
        return mean_loss(own, np.zeros_like(y), weights), share(right, weights)

    def _places(self, y: NDArray[Any]) -> NDArray[np.int64]:
        y = np.asarray(y)
        if not len(self.classes):
            return y.astype(np.int64)
        return codes_of("y", labels_of("y", y), np.asarray(self.classes).tolist())

    def logits(self, X: NDArray[Any]) -> F64:
        """Return x' W + b of rows X as `log_proba` takes them, shape (n, c), float64.

        A row gives the same result whatever rows are given with it. With a product of BLAS it would
        not: BLAS rounds by the shape of the whole.
        """
        return self._by_row(X, lambda Z: Z)

    def _by_row(self, X: NDArray[Any], function: Callable[[F64], Floats]) -> F64:
        """Return what a function makes of the logits of each row, shape (n, c)."""
        X = shaped(np.asarray(X), len(self.W))
        found = np.empty((len(X), len(self.b)))
        for rows, Z in self.logits_by_part(X):
            found[rows] = function(Z)
        return found

    def logits_by_part(self, X: NDArray[Any]) -> Iterator[tuple[slice, F64]]:
        """Yield `logits` of some rows after the other, and which rows these are."""
        # It takes a third of a second to import, which is for those alone who apply a model.
        from model.kernels import add_product

        X, W = shaped(np.asarray(X), len(self.W)), self.W.astype(np.float64)
        for start in range(0, len(X), _CHUNK):
            rows = slice(start, start + _CHUNK)
            seen = self.features.apply(complete(X[rows], self.fill, start), dtype=self.W.dtype)
            Z = np.tile(self.b.astype(np.float64), (len(seen), 1))
            add_product(seen, W, Z)
            yield rows, Z

    def of_source(self) -> tuple[F64, F64]:
        """Return weights and bias for values as their source has them, with no features between.

        Where a column's mean is large against its spread, they lose what `logits` does not, which
        takes the mean away first.

        Returns
        -------
        W : ndarray of shape (D, c), float64
        b : ndarray of shape (c,), float64
        """
        W, b = self.W.astype(np.float64), self.b.astype(np.float64)
        if self.features is AS_THEY_ARE:
            return W, b
        scaled = np.broadcast_to(self.features.scale, len(W))[:, None] * W
        return scaled, b - np.broadcast_to(self.features.shift, len(W)) @ scaled

    def save(self, file: Path | BinaryIO) -> None:
        """Write weights, features, classes and settings as npz."""
        content = self.sealed(Seal())
        if isinstance(file, Path):
            file.write_bytes(content)
        else:
            file.write(content)

    def sealed(self, seal: Seal) -> bytes:
        """Return the npz file that `save` writes, with a seal."""
        return file_of(self, seal)

    @classmethod
    def load(cls, path: Openable, seal: Seal | None = None) -> Self:
        """Read what `save` wrote; a file of an earlier version is of raw features and 0 .. c-1.

        Parameters
        ----------
        path : Path or RemotePath
        seal : Seal, optional
            The seal that the file must have; by default any.

        Raises
        ------
        DataError
            If `save` did not write the file, if a byte of it was changed, or if its arrays do not
            fit each other.
        """
        return read_file(cls, path, seal)
