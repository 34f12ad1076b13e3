"""Newton's method, against numpy's solvers and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from model import softmax
from model.data.digits import load_digits
from model.errors import DataError
from model.optima import newton
from model.optima.least_squares import newton_step
from model.optima.newton import ConvergenceError, softmax_optimum, step_length

seeds = st.integers(0, 2**31)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Leave the other cores to the other tests."""
    with threadpool_limits(1):
        yield


def regression(seed, rank, condition, n=20, n_features=8):
    """Return a problem whose X has this rank and condition number, and a start."""
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.normal(size=(m, rank)))[0] for m in (n, n_features))
    X = left * np.geomspace(1, 1 / condition, rank) @ right.T
    return X, rng.normal(size=n), 10 * rng.normal(size=n_features)


@given(seed=seeds, condition=st.sampled_from([1.0, 1e3, 1e7]))
@settings(max_examples=30, deadline=None)
def test_one_step_solves_least_squares_from_any_start(seed, condition):
    X, y, start = regression(seed, 8, condition)
    expected = np.linalg.lstsq(X, y)[0]
    tolerance = 1e-13 * condition * (1 + np.linalg.norm(expected))
    np.testing.assert_allclose(newton_step(X, y, start), expected, atol=tolerance)
    np.testing.assert_allclose(newton_step(X, y), expected, atol=tolerance)
    if condition == 1:
        np.testing.assert_allclose(np.linalg.inv(X.T @ X) @ X.T @ y, expected, atol=1e-12)


@given(seed=seeds, rank=st.integers(1, 7), condition=st.sampled_from([1.0, 1e4]))
@settings(max_examples=30, deadline=None)
def test_a_singular_problem_is_solved_by_the_solution_nearest_to_the_start(seed, rank, condition):
    X, y, start = regression(seed, rank, condition)
    inverse = np.linalg.pinv(X)
    tolerance = 1e-12 * condition * (1 + np.linalg.norm(inverse @ y))
    np.testing.assert_allclose(newton_step(X, y), inverse @ y, atol=tolerance)
    nearest = inverse @ y + start - inverse @ (X @ start)
    np.testing.assert_allclose(newton_step(X, y, start), nearest, atol=tolerance)


def test_more_weights_than_examples_is_singular_too():
    X, y, _ = regression(0, 5, 10, n=5)
    w = newton_step(X, y)
    np.testing.assert_allclose(X @ w, y, atol=1e-12)
    np.testing.assert_allclose(w, np.linalg.pinv(X) @ y, atol=1e-12)


@pytest.mark.parametrize(
    ("X", "y", "start", "message"),
    [
        (np.ones((3, 2)), np.ones(2), None, r"\(3, 2\), targets \(2,\)"),
        (np.ones(3), np.ones(3), None, r"expected \(n, D\)"),
        (np.ones((3, 2)), np.ones(3), np.ones(3), r"weights \(3,\)"),
        (np.ones((3, 2)), np.array([1, np.nan, 1]), None, "not finite"),
    ],
)
def test_what_is_no_regression_is_refused(X, y, start, message):
    with pytest.raises(DataError, match=message):
        newton_step(X, y, start)


@pytest.fixture(scope="module")
def digits():
    """Images of 14 x 14 pixels: every second one of every second row."""
    data = load_digits()
    return data.X.reshape(-1, 28, 28)[:, ::2, ::2].reshape(len(data.X), -1), data.y


def gradient_norm(optimum, X, y, alpha):
    parts = softmax.gradient(optimum.W, optimum.b, X.astype(float), y, alpha)
    return np.sqrt(sum((part**2).sum() for part in parts))


@pytest.mark.parametrize("alpha", [0.1, 100.0])
def test_the_optimum_is_scikit_learns(digits, alpha):
    X, y = digits
    optimum = softmax_optimum(X, y, alpha, 10)
    # Scaled, because its solvers do not converge on raw pixels: the same cost in other units.
    C = 255**2 / (alpha * len(y))
    peer = LogisticRegression(C=C, solver="newton-cg", tol=1e-9, max_iter=1000).fit(X / 255, y)
    W, b = peer.coef_.T / 255, peer.intercept_
    theirs = softmax.cost(W, b, X, y) + alpha / 2 * (W**2).sum()
    assert optimum.penalised_cost == pytest.approx(theirs, abs=1e-6)
    assert optimum.penalised_cost <= theirs + 1e-12
    ours = softmax.cost(optimum.W, optimum.b, X, y) + alpha / 2 * (optimum.W**2).sum()
    assert optimum.penalised_cost == pytest.approx(ours, rel=1e-12)
    assert gradient_norm(optimum, X, y, alpha) <= 1e-6
    assert optimum.gradient_norm == pytest.approx(gradient_norm(optimum, X, y, alpha), abs=1e-10)


