"""The packed trainer with every kind of product: against the textbook, and its promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import MissingProductsError
from model.pack import PackState, advance, advance_averaging
from model.products import KINDS, products_named
from model.products.fixed_point import FixedPointProducts
from model.scoring import penalty, score
from model.softmax import SoftmaxRegression

N_CLASSES, N_FEATURES = 10, 30


@pytest.fixture(params=KINDS, scope="module")
def way(request):
    try:
        return products_named(request.param)
    except MissingProductsError as missing:
        pytest.skip(str(missing))


def images(n, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, 255, (N_CLASSES, N_FEATURES))
    y = rng.integers(0, N_CLASSES, n)
    X = np.clip(np.rint(centres[y] + rng.normal(0, 60, (n, N_FEATURES))), 0, 255)
    return X.astype(np.float32), y


def start(batch_size, columns, seed=0):
    learning_rate, alpha = np.array(columns, np.float64).T
    return PackState.start(batch_size, learning_rate, alpha, n_features=N_FEATURES,
                           n_classes=N_CLASSES, seed=seed)  # fmt: skip


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
        for name in ("learning_rate", "alpha", "V", "scale", "b")
    )


COLUMNS = st.lists(
    st.tuples(
        st.floats(-8, -5.5).map(lambda e: 10**e),
        st.one_of(st.just(0.0), st.floats(-2, 4).map(lambda e: 10**e)),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


@pytest.mark.parametrize("batch_size", [8, 32, 64, 200])
@settings(max_examples=6)
@given(columns=COLUMNS, seed=st.integers(0, 2**31), weighted=st.booleans())
def test_packed_equals_textbook(way, batch_size, columns, seed, weighted):
    X, y = images(700, seed)
    weights = np.random.default_rng(seed).uniform(0.5, 2, 700) if weighted else None
    given_weights = None if weights is None else weights.astype(np.float32)
    state, average = advance_averaging(
        start(batch_size, columns, seed), X, y, 2, weights=given_weights, products=way
    )
    found = score(state, X, y, weights=weights, products=way)
    assert np.isfinite(score(average, X, y, products=way).cost).all()
    for m, (rate, alpha) in enumerate(columns):
        alone = SoftmaxRegression(batch_size, rate, 2, alpha, seed=seed, dtype=np.float64)
        alone.fit(X, y, N_CLASSES, weights)
        np.testing.assert_allclose(found.cost[m], alone.cost(X, y, weights), rtol=1e-5)


@given(seed=st.integers(0, 2**31), stops=st.sets(st.integers(1, 5)))
@settings(max_examples=5)
def test_a_trajectory_read_on_the_way_is_bitwise_the_shorter_trial(way, seed, stops):
    X, y = images(300, seed)
    state = fresh = start(16, [(1e-6, 0.1), (1e-7, 100.0)], seed)
    for stop in sorted(stops):
        state, average = advance_averaging(state, X, y, stop, products=way)
        alone, alone_average = advance_averaging(fresh, X, y, stop, products=way)
        assert same(state, alone)
        assert same(average, alone_average)


# Columns whose scales move fast have short blocks, and one diverges.
MANY = [(1e-6, 0.1), (1e-7, 100.0), (1e-6, 9e5), (2e-6, 0.0), (1e-6, 1e6), (1e-6, 1.5e6),
        (5e-7, 1.0), (1e-6, 3e6), (1e-6, 10.0), (1e-9, 1e4)]  # fmt: skip


@pytest.mark.parametrize("made", ["tiles", "bytes", "float64"])
@pytest.mark.parametrize("weighted", [False, True])
@given(some=st.sets(st.integers(0, 39), min_size=1, max_size=30), seed=st.integers(0, 2**31),
       batch_size=st.sampled_from([1, 8, 50, 64, 300]))  # fmt: skip
@settings(max_examples=8)
def test_in_fixed_point_a_trial_has_the_same_bits_in_any_pack(
    made, weighted, some, seed, batch_size
):
    try:
        fixed = FixedPointProducts(made)
    except MissingProductsError as missing:
        pytest.skip(str(missing))
    X, y = images(400, seed)
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, (400, 5)).astype(np.uint8)
    weights = rng.uniform(0.5, 2, 400) if weighted else None
    train = None if weights is None else weights.astype(np.float32)
    places = np.array(sorted(some))
    whole_pack = start(batch_size, MANY * 4, seed)
    outcomes = []
    for state in (whole_pack, whole_pack.take(places)):
        last, average = advance_averaging(state, X, y, 2, weights=train, products=fixed)
        scores = [score(s, X, y, counts, weights, fixed) for s in (last, average)]
        outcomes.append((last, average, scores, penalty(last, alike=True)))
    (last, average, scores, penalties), (last_alone, average_alone, alone, penalties_alone) = (
        outcomes
    )
    assert same(last.take(places), last_alone)
    assert same(average.take(places), average_alone)
    for found, expected in zip(scores, alone, strict=True):
        for name in ("cost", "accuracy", "resampled"):
            assert np.array_equal(getattr(found, name)[places], getattr(expected, name),
                                  equal_nan=True)  # fmt: skip
    assert np.array_equal(penalties[places], penalties_alone, equal_nan=True)


@pytest.mark.parametrize("made", ["tiles", "bytes"])
def test_however_the_sums_are_made_training_gives_the_same_bits(made):
    try:
        fixed = FixedPointProducts(made)
    except MissingProductsError as missing:
        pytest.skip(str(missing))
    X, y = images(500)
    for batch_size in (8, 64, 150):
        state = start(batch_size, MANY)
        found = [
            advance_averaging(state, X.astype(products.row_type), y, 3, products=products)
            for products in (fixed, FixedPointProducts("float64"))
        ]
        assert same(found[0][0], found[1][0])
        assert same(found[0][1], found[1][1])


@pytest.mark.parametrize("weighted", [False, True])
def test_scores_in_fixed_point_are_those_of_numpy(weighted):
    X, y = images(900)
    rng = np.random.default_rng(0)
    counts = rng.multinomial(900, [1 / 900] * 900, 7).T.astype(np.uint8)
    weights = rng.uniform(0.5, 2, 900) if weighted else None
    state = advance(start(32, MANY), X, y, 1)
    found = score(state, X, y, counts, weights, products_named("fixed"))
    expected = score(state, X, y, counts, weights)
    np.testing.assert_allclose(found.cost, expected.cost, rtol=1e-5)
    np.testing.assert_allclose(found.resampled, expected.resampled, rtol=1e-4)
    np.testing.assert_allclose(found.accuracy, expected.accuracy, atol=2 / 900)
    np.testing.assert_allclose(penalty(state, alike=True), penalty(state), rtol=1e-6)


def test_some_columns_of_two_classes_are_scored_as_all_are(way):
    """With one stored class, columns that are taken from an array may lie the other way round."""
    X, y = images(90)
    rates = np.array([1e-7, 2e-7, 3e-7])
    state = PackState.start(8, rates, rates, n_features=N_FEATURES, n_classes=2, seed=0)
    state = advance(state, X, y % 2, 1, products=way)
    some = np.array([0, 2])
    found = score(state.take(some), X, y % 2, products=way).cost
    np.testing.assert_allclose(found, score(state, X, y % 2, products=way).cost[some], rtol=1e-6)
