"""The packed trainer against the textbook trainer, which is its oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model import block
from model.pack import PackState, advance
from model.scoring import score
from model.softmax import SoftmaxRegression

N_CLASSES = 10
GRID_BATCH_SIZES = [8, 16, 32, 64, 128, 256, 512, 1024]


def images(n, n_features=30, seed=0):
    """Raw-pixel-like images whose label can be learnt."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, 255, (N_CLASSES, n_features))
    y = rng.integers(0, N_CLASSES, n)
    X = np.clip(centres[y] + rng.normal(0, 60, (n, n_features)), 0, 255)
    return X.astype(np.float32), y


def start(batch_size, columns, n_features=30, seed=0):
    learning_rate, alpha = np.array(columns, np.float64).T
    return PackState.start(
        batch_size, learning_rate, alpha, n_features=n_features, n_classes=N_CLASSES, seed=seed
    )


def textbook(batch_size, column, epochs, X, y, seed=0):
    learning_rate, alpha = column
    return SoftmaxRegression(
        batch_size, learning_rate, epochs, alpha, seed=seed, dtype=np.float64
    ).fit(X, y, N_CLASSES)


def assert_equals_textbook(state, X, y, columns, epochs, seed=0, rtol=1e-4):
    scores = score(state, X, y)
    for m, column in enumerate(columns):
        alone = textbook(state.batch_size, column, epochs, X, y, seed)
        W, b = state.weights(m)
        np.testing.assert_allclose(scores.cost[m], alone.cost(X, y), rtol=rtol)
        np.testing.assert_allclose(scores.accuracy[m], np.mean(alone.predict(X) == y), atol=2e-3)
        np.testing.assert_allclose(W, alone.W, atol=rtol * np.abs(alone.W).max())
        np.testing.assert_allclose(b, alone.b, atol=rtol * np.abs(alone.b).max() + 1e-9)


