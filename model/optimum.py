"""The exact optimum of one alpha on the training part, as a worker finds it."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.newton import ConvergenceError, softmax_optimum
from model.softmax import cost, log_softmax
from model.tasks import Examples, FinalScore

F64 = NDArray[np.float64]

GRADIENT_NORM = 1e-5
"""Where a point counts as the optimum."""

MAX_ITERATIONS = 20
"""Newton steps, so that an alpha without an optimum ends; a number of seconds would let the
machine decide what is found."""


@dataclass(frozen=True, eq=False)
class AlphaOptimum:
    """The optimum of one alpha, or the point at which the search for it ended.

    Attributes
    ----------
    alpha : float
    W : ndarray of shape (D, c), float64
    b : ndarray of shape (c,), float64
        For raw pixels, whatever features the trials see.
    cost : float
        On the training part, penalty included.
    gradient_norm : float
    converged : bool
        Whether that is at most `GRADIENT_NORM`. If not, the optimum costs less than `cost`.
    val_cost, val_accuracy : float
        On the validation images.
    seconds : float
        What it took.
    """

    alpha: float
    W: F64
    b: F64
    cost: float
    gradient_norm: float
    converged: bool
    val_cost: float
    val_accuracy: float
    seconds: float


def find_optimum(examples: Examples, alpha: float) -> AlphaOptimum:
    """Minimise the cost that trials of an alpha descend, on the images that train them.

    It starts at zero and not at another alpha's optimum, so that it is the same whatever
    else was found before.
    """
    began = time.perf_counter()
    X, y, _ = examples.training(0)
    try:
        found = softmax_optimum(
            X, y, alpha, examples.n_classes,
            gradient_norm=GRADIENT_NORM, max_iterations=MAX_ITERATIONS,
        )  # fmt: skip
    except ConvergenceError as error:
        found = error.reached
    seen = score_weights(found.W, found.b, *examples.validation(0))
    W, b = examples.features.fold_weights(found.W, found.b)
    return AlphaOptimum(
        alpha, W, b, found.penalised_cost, found.gradient_norm,
        found.gradient_norm <= GRADIENT_NORM, seen.cost, seen.accuracy,
        time.perf_counter() - began,
    )  # fmt: skip


def score_weights(W: F64, b: F64, X: NDArray[Any], y: NDArray[np.int64]) -> FinalScore:
    """Return cost and fraction correct of weights on images, in float64."""
    X = X.astype(np.float64)
    log_p = log_softmax(X @ W + b)
    return FinalScore(cost(W, b, X, y), float((log_p.argmax(axis=1) == y).mean()))
