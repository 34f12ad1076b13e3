"""Taking some columns of a pack: they go on as if they had always been alone."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.pack import PackState, advance
from model.scoring import score

N_CLASSES, N_FEATURES = 4, 12
COLUMNS = [(1e-6, 0.0), (2e-6, 10.0), (5e-7, 1000.0), (1e-6, 3e4), (3e-6, 0.5)]


def images():
    rng = np.random.default_rng(0)
    y = np.arange(90) % N_CLASSES
    centres = rng.uniform(0, 255, (N_CLASSES, N_FEATURES))
    return np.clip(centres[y] + rng.normal(0, 60, (90, N_FEATURES)), 0, 255).astype(np.float32), y


X, Y = images()


def start(columns, batch_size=8):
    learning_rate, alpha = np.array(columns).T
    return PackState.start(
        batch_size, learning_rate, alpha, n_features=N_FEATURES, n_classes=N_CLASSES, seed=3
    )


def assert_same_bits(one, other):
    for field in fields(PackState):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


subsets = st.sets(st.integers(0, len(COLUMNS) - 1), min_size=1).map(sorted)


@settings(max_examples=20, deadline=None)
@given(subsets, st.integers(0, 3), st.integers(1, 3), st.sampled_from([1, 7, 8, 64, 100]))
def test_columns_that_are_taken_are_trained_as_if_alone(chosen, before, after, batch_size):
    taken = advance(start(COLUMNS, batch_size), X, Y, before).take(np.array(chosen))
    alone = start([COLUMNS[m] for m in chosen], batch_size)
    ours = advance(taken, X, Y, before + after)
    theirs = advance(alone, X, Y, before + after)
    np.testing.assert_allclose(score(ours, X, Y).cost, score(theirs, X, Y).cost, rtol=1e-4)
    for m in range(len(chosen)):
        for one, other in zip(ours.weights(m), theirs.weights(m), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(other).max() + 1e-9)


@settings(max_examples=20, deadline=None)
@given(subsets, st.integers(0, 2))
def test_columns_that_are_taken_keep_their_bits(chosen, epoch):
    state = advance(start(COLUMNS), X, Y, epoch)
    taken = state.take(np.array(chosen))
    assert (taken.width, taken.epoch, taken.seed) == (len(chosen), epoch, state.seed)
    assert taken.learning_rate.tolist() == [COLUMNS[m][0] for m in chosen]
    assert taken.alpha.tolist() == [COLUMNS[m][1] for m in chosen]
    for place, m in enumerate(chosen):
        for one, other in zip(taken.weights(place), state.weights(m), strict=True):
            np.testing.assert_array_equal(one, other)


@given(subsets, st.data())
def test_taking_twice_is_taking_once(chosen, data):
    state = advance(start(COLUMNS), X, Y, 1)
    places = data.draw(st.sets(st.integers(0, len(chosen) - 1), min_size=1).map(sorted))
    twice = state.take(np.array(chosen)).take(np.array(places))
    assert_same_bits(twice, state.take(np.array(chosen)[places]))


def test_all_columns_are_the_state_itself():
    state = advance(start(COLUMNS), X, Y, 1)
    assert state.take(np.arange(len(COLUMNS))) is state


def test_taking_leaves_the_state_as_it_is():
    state, again = (advance(start(COLUMNS), X, Y, 1) for _ in range(2))
    advance(state.take(np.array([1, 3])), X, Y, 3)
    assert_same_bits(state, again)


@pytest.mark.parametrize("m", range(len(COLUMNS)))
def test_a_single_column(m):
    state = advance(start(COLUMNS), X, Y, 2)
    alone = score(state.take(np.array([m])), X, Y)
    beside = score(state, X, Y)
    np.testing.assert_allclose(alone.cost[0], beside.cost[m], rtol=1e-5)
    assert alone.accuracy[0] == beside.accuracy[m]
