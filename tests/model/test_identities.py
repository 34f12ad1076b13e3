"""What the formulas of the cost say, against calculus and against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad
from scipy.special import expit
from scipy.stats import multinomial

from model import softmax
from model.optima.curvature import PenalisedCost, bound, hessian
from model.softmax import log_softmax

seeds = st.integers(0, 2**31)
alphas = st.sampled_from([0.0, 0.3, 10.0])


def problem(seed, alpha, n=30, n_features=4, n_classes=3):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    cost = PenalisedCost(rng.normal(size=(n, n_features)), y, alpha, n_classes)
    T, V = rng.normal(size=(2, n_classes, n_features + 1))
    return cost, T, V


def probabilities(cost, T):
    return np.exp(log_softmax((T @ cost.columns).T)).T


def dense(cost, p):
    """The Hessian from its products with the unit vectors."""
    shape = len(p), len(cost.penalty)
    columns = [
        cost.hessian_product(p, unit.reshape(shape)).ravel() for unit in np.eye(shape[0] * shape[1])
    ]
    return np.array(columns)


def test_the_cost_is_the_mean_negative_log_likelihood():
    cost, T, _ = problem(0, 0)
    p = probabilities(cost, T)
    drawn = np.eye(cost.n_classes)[cost.y]  # one draw for each image
    likelihoods = [
        multinomial(1, q / q.sum()).logpmf(row) for q, row in zip(p.T, drawn, strict=True)
    ]
    expected = -np.mean(likelihoods)
    assert softmax.cost(T[:, :-1].T, T[:, -1], cost.X, cost.y) == pytest.approx(expected, rel=1e-12)
    assert cost.value(T) == pytest.approx(expected, rel=1e-12)


@given(z=st.lists(st.floats(-5, 5), min_size=2, max_size=6))
@settings(max_examples=30, deadline=None)
def test_the_jacobian_of_the_softmax_is_diag_p_minus_p_pt(z):
    def p(z):
        return np.exp(log_softmax(z[None])[0])

    z, h = np.array(z), 1e-6
    steps = h * np.eye(len(z))
    central = [(p(z + step) - p(z - step)) / (2 * h) for step in steps]
    np.testing.assert_allclose(np.diag(p(z)) - np.outer(p(z), p(z)), central, atol=1e-9)


@given(z=st.floats(-300, 300), shift=st.floats(-100, 100))
def test_two_classes_are_the_logistic_sigmoid(z, shift):
    p = np.exp(log_softmax(np.array([[z + shift, shift]])))[0]
    np.testing.assert_allclose(p, expit([z, -z]), rtol=1e-11, atol=0)


@given(seed=seeds, alpha=alphas)
@settings(max_examples=20, deadline=None)
def test_value_gradient_and_the_textbook_gradient_agree(seed, alpha):
    cost, T, _ = problem(seed, alpha)
    gradient = cost.gradient(probabilities(cost, T), T)
    dW, db = softmax.gradient(T[:, :-1].T, T[:, -1], cost.X, cost.y, alpha)
    np.testing.assert_allclose(gradient, np.column_stack([dW.T, db]), atol=1e-12)

    def at(flat):
        return flat.reshape(T.shape)

    error = check_grad(
        lambda flat: cost.value(at(flat)),
        lambda flat: cost.gradient(probabilities(cost, at(flat)), at(flat)).ravel(),
        T.ravel(),
    )
    assert error < 1e-5


@given(seed=seeds, alpha=alphas)
@settings(max_examples=20, deadline=None)
def test_hessian_products_are_differences_of_gradients(seed, alpha):
    cost, T, V = problem(seed, alpha)
    h = 1e-5
    sides = [cost.gradient(probabilities(cost, U), U) for U in (T + h * V, T - h * V)]
    product = cost.hessian_product(probabilities(cost, T), V)
    np.testing.assert_allclose(product, (sides[0] - sides[1]) / (2 * h), atol=1e-8)


@given(seed=seeds, alpha=alphas)
@settings(max_examples=20, deadline=None)
def test_the_factorised_hessian_undoes_the_product(seed, alpha):
    cost, T, V = problem(seed, alpha)
    V = V - V.mean(axis=0)
    p = probabilities(cost, T)
    solved = hessian(cost, p)(cost.hessian_product(p, V))
    np.testing.assert_allclose(solved, V, rtol=0.05, atol=0.05)  # but for the floor


@given(seed=seeds, alpha=alphas)
@settings(max_examples=20, deadline=None)
def test_the_bound_is_the_hessian_at_zero_and_bounds_it_elsewhere(seed, alpha):
    cost, T, V = problem(seed, alpha)
    V = V - V.mean(axis=0)
    zero = np.full((cost.n_classes, len(cost.y)), 1 / cost.n_classes)
    solve = bound(cost)
    np.testing.assert_allclose(solve(cost.hessian_product(zero, V)), V, atol=1e-9)
    elsewhere = dense(cost, probabilities(cost, T))
    excess = cost.n_classes / 2 * dense(cost, zero) - elsewhere
    assert np.linalg.eigvalsh(elsewhere).min() >= -1e-12
    assert np.linalg.eigvalsh(excess).min() >= -1e-12
