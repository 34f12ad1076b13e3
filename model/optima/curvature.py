"""The penalised cross-entropy to second order: its Hessian, as products and as factors.

Parameters are class-major here: T of shape (c, D+1) has the weights of class k in row k and its
bias at the end of the row, and images have a 1 at their end. With p the probabilities, the
Hessian of F(T) = J(W, b) + (alpha/2) sum W^2 maps V to

    (1/n) sum_i (diag p_i - p_i p_i^T) V x_i x_i^T + alpha V,   without alpha on the biases.

Adding one row to all rows of T leaves the probabilities alone, so gradients sum to zero over the
classes, and so may everything else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.special import log_softmax

F64 = NDArray[np.float64]
Solve = Callable[[F64], F64]
"""A gradient of shape (c, D+1) to the step that an approximate Hessian would take for it."""

_CHUNK = 8192  # rows of weighted images at a time: 50 MB where they have 784 pixels
_FLOOR = 1e-6  # of p_k p_l: what is below counts as this, and is summed up once for all images
_RIDGE = 1e-12  # of the diagonal: far below any curvature that matters, above the rounding


@dataclass(frozen=True, eq=False)
class PenalisedCost:
    """F(T), its gradient and products with its Hessian, in float64.

    Attributes
    ----------
    X : ndarray of shape (n, D)
        Images in their own type.
    y : ndarray of shape (n,)
        Labels 0 .. c-1.
    alpha : float
        L2 strength, on the weights only.
    n_classes : int
    weights : ndarray of shape (n,), float64, or None
        Weight of each row, with a mean of 1; None where all count the same.
    """

    X: NDArray[Any]
    y: NDArray[np.integer[Any]]
    alpha: float
    n_classes: int
    weights: F64 | None = None

    @cached_property
    def per(self) -> Any:
        """The divisor of a row's term: n, or n / w_i of shape (n,)."""
        if self.weights is None:
            return len(self.y)
        with np.errstate(divide="ignore"):  # a row without weight counts 1 / infinity
            return len(self.y) / self.weights

    def mean(self, values: F64) -> float:
        """Mean of values of shape (n,), by the weights of the rows."""
        if self.weights is None:
            return float(values.mean())
        return float((values / self.per).sum())

    def moment(self, Q: F64) -> F64:
        """(1/n) Q [X 1], for Q of shape (..., n), by the weights of the rows."""
        if self.weights is None:
            plain: F64 = Q @ self.columns.T / len(self.y)
            return plain
        weighted: F64 = (Q / self.per) @ self.columns.T
        return weighted

    @cached_property
    def columns(self) -> F64:
        """Images with their 1 as columns, shape (D+1, n): products are twice as fast this way."""
        columns = np.ones((self.X.shape[1] + 1, len(self.X)))
        columns[:-1] = self.X.T
        return columns

    @cached_property
    def penalty(self) -> F64:
        """The penalty's second derivative, shape (D+1,): alpha, and 0 for the bias."""
        return np.append(np.full(self.X.shape[1], float(self.alpha)), 0.0)

    @cached_property
    def second_moment(self) -> F64:
        """(1/n) sum_i x_i x_i^T, shape (D+1, D+1)."""
        return self.moment(self.columns)

    def value(self, T: F64) -> float:
        """Cross-entropy and penalty."""
        log_p = log_softmax(T @ self.columns, axis=0)
        own = log_p[self.y, np.arange(len(self.y))]
        return -self.mean(own) + float((self.penalty * T**2).sum() / 2)

    def gradient(self, p: F64, T: F64) -> F64:
        """Gradient at T, shape (c, D+1), given its probabilities p of shape (c, n)."""
        delta = p / self.per
        delta[self.y, np.arange(len(self.y))] -= 1 / self.per
        gradient: F64 = delta @ self.columns.T + self.penalty * T
        return gradient

    def hessian_product(self, p: F64, V: F64) -> F64:
        """Hessian at the point with probabilities p, times V of shape (c, D+1)."""
        Q = p * (V @ self.columns)
        Q -= p * Q.sum(axis=0)
        return self.moment(Q) + self.penalty * V


def bound(cost: PenalisedCost) -> Solve:
    """Solve with the Hessian at T = 0, which has one block for all classes.

    There p_k = 1/c, and on what sums to zero over the classes the Hessian is S/c + alpha, with S
    the second moment. Everywhere else it is at most c/2 times that (Böhning, "Multinomial
    logistic regression algorithm", 1992).
    """
    H = cost.second_moment / cost.n_classes + np.diag(cost.penalty)
    factor = linalg.cho_factor(_with_ridge(H))
    return lambda gradient: linalg.cho_solve(factor, gradient.T).T


def hessian(cost: PenalisedCost, p: F64) -> Solve:
    """Solve with the Hessian at the point with probabilities p.

    It is the sum over pairs of classes k < l and images of p_k p_l (e_k - e_l)(e_k - e_l)^T times
    x x^T. Most images are torn between few classes, so a third of these terms or less is
    above the floor; the others together are bounded by the floor times S.

    The last class is left out of the solution, which is then shifted to sum to zero: c - 1 blocks
    of D + 1 parameters, one matrix of 400 MB for ten classes and 784 pixels.
    """
    blocks, size = cost.n_classes - 1, len(cost.penalty)
    straight = np.diag(cost.penalty / cost.n_classes)
    H = np.zeros((blocks, size, blocks, size))
    for k, m in combinations(range(cost.n_classes), 2):
        pair = _pair(cost, p[k] * p[m]) + straight
        H[k, :, k] += pair
        if m < blocks:
            H[m, :, m] += pair
            H[m, :, k] = -pair  # the lower half only, which is all that is read
    # Seen by LAPACK as the upper half of the transpose, so that it factorises in place.
    square = _with_ridge(H.reshape(blocks * size, -1)).T
    factor = linalg.cholesky(square, overwrite_a=True, check_finite=False)

    def solve(gradient: F64) -> F64:
        step = linalg.cho_solve((factor, False), gradient[:-1].ravel(), check_finite=False)
        whole = np.vstack([step.reshape(blocks, size), np.zeros(size)])
        centred: F64 = whole - whole.mean(axis=0)
        return centred

    return solve


def _pair(cost: PenalisedCost, product: F64) -> F64:
    """Sum max(p_k p_l, floor) x x^T over the images, over n."""
    above = product - _FLOOR
    rows = np.flatnonzero(above > 0)
    per = np.broadcast_to(cost.per, above.shape)
    total = _FLOOR * cost.second_moment
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        # From the images as rows: gathering columns would touch each of their numbers alone.
        images = np.ones((len(chunk), len(total)))
        images[:, :-1] = cost.X[chunk]
        images *= np.sqrt(above[chunk] / per[chunk])[:, None]
        total += images.T @ images
    return total


def _with_ridge(H: F64) -> F64:
    """Add to the diagonal what keeps it positive in spite of rounding and of blank pixels."""
    diagonal = np.einsum("ii->i", H)
    diagonal += np.where(diagonal > 0, _RIDGE * diagonal, 1.0)
    return H