columns_strategy = st.lists(
    st.tuples(
        st.floats(-8, -5.3).map(lambda e: 10**e),
        st.one_of(st.just(0.0), st.floats(-2, 4).map(lambda e: 10**e)),
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.parametrize("batch_size", GRID_BATCH_SIZES)
@settings(max_examples=8, deadline=None)
@given(columns=columns_strategy, seed=st.integers(0, 2**31), n=st.integers(1030, 1400))
def test_packed_equals_textbook(batch_size, columns, seed, n):
    X, y = images(n, seed=seed)
    state = advance(start(batch_size, columns, seed=seed), X, y, 2)
    assert_equals_textbook(state, X, y, columns, 2, seed)


@pytest.mark.parametrize("block_rows", [1, 8, 24, 56, 1024])
def test_every_block_length_takes_the_same_steps(block_rows, monkeypatch):
    monkeypatch.setattr(block, "NARROW_BLOCK_ROWS", block_rows)
    X, y = images(501)
    columns = [(1e-6, 0.1), (1e-7, 1000.0), (2e-6, 0.0)]
    assert_equals_textbook(advance(start(8, columns), X, y, 3), X, y, columns, 3)


@pytest.mark.parametrize("eta_alpha", [0.3, 0.9, 0.999999, 1.0, 1.000001, 1.5, 1.99])
@pytest.mark.parametrize("batch_size", [8, 64, 300])
def test_decay_below_at_and_above_one(eta_alpha, batch_size):
    X, y = images(700)
    columns = [(1e-6, eta_alpha / 1e-6), (1e-6, 0.1)]
    assert_equals_textbook(advance(start(batch_size, columns), X, y, 2), X, y, columns, 2)


@pytest.mark.parametrize("eta_alpha", [3.0, 1e9, 1e30, np.inf])
def test_divergence_stays_in_its_column(eta_alpha):
    X, y = images(700)
    columns = [(1e-6, 0.1), (1e-6, eta_alpha / 1e-6), (2e-6, 1.0)]
    state = advance(start(8, columns), X, y, 8)
    cost = score(state, X, y).cost
    assert np.isfinite(cost).tolist() == [True, False, True]
    for m in (0, 2):
        alone = textbook(8, columns[m], 8, X, y)
        np.testing.assert_allclose(cost[m], alone.cost(X, y), rtol=1e-4)


def test_a_neighbour_that_diverges_changes_no_bit():
    X, y = images(700)
    costs = []
    for eta_alpha in (3.0, 0.5):  # the scale doubles or halves: the same block length
        columns = [(1e-6, 0.1), (1e-6, eta_alpha / 1e-6), (2e-6, 1.0)]
        costs.append(score(advance(start(8, columns), X, y, 8), X, y).cost)
    assert np.isfinite(costs[0]).tolist() == [True, False, True]
    assert costs[0][[0, 2]].tolist() == costs[1][[0, 2]].tolist()


@given(seed=st.integers(0, 2**31), stops=st.sets(st.integers(1, 7)))
@settings(max_examples=10, deadline=None)
def test_a_trajectory_read_on_the_way_is_bitwise_the_shorter_trial(seed, stops):
    X, y = images(300, seed=seed)
    columns = [(1e-6, 0.1), (1e-7, 100.0)]
    fresh = start(16, columns, seed=seed)
    state = fresh
    for stop in sorted(stops):
        state = advance(state, X, y, stop)
        alone = advance(fresh, X, y, stop)
        for name in ("V", "scale", "b"):
            assert np.array_equal(getattr(state, name), getattr(alone, name))
        assert np.array_equal(score(state, X, y).cost, score(alone, X, y).cost)


def test_advance_leaves_its_arguments_alone():
    X, y = images(200)
    for array in (X, y):
        array.flags.writeable = False
    state = advance(start(16, [(1e-6, 0.1)]), X, y, 1)
    before = state.V.copy(), state.scale.copy(), state.b.copy()
    advance(state, X, y, 2)
    for array, old in zip((state.V, state.scale, state.b), before, strict=True):
        assert np.array_equal(array, old)
    with pytest.raises(ValueError, match="at epoch 1, beyond 0"):
        advance(state, X, y, 0)


def test_a_million_gentle_steps_of_decay_are_not_lost_to_rounding():
    X = np.zeros((1000, 4), np.float32)
    y = np.arange(1000) % N_CLASSES
    state = advance(start(1, [(5e-8, 0.01)], n_features=4), X, y, 50)
    np.testing.assert_allclose(state.scale, (1 - 5e-10) ** 50_000, rtol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_few_classes(n_classes):
    X, y = images(400)
    y %= n_classes
    state = PackState.start(
        32, np.array([1e-6]), np.array([0.1]), n_features=30, n_classes=n_classes, seed=0
    )
    alone = SoftmaxRegression(32, 1e-6, 2, 0.1, dtype=np.float64).fit(X, y)
    cost = score(advance(state, X, y, 2), X, y).cost[0]
    np.testing.assert_allclose(cost, alone.cost(X, y), rtol=1e-4)


def test_a_pack_of_many_classes_is_the_textbook():
    assert block.block_rows(129, 8) == block.MANY_BLOCK_ROWS
    assert block.block_rows(9, 64) == block.BLOCK_ROWS  # of the full grid
    assert block.block_rows(9, 8) == block.NARROW_BLOCK_ROWS
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(500, 6)).astype(np.float32), np.arange(500) % 130
    rates, alphas = np.geomspace(0.1, 1, 8), np.geomspace(1e-3, 1e-1, 8)
    start = PackState.start(16, rates, alphas, n_features=6, n_classes=130, seed=0)
    last = advance(start, X, y, 2)
    for m, (rate, alpha) in enumerate(zip(rates, alphas, strict=True)):
        oracle = SoftmaxRegression(16, rate, 2, alpha, dtype=np.float64).fit(X, y, 130)
        np.testing.assert_allclose(last.weights(m)[0], oracle.W, atol=1e-4)
