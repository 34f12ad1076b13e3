"""Features against scikit-learn's scaler, and a model folded back onto raw pixels."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from model.features import Features, fit_features
from model.pack import PackState, advance_averaging, score

KINDS = ["raw", "unit", "standardized"]


def images(n=300, pixels=20, kind=np.uint8, seed=0):
    """Images with a pixel that never varies, and one that is nearly always black."""
    random = np.random.default_rng(seed)
    looks = random.uniform(0, 255, (4, pixels))
    y = np.arange(n) % 4
    X = np.clip(looks[y] + random.normal(0, 60, (n, pixels)), 0, 255)
    X[:, 0], X[:, 1] = 7, 0
    X[0, 1] = 200
    return X.astype(kind), y


any_images = st.one_of(
    arrays(np.uint8, st.tuples(st.integers(2, 30), st.integers(1, 5))),
    arrays(
        np.float32,
        st.tuples(st.integers(2, 30), st.integers(1, 5)),
        elements=st.integers(-4000, 4000).map(lambda i: i / 16),
    ),
)


@settings(max_examples=30)
@given(any_images, st.data())
def test_standardized_features_are_those_of_scikit_learn(X, data):
    order = np.array(data.draw(st.permutations(range(len(X)))))
    train = order[: data.draw(st.integers(1, len(X)))]
    fitted = fit_features("standardized", X, train)
    seen = fitted.apply(X, order)
    oracle = StandardScaler().fit(X[train].astype(np.float64))
    varies = np.ptp(X[train].astype(np.float64), axis=0) > 0
    expected = np.where(varies, oracle.transform(X[order].astype(np.float64)), 0)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, expected, rtol=1e-6, atol=1e-6)


@settings(max_examples=30)
@given(any_images, st.data())
def test_unit_features_are_those_of_scikit_learn_and_bytes_are_pixels(X, data):
    train = np.arange(data.draw(st.integers(1, len(X))))
    seen = fit_features("unit", X, train).apply(X)
    if X.dtype == np.uint8:
        expected = X / 255
    else:  # one scale for all features
        flat = X.astype(np.float64).reshape(-1, 1)
        expected = MaxAbsScaler().fit(flat[: train.size * X.shape[1]]).transform(flat)
        expected = np.where(np.any(X[train]), expected.reshape(X.shape), 0)
    np.testing.assert_allclose(seen, expected, rtol=1e-6)


@settings(max_examples=30)
@given(any_images)
def test_raw_features_are_the_pixels_to_the_bit(X):
    order = np.arange(len(X))[::-1]
    seen = fit_features("raw", X, order).apply(X, order)
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(seen, X[order].astype(np.float32))


def test_a_constant_that_has_no_exact_mean_is_constant_all_the_same():
    X = np.full((1000, 1), 0.1, np.float32)
    X[-1] = 5  # which the training part does not know
    fitted = fit_features("standardized", X, np.arange(999))
    assert (fitted.apply(X) == 0).all()


def test_the_statistics_are_those_of_all_chunks():
    X, _ = images(n=5000)
    fitted = fit_features("standardized", X, np.arange(4000))
    np.testing.assert_allclose(fitted.shift, X[:4000].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(1 / fitted.scale[1:], X[:4000].std(axis=0)[1:], rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_no_second_array_of_all_images_is_made(kind):
    X = np.random.default_rng(0).integers(0, 256, (40_000, 50), np.uint8)
    order = np.arange(len(X))[::-1]
    tracemalloc.start()
    try:
        seen = fit_features(kind, X, order).apply(X, order)
        assert tracemalloc.get_traced_memory()[1] < 1.4 * seen.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_folded_model_does_on_raw_pixels_what_it_did_on_features(kind, dtype):
    X, y = images(kind=dtype)
    fitted = fit_features(kind, X, np.arange(200))
    rate = np.array([1e-6, 1e-5] if kind == "raw" else [1e-2, 1e-1])
    start = PackState.start(8, rate, np.array([0.0, 1e-3]), n_features=20, n_classes=4, seed=0)
    for state in advance_averaging(start, fitted.apply(X), y, 3):
        folded = fitted.fold(state)
        seen, raw = score(state, fitted.apply(X), y), score(folded, X.astype(np.float32), y)
        np.testing.assert_allclose(raw.cost, seen.cost, rtol=1e-5)
        np.testing.assert_array_equal(raw.accuracy, seen.accuracy)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(2, 4), st.integers(1, 3))
def test_folding_moves_shift_and_scale_into_weights_and_bias(seed, classes, columns):
    random = np.random.default_rng(seed)
    state = PackState.start(
        1, np.ones(columns), np.zeros(columns), n_features=5, n_classes=classes, seed=0
    )
    state = replace(
        state,
        V=random.normal(size=state.V.shape).astype(np.float32),
        scale=random.uniform(0.5, 2, columns),
        b=random.normal(size=state.b.shape).astype(np.float32),
    )
    features = Features(random.normal(size=5), random.uniform(0, 3, 5))
    X = random.normal(size=(7, 5))
    for m in range(columns):
        (W, b), (raw_W, raw_b) = state.weights(m), features.fold(state).weights(m)
        expected = (X - features.shift) * features.scale @ W + b
        np.testing.assert_allclose(X @ raw_W + raw_b, expected, atol=1e-4)


def test_raw_features_fold_to_the_same_bits():
    X, y = images()
    start = PackState.start(
        8, np.array([1e-6]), np.array([1.0]), n_features=20, n_classes=4, seed=0
    )
    state, _ = advance_averaging(start, X.astype(np.float32), y, 1)
    folded = fit_features("raw", X, np.arange(200)).fold(state)
    for mine, theirs in zip(folded.weights(0), state.weights(0), strict=True):
        np.testing.assert_array_equal(mine, theirs)
