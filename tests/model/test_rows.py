"""Weights, folds with features of their own, and a validation part of one's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler
from textbook import averaged

from model.data.dataset import Dataset
from model.examples import Examples
from model.optima.newton import softmax_optimum
from model.pack import PackState, advance, advance_averaging
from model.results import LegTask
from model.scoring import score
from model.shuffle import fold_rows, split_order
from model.softmax import SoftmaxRegression
from model.tasks import run_link, run_refit

RATES, ALPHAS = np.array([0.02, 0.1, 0.3]), np.array([0.0, 1e-3, 0.1])


def rows(n, seed=0, features=4):
    random = np.random.default_rng(seed)
    y = np.concatenate([np.arange(3), random.integers(0, 3, n - 3)])
    return random.normal(size=(n, features)) + np.eye(3, features)[y], y


def start(batch_size, features=4, seed=0):
    return PackState.start(batch_size, RATES, ALPHAS, n_features=features, n_classes=3, seed=seed)


# --- weights


@pytest.mark.parametrize("batch_size", [1, 3, 8, 64, 200])
def test_a_weighted_pack_is_the_textbook(batch_size):
    X, y = rows(70)
    weights = np.random.default_rng(1).exponential(size=70).astype(np.float32)
    last, average = advance_averaging(
        start(batch_size), X.astype(np.float32), y, 3, weights=weights
    )
    for m, (rate, alpha) in enumerate(zip(RATES, ALPHAS, strict=True)):
        textbook = SoftmaxRegression(batch_size, rate, 3, alpha, dtype=np.float64)
        textbook.fit(X, y, 3, weights=weights)
        mean = averaged(batch_size, rate, 3, alpha, X, y, 3, weights=weights)
        for state, oracle in ((last, textbook), (average, mean)):
            W, b = state.weights(m)
            # The textbook's classes sum to zero too, as it starts at zero.
            np.testing.assert_allclose(W, oracle.W, atol=2e-5)
            np.testing.assert_allclose(b, oracle.b, atol=2e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 4, 32]))
def test_weights_of_one_change_nothing(seed, batch_size):
    X, y = rows(40, seed)
    X = X.astype(np.float32)
    plain = advance(start(batch_size), X, y, 2)
    weighted = advance(start(batch_size), X, y, 2, weights=np.ones(40, np.float32))
    np.testing.assert_allclose(weighted.V, plain.V, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(weighted.b, plain.b, rtol=1e-4, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_weighted_scores_are_scikit_learns(seed):
    random = np.random.default_rng(seed)
    X, y = rows(50, seed)
    X, weights = X.astype(np.float32), random.exponential(size=50)
    state = advance(start(8), X, y, 2)
    counts = random.integers(0, 4, (50, 6)).astype(np.uint8)
    found = score(state, X, y, counts, weights)
    for m in range(len(RATES)):
        W, b = state.weights(m)
        Z = X.astype(np.float64) @ W + b
        p = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
        expected = log_loss(y, p, sample_weight=weights, labels=[0, 1, 2])
        assert found.cost[m] == pytest.approx(expected, rel=1e-5)
        hits = p.argmax(axis=1) == y
        assert found.accuracy[m] == pytest.approx(np.average(hits, weights=weights), rel=1e-12)
        for sample in range(6):
            drawn = log_loss(y, p, sample_weight=weights * counts[:, sample], labels=[0, 1, 2])
            assert found.resampled[m, sample] == pytest.approx(drawn, rel=1e-5)


def test_whole_weights_are_repeated_rows_in_descent_and_optimum():
    X, y = rows(40)
    times = np.random.default_rng(2).integers(0, 4, 40)
    times[:3] = 1
    many, often = np.repeat(X, times, axis=0), np.repeat(y, times)
    weights = times / times.mean()
    weighted = SoftmaxRegression(40, 0.3, 50, 0.01, dtype=np.float64)
    weighted.fit(X, y, 3, weights=weights)
    repeated = SoftmaxRegression(len(often), 0.3, 50, 0.01, dtype=np.float64).fit(many, often, 3)
    np.testing.assert_allclose(weighted.W, repeated.W, atol=1e-12)
    assert weighted.cost(X, y, weights) == pytest.approx(repeated.cost(many, often), rel=1e-12)
    assert weighted.accuracy(X, y, weights) == pytest.approx(repeated.accuracy(many, often))
    ours = softmax_optimum(X, y, 0.01, 3, weights=weights)
    theirs = softmax_optimum(many, often, 0.01, 3)
    np.testing.assert_allclose(ours.W, theirs.W, atol=1e-5)
    assert ours.penalised_cost == pytest.approx(theirs.penalised_cost, rel=1e-10)


def test_the_weighted_optimum_is_scikit_learns():
    X, y = rows(60)
    weights = np.random.default_rng(3).exponential(size=60)
    weights /= weights.mean()
    ours = softmax_optimum(X, y, 0.05, 3, weights=weights)
    peer = LogisticRegression(C=1 / (0.05 * 60), tol=1e-12, max_iter=10_000)
    peer.fit(X, y, sample_weight=weights)
    Z = X @ ours.W + ours.b
    np.testing.assert_allclose(
        np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True), peer.predict_proba(X), atol=1e-6
    )


def test_weights_stand_beside_their_rows_in_all_parts():
    X, y = rows(50)
    X_val, y_val = rows(10, seed=1)
    weights = np.arange(50.0) + 1
    data = Dataset(
        "a", X, y, X_val=X_val, y_val=y_val, weights=weights, weights_val=np.arange(10.0) + 100
    )
    examples = Examples.from_dataset(data, 0.2, 0)
    order = split_order(50, 0)
    np.testing.assert_array_equal(examples.weights, [*weights[order], *np.arange(10.0) + 100])
    assert examples.training(0).weights.tolist() == weights[order].tolist()
    refit = run_refit(
        examples, {"batch_size": 8, "learning_rate": 0.1, "epochs": 2, "alpha": 0.0}, 3
    )
    oracle = SoftmaxRegression(8, 0.1, 2, 0.0, seed=3, dtype=np.float64).fit(
        np.concatenate([X[order], X_val]), np.concatenate([y[order], y_val]), 3, examples.weights
    )
    np.testing.assert_allclose(refit.states["last"].weights(0)[0], oracle.W, atol=1e-2)


# --- a validation part of one's own


def test_all_training_rows_train_and_ones_own_rows_score():
    X, y = rows(50)
    X_val, y_val = rows(20, seed=1)
    data = Dataset("a", X, y, X_val=X_val, y_val=y_val)
    assert data.parts(0.2) == (50, 20)
    examples = Examples.from_dataset(data, 0.2, 0, features="standardized")
    scaler = StandardScaler().fit(X)
    order = split_order(50, 0)
    training, scoring = examples.training(0), examples.validation(0)
    np.testing.assert_allclose(training.X, scaler.transform(X[order]), atol=1e-6)
    np.testing.assert_allclose(scoring.X, scaler.transform(X_val), atol=1e-6)
    assert training.y.tolist() == y[order].tolist()
    assert scoring.y.tolist() == y_val.tolist()
    assert examples.counts.shape[0] == 20
    legs = [LegTask(3, np.arange(3), np.arange(3))]
    result = run_link(examples, start(8), np.arange(3), legs)
    oracle = SoftmaxRegression(8, 0.1, 3, 1e-3, dtype=np.float64).fit(training.X, training.y, 3)
    cost = result.legs[0].scores["last"].cost[1]
    assert cost == pytest.approx(oracle.cost(scoring.X, scoring.y), rel=1e-4)


def test_a_clock_that_is_set_back_meanwhile_makes_no_link_shorter_than_nothing(monkeypatch):
    X, y = rows(50)
    examples = Examples.from_dataset(Dataset("a", X, y), 0.2, 0)
    times = iter(range(10**9, 0, -3600))
    monkeypatch.setattr("model.tasks.time.time", lambda: float(next(times)))
    legs = [LegTask(epoch, np.arange(3), np.arange(3)) for epoch in (1, 2)]
    result = run_link(examples, start(8), np.arange(3), legs)
    assert result.started_at == 10**9
    assert 0 < result.seconds < 300
    assert all(0 < leg.seconds < 300 for leg in result.legs)


# --- features of folds


@pytest.mark.parametrize("features", ["unit", "standardized"])
def test_features_are_fitted_in_each_fold_on_the_rows_that_train_it(features):
    X, y = rows(31)
    data, order = Dataset("a", X, y), split_order(31, 5)
    examples = Examples.from_dataset(data, 1 / 3, 5, features=features, folds=3, resampled=False)
    for replicate in range(6):
        fold = np.arange(31)[fold_rows(31, 3, replicate % 3)]
        train = np.setdiff1d(np.arange(31), fold)
        inside = X[order][train]
        if features == "unit":
            expected = X[order] / np.abs(inside).max()
        else:
            expected = StandardScaler().fit(inside).transform(X[order])
        training, scoring = examples.training(replicate), examples.validation(replicate)
        np.testing.assert_array_equal(training.rows, train)
        np.testing.assert_allclose(training.X[training.rows], expected[train], atol=1e-6)
        np.testing.assert_allclose(scoring.X, expected[fold], atol=1e-6)
        legs = [LegTask(2, np.arange(3), np.arange(3))]
        result = run_link(examples, start(8), np.arange(3), legs, replicate)
        oracle = SoftmaxRegression(8, 0.1, 2, 1e-3, dtype=np.float64)
        oracle.fit(expected[train], y[order][train], 3)
        told = result.legs[0].scores["last"].cost[1]
        assert told == pytest.approx(oracle.cost(expected[fold], y[order][fold]), rel=1e-4)
    whole = X / np.abs(X).max() if features == "unit" else StandardScaler().fit_transform(X)
    np.testing.assert_allclose(examples.all().X, whole[order], atol=1e-6)


def test_raw_features_of_folds_are_one_array():
    X, y = rows(30)
    examples = Examples.from_dataset(Dataset("a", X, y), 1 / 3, 0, folds=3, resampled=False)
    assert examples.X.shape == (30, 4)
    assert examples.training(1).X is examples.X