def test_another_start_and_no_factor_reach_the_same_optimum(digits, monkeypatch):
    X, y = digits
    alpha = 10.0
    # So that the Hessian is factorised even where it would hardly pay.
    monkeypatch.setattr(newton, "_PATIENCE", 5)
    optimum = softmax_optimum(X, y, alpha, 10)
    assert optimum.factorisations
    rng = np.random.default_rng(0)
    start = 0.01 * rng.normal(size=optimum.W.shape), rng.normal(size=10)
    elsewhere = softmax_optimum(X, y, alpha, 10, start=start)
    plain = softmax_optimum(X, y, alpha, 10, largest_factor=0)
    assert plain.factorisations == 0
    for other in (elsewhere, plain):
        assert other.penalised_cost == pytest.approx(optimum.penalised_cost, abs=1e-12)
        np.testing.assert_allclose(other.W, optimum.W, atol=1e-7)
        np.testing.assert_allclose(other.b, optimum.b, atol=1e-5)
    np.testing.assert_allclose(elsewhere.W.sum(axis=1), 0, atol=1e-12)
    again = softmax_optimum(X, y, alpha, 10, start=(optimum.W, optimum.b))
    assert again.iterations == 0


def test_without_penalty_the_gradient_vanishes_though_separable_images_have_no_optimum(digits):
    X, y = digits
    optimum = softmax_optimum(X, y, 0, 10)
    assert gradient_norm(optimum, X, y, 0) <= 1e-6
    assert optimum.penalised_cost < 1e-6


def test_a_blank_pixel_and_a_class_without_images_are_no_trouble():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 4)) * [1, 0, 100, 1], rng.integers(0, 3, 50)
    for limit in (0, 10_000):
        optimum = softmax_optimum(X, y, 0.1, 4, largest_factor=limit)
        assert optimum.gradient_norm <= 1e-6
        np.testing.assert_allclose(optimum.W[1], 0, atol=1e-12)


def test_too_few_steps_are_an_error_that_names_the_norm(digits):
    with pytest.raises(ConvergenceError, match="After 2 Newton steps the gradient norm is"):
        softmax_optimum(*digits, 1, 10, max_iterations=2)


X, y = np.eye(3), np.array([0, 1, 2])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((X, y, -1.0, 3), {}, "alpha is -1.0"),
        ((X, y, np.nan, 3), {}, "alpha is nan"),
        ((X, y, np.inf, 3), {}, "alpha is inf"),
        ((X * np.nan, y, 1, 3), {}, "holds nan"),
        ((X, y[:2], 1, 3), {}, r"labels \(2,\)"),
        ((X, y, 1, 2), {}, "up to 2 with 2 classes"),
        ((X, y.astype(float), 1, 3), {}, "labels are float64"),
        ((X, y - 1, 1, 3), {}, "from -1"),
        ((X, 0 * y, 1, 1), {}, "at least two classes"),
        ((X, y, 1, 3), {"start": (np.zeros((3, 2)), np.zeros(3))}, r"weights of shape \(3, 2\)"),
        ((X, y, 1, 3), {"start": (np.full((3, 3), np.nan), np.zeros(3))}, "start holds"),
    ],
)
def test_what_is_no_problem_is_refused(arguments, options, message):
    with pytest.raises(DataError, match=message):
        softmax_optimum(*arguments, **options)


@given(root=st.floats(1e-3, 1e3), power=st.sampled_from([1, 3]))
def test_a_step_ends_where_the_slope_is_a_tenth_or_near_its_zero(root, power):
    def slope(t):
        return (t / root - 1) ** power

    t = step_length(slope, slope(0), 0)
    assert abs(slope(t)) <= 0.1 or abs(t - root) <= 0.06 * root


def test_a_slope_that_only_approaches_zero_gives_a_finite_step():
    assert 1 <= step_length(lambda t: -np.exp(-t / 100), -1, 0) <= 512
