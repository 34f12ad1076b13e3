"""The task of a worker that finds the exact optimum of one alpha on the training part."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.examples import Examples
from model.results import FinalScore
from model.softmax import log_softmax, mean_loss, share
from model.steps import Steps

F64 = NDArray[np.float64]

GRADIENT_NORM = 1e-5
"""A point whose gradient has at most this norm counts as the optimum."""

MAX_ITERATIONS = 20
"""Newton steps at most, so that the search ends for an alpha without an optimum. With a limit
on seconds the result would depend on the machine."""


@dataclass(frozen=True, eq=False)
class AlphaOptimum:
    """The optimum of one alpha, or the point at which the search for it ended.

    Attributes
    ----------
    alpha : float
        The strength of the L2 penalty.
    W : ndarray of shape (D, c), float64
    b : ndarray of shape (c,), float64
        Weights and bias for the features that the trials see.
    cost : float
        The cost on the training part, penalty included.
    gradient_norm : float
        The norm of the gradient of that cost.
    converged : bool
        Whether it is at most `GRADIENT_NORM`. If not, the optimum costs less than `cost`.
    val_cost, val_accuracy : float
        Cost and fraction correct on the validation images.
    seconds : float
        The time from the first step of the search to the last.
    shift, scale : ndarray of shape (D,) or (1,), float64
        The features, as in `model.features.Features`.
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
    shift: F64
    scale: F64


def find_optimum(examples: Examples, alpha: float) -> Steps[AlphaOptimum]:
    """Minimise the cost that the trials of an alpha descend, on the rows that train them.

    The search starts at zero and not at another alpha's optimum: its result does not depend
    on the optima that were found before.

    Parameters
    ----------
    examples : Examples
        The rows, without folds.
    alpha : float
        The strength of the L2 penalty.

    Yields
    ------
    None
        Between two Newton steps.

    Returns
    -------
    AlphaOptimum
    """
    # Here, because its part of scipy takes half a second to import, and all who read an optimum
    # import this module.
    from model.optima.newton import ConvergenceError, softmax_optimum_steps

    began = time.perf_counter()
    training = examples.training(0)
    try:
        found = yield from softmax_optimum_steps(
            np.asarray(training.X, np.float32), training.y, alpha, examples.n_classes,
            weights=training.weights, gradient_norm=GRADIENT_NORM, max_iterations=MAX_ITERATIONS,
        )  # fmt: skip
    except ConvergenceError as error:
        found = error.reached  # the best point so far; `converged` will say so
    scoring = examples.validation(0)
    validation = score_weights(
        found.W, found.b, np.asarray(scoring.X, np.float32), scoring.y, scoring.weights
    )
    return AlphaOptimum(
        alpha=alpha,
        W=found.W,
        b=found.b,
        cost=found.penalised_cost,
        gradient_norm=found.gradient_norm,
        converged=found.gradient_norm <= GRADIENT_NORM,
        val_cost=validation.cost,
        val_accuracy=validation.accuracy,
        seconds=time.perf_counter() - began,
        shift=examples.features.shift,
        scale=examples.features.scale,
    )


def score_weights(
    W: F64, b: F64, X: NDArray[Any], y: NDArray[np.int64], weights: F64 | None = None
) -> FinalScore:
    """Return cost and fraction correct of weights W, b on features X, in float64."""
    log_p = log_softmax(X.astype(np.float64) @ W + b)
    return FinalScore(mean_loss(log_p, y, weights), share(log_p.argmax(axis=1) == y, weights))
