"""The exact optimum of the L2-regularised softmax regression, by Newton's method."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import softmax

from model.data.dataset import check_rows
from model.errors import DataError, PacksweepError
from model.optima.curvature import PenalisedCost, bound, hessian
from model.steps import Steps, run_to_end

F64 = NDArray[np.float64]

_PATIENCE = 50  # products of a step; half of what making a factor costs
_LONGEST = 300  # products of a step where no factor may be made


@dataclass(frozen=True, eq=False)
class Optimum:
    """Where the penalised cost has its minimum, and what it took to get there.

    Attributes
    ----------
    W : ndarray of shape (D, c), float64
    b : ndarray of shape (c,), float64
        Both sum to zero over the classes.
    penalised_cost : float
        J(W, b) + (alpha/2) sum W^2.
    gradient_norm : float
        Euclidean norm of the gradient of that, over all of W and b.
    iterations : int
        Newton steps.
    hessian_products : int
        Products of the Hessian and a vector, in all steps together.
    factorisations : int
        Number of times that the Hessian itself was made and factorised.
    """

    W: F64
    b: F64
    penalised_cost: float
    gradient_norm: float
    iterations: int
    hessian_products: int
    factorisations: int


class ConvergenceError(PacksweepError):
    """The optimum was not reached in the steps that were allowed.

    Attributes
    ----------
    reached : Optimum
        The point that the steps have led to; its cost is above the least there is.
    """

    def __init__(self, message: str, reached: Optimum) -> None:
        super().__init__(message)
        self.reached = reached


def softmax_optimum(
    X: NDArray[Any],
    y: NDArray[np.integer[Any]],
    alpha: float,
    n_classes: int,
    *,
    gradient_norm: float = 1e-6,
    start: tuple[F64, F64] | None = None,
    max_iterations: int = 100,
    largest_factor: int = 10_000,
    weights: F64 | None = None,
) -> Optimum:
    """Minimise J(W, b) + (alpha/2) sum W^2 to a gradient norm, in float64.

    J is the cross-entropy of `model.softmax.cost`, the mean over the images, and the penalty is
    on the weights only: this is the cost whose gradient the descent of `model.softmax` follows.

    A step of Newton's method solves with the Hessian by conjugate gradients, to a tolerance that
    falls with the gradient, and goes along the solution to where the slope is a tenth of what it
    was (further than one step, too: the logits along a line cost no product with the images).
    The preconditioner is the Hessian at zero, which needs a factor of one class only; once that
    takes too many products, it is the factorised Hessian of the point reached.

    Parameters
    ----------
    X : ndarray of shape (n, D)
        Images, in any scale and type; 0 to 255 as they come will do.
    y : ndarray of shape (n,)
        Labels 0 .. n_classes-1.
    alpha : float
        L2 strength, at least 0.
    n_classes : int
    gradient_norm : float
        The Euclidean norm of the gradient over W and b at which to stop.
    start : (W, b), optional
        The point to start from, such as the optimum of another alpha; zeros if left out.
    max_iterations : int
        Newton steps at most.
    largest_factor : int
        Up to how many free parameters, (n_classes - 1) (D + 1), the Hessian is made: 8 bytes times
        the square. Beyond, all is left to conjugate gradients with the Hessian at zero.
    weights : ndarray of shape (n,), float64, optional
        Weight of each row in J, with a mean of 1; all count the same if left out.

    Returns
    -------
    Optimum

    Raises
    ------
    DataError
        If shapes disagree, a value is not finite, a label or alpha is out of range.
    ConvergenceError
        If `max_iterations` do not reach `gradient_norm`; it has the point that they reached.

    Notes
    -----
    Where alpha is positive the optimum exists and is the only one, but for a shift of all biases.

    With alpha = 0 the infimum need not be attained. A pixel that is blank in all images of a class
    can always lower the cost: its weight for that class goes to minus infinity, and the cost to
    its infimum like an exponential. The gradient vanishes on that way, so the criterion still has
    a meaning: what comes back is a point on the way, whose weights say where the criterion stopped
    rather than where an optimum is. Images that can be separated take few steps. On Fashion-MNIST,
    which has 66 such pixels and cannot be separated, Newton's steps become short, and 1e-6 is not
    reached in `max_iterations`; take a small alpha instead, such as 0.01. Where pixels depend on
    each other linearly, the weights are not unique either; the probabilities are.

    Products use the threads that numpy has; the caller decides how many.
    """
    return run_to_end(
        softmax_optimum_steps(
            X, y, alpha, n_classes, gradient_norm=gradient_norm, start=start,
            max_iterations=max_iterations, largest_factor=largest_factor, weights=weights,
        )
    )  # fmt: skip


def softmax_optimum_steps(
    X: NDArray[Any],
    y: NDArray[np.integer[Any]],
    alpha: float,
    n_classes: int,
    *,
    gradient_norm: float = 1e-6,
    start: tuple[F64, F64] | None = None,
    max_iterations: int = 100,
    largest_factor: int = 10_000,
    weights: F64 | None = None,
) -> Steps[Optimum]:
    """Do as `softmax_optimum` does, one Newton step at a time."""
    X, y = np.asarray(X), np.asarray(y)
    _check(X, y, alpha, n_classes)
    cost = PenalisedCost(X, y, alpha, n_classes, weights)
    newton = _Newton(cost, _start(start, X.shape[1], n_classes), largest_factor)
    while not newton.norm <= gradient_norm:
        yield
        if newton.iterations == max_iterations:
            raise ConvergenceError(
                f"After {max_iterations} Newton steps the gradient norm is {newton.norm:.1e}; "
                f"{gradient_norm:.1e} was asked for. Allow more steps or a larger norm.",
                newton.optimum(),
            )
        newton.step(gradient_norm)
    return newton.optimum()


class _Newton:
    """A point, what is known of the cost there, and the preconditioner."""

    def __init__(self, cost: PenalisedCost, T: F64, largest_factor: int) -> None:
        self.cost = cost
        self.may_factorise = (cost.n_classes - 1) * len(cost.penalty) <= largest_factor
        self.precondition = bound(cost)
        self.iterations = self.products = self.factorisations = 0
        self._go_to(T)
        self.first_norm = self.norm

    def _go_to(self, T: F64) -> None:
        self.T = T
        self.Z = T @ self.cost.columns
        self.p = softmax(self.Z, axis=0)
        self.gradient = self.cost.gradient(self.p, T)
        self.norm = float(np.linalg.norm(self.gradient))

    def step(self, wanted: float) -> None:
        """Take one Newton step; renew the preconditioner where it took too long."""
        V, solved = self._direction(wanted)
        self._go_to(self.T + self._length(V) * V)
        self.iterations += 1
        if not solved and self.may_factorise and self.norm > wanted:
            self.precondition = hessian(self.cost, self.p)
            self.factorisations += 1

    def _direction(self, wanted: float) -> tuple[F64, bool]:
        """Solve H V = -gradient as far as it pays; also whether that was in time."""
        shape, size = self.T.shape, self.T.size

        def product(v: F64) -> F64:
            self.products += 1
            return self.cost.hessian_product(self.p, v.reshape(shape)).ravel()

        # Near the optimum ever closer, so that the steps keep Newton's speed, but no closer
        # than the criterion asks.
        falling = min(0.1, 0.5 * (self.norm / self.first_norm) ** 0.5)
        V, info = cg(
            LinearOperator((size, size), product, dtype=np.float64),
            -self.gradient.ravel(),
            rtol=max(falling, 0.3 * wanted / self.norm),
            maxiter=_PATIENCE if self.may_factorise else _LONGEST,
            M=LinearOperator(
                (size, size),
                lambda r: self.precondition(r.reshape(shape)).ravel(),
                dtype=np.float64,
            ),
        )
        return V.reshape(shape), info == 0

    def _length(self, V: F64) -> float:
        dZ = V @ self.cost.columns
        own = self.cost.mean(dZ[self.cost.y, np.arange(len(self.cost.y))])
        bent, straight = ((self.cost.penalty * V * other).sum() for other in (V, self.T))

        def slope(t: float) -> float:
            p = softmax(self.Z + t * dZ, axis=0)
            return float(self._slope(p, dZ) - own + straight + t * bent)

        # What rounding makes of a slope of nothing.
        noise = 1e-14 * float(np.abs(dZ).mean())
        return step_length(slope, float(np.vdot(self.gradient, V)), noise)

    def _slope(self, p: F64, dZ: F64) -> float:
        if self.cost.weights is None:
            return float(np.vdot(p, dZ) / len(self.cost.y))
        return float(np.vdot(p / self.cost.per, dZ))

    def optimum(self) -> Optimum:
        return Optimum(
            W=self.T[:, :-1].T.copy(),
            b=self.T[:, -1].copy(),
            penalised_cost=self.cost.value(self.T),
            gradient_norm=self.norm,
            iterations=self.iterations,
            hessian_products=self.products,
            factorisations=self.factorisations,
        )


def step_length(slope: Callable[[float], float], at_zero: float, noise: float) -> float:
    """Find where the slope of a convex function along a line is nearly zero.

    Slopes and not values: near the optimum the values differ by less than their rounding.

    Parameters
    ----------
    slope : callable
        The derivative at t >= 0; never falls as t grows.
    at_zero : float
        The derivative at t = 0, below zero.
    noise : float
        A slope that counts as zero.

    Returns
    -------
    float
        1 where the slope there is at most a tenth of that at 0, as it is near the optimum.
    """
    tolerance = 0.1 * abs(at_zero) + noise
    right = 1.0
    while (at_right := slope(right)) < -tolerance:
        right *= 2
    if at_right <= tolerance:
        return right
    return float(brentq(slope, 0.0, right, xtol=1e-3 * right, rtol=0.05))


def _start(start: tuple[F64, F64] | None, n_features: int, n_classes: int) -> F64:
    """Return the start as (c, D+1), shifted to sum to zero over the classes."""
    if start is None:
        return np.zeros((n_classes, n_features + 1))
    W, b = (np.asarray(part, np.float64) for part in start)
    if W.shape != (n_features, n_classes) or b.shape != (n_classes,):
        raise DataError(
            f"The start has weights of shape {W.shape} and biases {b.shape}; expected "
            f"{(n_features, n_classes)} and {(n_classes,)} for these rows and classes."
        )
    T = np.column_stack([W.T, b])
    if not np.isfinite(T).all():
        raise DataError("The start holds a value that is not finite; leave it out to start at 0.")
    centred: F64 = T - T.mean(axis=0)
    return centred


def _check(X: NDArray[Any], y: NDArray[Any], alpha: float, n_classes: int) -> None:
    check_rows("Newton's method: training", X, y)
    if not np.issubdtype(y.dtype, np.integer) or int(y.max()) >= n_classes or n_classes < 2:
        raise DataError(
            f"The labels are {y.dtype} up to {y.max()} with {n_classes} classes; expected whole "
            "numbers from 0 to the number of classes less one, and at least two classes."
        )
    if not 0 <= alpha < np.inf:
        raise DataError(f"alpha is {alpha}; the L2 strength must be a finite number from 0 on.")
