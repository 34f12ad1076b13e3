"""Features against scikit-learn's scaler, and of columns that float32 cannot hold."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from model.features import fit_features, lost_columns

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
def test_unit_features_are_those_of_scikit_learn_by_values_and_not_by_type(X, data):
    train = np.arange(data.draw(st.integers(1, len(X))))
    seen = fit_features("unit", X, train).apply(X)
    flat = X.astype(np.float64).reshape(-1, 1)  # one scale for all features
    expected = MaxAbsScaler().fit(flat[: train.size * X.shape[1]]).transform(flat)
    expected = np.where(np.any(X[train]), expected.reshape(X.shape), 0)
    np.testing.assert_allclose(seen, expected, rtol=1e-6)
    np.testing.assert_array_equal(fit_features("unit", X.astype("f8"), train).apply(X), seen)


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


@settings(max_examples=50)
@given(
    st.integers(0, 2**32),
    st.floats(0, 9).map(lambda power: 10**power),
    st.sampled_from(["f8", "i8", "u8", "i4"]),
)
def test_columns_whose_mean_is_large_against_their_spread_lose_nothing(seed, ratio, dtype):
    """Standardized before they are rounded, they are what they were without the mean."""
    random = np.random.default_rng(seed)
    spread = random.uniform(1, 2, 3) if dtype == "f8" else np.array([10, 100, 1000])
    mean = np.rint(ratio * spread * (1 if dtype != "i4" else 1e-3)).clip(
        0, 2**30 if dtype == "i4" else 2**62
    )
    near = random.normal(0, spread, (200, 3))
    if dtype != "f8":
        near, mean = np.rint(np.abs(near)), np.rint(mean)
    X = (near + mean).astype(dtype)
    seen = fit_features("standardized", X, np.arange(150)).apply(X)
    expected = StandardScaler().fit(near[:150]).transform(near)
    np.testing.assert_allclose(seen, expected, atol=1e-5)


def test_identifiers_of_64_bits_stay_apart():
    X = (10**18 + np.arange(101))[:, None]
    seen = fit_features("standardized", X, np.arange(101)).apply(X)
    assert len(np.unique(seen)) == 101
    assert seen.std() == pytest.approx(1, rel=1e-3)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from(["f8", "i8", "i4"]))
def test_a_column_that_float32_cannot_hold_is_named(seed, dtype):
    random = np.random.default_rng(seed)
    held, lost = random.integers(0, 2**20, (50, 1)), 2**30 + random.integers(0, 2**10, (50, 1))
    constant = np.full((50, 1), 2**30 + 1)
    X = np.hstack([held, lost, constant]).astype(dtype)
    for kind in ("raw", "unit"):
        assert lost_columns(kind, X) == [1]
    assert lost_columns("standardized", X) == []
    for narrow in (np.uint8, np.int16, np.float16, np.float32):
        assert lost_columns("raw", (X % 100).astype(narrow)) == []
