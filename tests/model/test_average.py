"""The average of an epoch's weights, against the mean of all that the textbook trainer had."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_pack import N_CLASSES, columns_strategy, images, start
from textbook import averaged

from model.average import readings
from model.pack import advance, advance_averaging
from model.scoring import score

BATCH_SIZES = [3, 8, 13, 32, 100, 256, 300, 1024]
# eta and alpha whose product is 1, and a little or much beside it.
STEEP = [(1e-6, product / 1e-6) for product in (0.3, 0.999999, 1.0, 1.000001, 1.5, 1.99)]
MIXED = [(1e-6, 0.1), (1e-7, 1000.0), (2e-6, 0.0), (5e-6, 10.0), *STEEP]


def assert_same_bits(one, other):
    for name in ("V", "scale", "b"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@settings(max_examples=5, deadline=None)
@given(
    columns=columns_strategy,
    steep=st.sampled_from(STEEP),
    epochs=st.integers(1, 3),
    seed=st.integers(0, 2**31),
    n=st.integers(257, 1400),
)
def test_the_average_is_the_textbooks(batch_size, columns, steep, epochs, seed, n):
    columns, (X, y) = [*columns, steep], images(n, seed=seed)
    _, average = advance_averaging(start(batch_size, columns, seed=seed), X, y, epochs)
    cost = score(average, X, y).cost
    for m, (learning_rate, alpha) in enumerate(columns):
        alone = averaged(batch_size, learning_rate, epochs, alpha, X, y, N_CLASSES, seed)
        W, b = average.weights(m)
        np.testing.assert_allclose(cost[m], alone.cost(X, y), rtol=1e-4)
        np.testing.assert_allclose(W, alone.W, atol=1e-4 * np.abs(alone.W).max())
        np.testing.assert_allclose(b, alone.b, atol=1e-4 * np.abs(alone.b).max() + 1e-9)


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
def test_the_average_depends_on_no_neighbour(batch_size):
    X, y = images(700)
    _, average = advance_averaging(start(batch_size, MIXED), X, y, 2)
    for m, column in enumerate(MIXED):
        _, alone = advance_averaging(start(batch_size, [column]), X, y, 2)
        for ours, its in zip(average.weights(m), alone.weights(0), strict=True):
            np.testing.assert_allclose(ours, its, atol=1e-5 * np.abs(its).max())


@given(
    batch_size=st.sampled_from(BATCH_SIZES),
    n=st.integers(1, 600),
    stops=st.sets(st.integers(0, 4)),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=20, deadline=None)
def test_averaging_changes_no_bit_wherever_the_way_is_cut(batch_size, n, stops, seed):
    X, y = images(n, seed=seed)
    state = start(batch_size, MIXED, seed=seed)
    last, average = advance_averaging(state, X, y, 5)
    assert_same_bits(last, advance(state, X, y, 5))
    for stop in sorted(stops):
        state = advance(state, X, y, stop)
        for one, other in zip(advance_averaging(state, X, y, 5), (last, average), strict=True):
            assert_same_bits(one, other)
            assert (one.epoch, one.seed, one.batch_size) == (5, seed, batch_size)


def test_without_an_epoch_there_is_nothing_to_average():
    X, y = images(300)
    state = advance(start(8, MIXED), X, y, 1)
    for same in advance_averaging(state, X, y, 1):
        assert_same_bits(same, state)
    with pytest.raises(ValueError, match="at epoch 1, beyond 0"):
        advance_averaging(state, X, y, 0)


def test_the_arguments_are_left_alone():
    X, y = images(300)
    state = advance(start(16, MIXED), X, y, 1)
    for array in (X, y, state.V, state.scale, state.b):
        array.flags.writeable = False
    last, average = advance_averaging(state, X, y, 2)
    assert not np.shares_memory(last.V, average.V)


@pytest.mark.parametrize("eta_alpha", [3.0, 1e9, np.inf])
def test_a_column_that_diverges_has_no_average_and_its_neighbours_have(eta_alpha):
    X, y = images(700)
    columns = [(1e-6, 0.1), (1e-6, eta_alpha / 1e-6), (2e-6, 1.0)]
    _, average = advance_averaging(start(8, columns), X, y, 8)
    cost = score(average, X, y).cost
    assert np.isfinite(cost).tolist() == [True, False, True]
    for m in (0, 2):
        alone = averaged(8, columns[m][0], 8, columns[m][1], X, y, N_CLASSES)
        np.testing.assert_allclose(cost[m], alone.cost(X, y), rtol=1e-4)


@given(n=st.integers(1, 3000), batch_size=st.integers(1, 1200))
def test_readings_come_after_whole_mini_batches_and_at_the_end(n, batch_size):
    order = np.arange(n)
    parts = list(readings(order, batch_size))
    assert np.array_equal(np.concatenate(parts), order)
    lengths = {len(part) for part in parts[:-1]}
    assert lengths <= {batch_size * max(1, 256 // batch_size)}
