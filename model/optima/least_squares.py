"""Linear regression: the problem that Newton's method solves in one step.

No command uses it. The search for exact optima started from this result: one Newton
step lands on the optimum of linear regression from any start, and `model.optima.newton` carries the
same step over to the softmax, where it takes several.
"""

import numpy as np
from numpy.typing import NDArray

from model.errors import DataError

F64 = NDArray[np.float64]


def newton_step(X: F64, y: F64, start: F64 | None = None) -> F64:
    """One Newton step on (1/2n) sum_i (x_i . w - y_i)^2, which lands on a minimum from any start.

    With the examples as rows of X, the gradient at w_0 is (1/n) X^T (X w_0 - y) and the Hessian is
    (1/n) X^T X, the same everywhere. So the step w_0 - H^+ gradient = w_0 + X^+ (y - X w_0) is the
    minimum: (X^T X)^-1 X^T y, whatever w_0 is, where X^T X has an inverse. (With the examples as
    columns that is (X X^T)^-1 X y.)

    Where X^T X is singular, the minima form a plane, and the pseudo-inverse steps at a right angle
    to it: to the minimum nearest to w_0 in the Euclidean norm. From zero, the default, that is the
    minimum of least norm.

    Parameters
    ----------
    X : ndarray of shape (n, D)
        Examples.
    y : ndarray of shape (n,)
        Targets.
    start : ndarray of shape (D,), optional
        Weights w_0 before the step.

    Returns
    -------
    ndarray of shape (D,)

    Raises
    ------
    DataError
        If shapes disagree or a value is not finite.

    Notes
    -----
    The step is solved from X itself: forming X^T X would square its condition number. Singular
    values below n or D times the machine's epsilon, relative to the largest, count as zero.
    """
    X, y = np.asarray(X, np.float64), np.asarray(y, np.float64)
    w = np.zeros(X.shape[-1:]) if start is None else np.asarray(start, np.float64)
    if X.ndim != 2 or y.shape != X.shape[:1] or w.shape != X.shape[1:]:
        raise DataError(
            f"Least squares got examples of shape {X.shape}, targets {y.shape} and weights "
            f"{w.shape}; expected (n, D), (n,) and (D,)."
        )
    if not all(np.isfinite(array).all() for array in (X, y, w)):
        raise DataError(
            "Least squares got a value that is not finite; fix or remove such examples first."
        )
    solution: F64 = w + np.linalg.lstsq(X, y - X @ w)[0]
    return solution
