"""The classifier keeps scikit-learn's promises, and is the textbook's model."""

import pickle
import re
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from model import seen_rows
from model.features import fit_features
from model.softmax import SoftmaxRegression
from search.estimators import SoftmaxClassifier

WEIGHTS = (
    "mini-batches are drawn from rows, not from weights: leaving a row out or repeating one makes "
    "other mini-batches"
)
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": WEIGHTS,
    "check_sample_weights_equivalence": WEIGHTS,
}


@parametrize_with_checks(
    [SoftmaxClassifier(), SoftmaxClassifier(average=True, warm_start=True, features="unit")],
    expected_failed_checks=lambda _: EXPECTED,
)
def test_scikit_learn_s_own_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


@settings(max_examples=20)
@given(
    batch_size=st.sampled_from([1, 7, 32, 1000]),
    alpha=st.sampled_from([0.0, 0.1, 10.0]),
    epochs=st.integers(1, 4),
    features=st.sampled_from(["raw", "unit", "standardized"]),
    weighted=st.booleans(),
    classes=st.integers(2, 5),
)
def test_it_is_the_textbook_s_model(batch_size, alpha, epochs, features, weighted, classes):
    rng = np.random.default_rng(epochs)
    X, y = rng.normal(2, 3, (60, 6)), np.arange(60) % classes
    weights = rng.uniform(0.5, 2, 60) if weighted else None
    mine = SoftmaxClassifier(
        batch_size=batch_size, learning_rate=0.01, epochs=epochs, alpha=alpha,
        features=features, random_state=3,
    ).fit(X, y, weights)  # fmt: skip
    book = SoftmaxRegression(
        batch_size, 0.01, epochs, alpha, seed=3, features=fit_features(features, X, np.arange(60)),
        dtype=np.float64,
    ).fit(X, y, weights=None if weights is None else weights / weights.mean())  # fmt: skip
    np.testing.assert_allclose(mine.predict_proba(X), book.predict_proba(X), atol=1e-4)
    np.testing.assert_allclose(mine.model_.W, book.W, atol=1e-4)


def test_coefficients_are_those_of_the_features_as_given(digits):
    X, y = digits
    for rows in (slice(None), y < 2):
        model = SoftmaxClassifier(epochs=3, random_state=0).fit(X[rows], y[rows])
        found = (X[rows] @ model.coef_.T + model.intercept_).squeeze()
        np.testing.assert_allclose(found, model.decision_function(X[rows]), atol=1e-4)


def test_descent_on_all_rows_ends_at_the_exact_minimum(digits):
    X, y = digits
    X = StandardScaler().fit_transform(X)
    exact = LogisticRegression(C=1 / (0.1 * len(y)), max_iter=1000, tol=1e-8).fit(X, y)
    mine = SoftmaxClassifier(
        alpha=0.1, learning_rate=0.3, epochs=1500, features="raw", batch_size=len(y)
    ).fit(X, y)
    np.testing.assert_allclose(mine.predict_proba(X), exact.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize("average", [False, True])
def test_however_it_is_cut_it_gives_the_bits_of_one_fit(digits, average):
    X, y = digits
    given_ = {"average": average, "random_state": 7}
    whole = SoftmaxClassifier(epochs=5, **given_).fit(X, y)
    warm = SoftmaxClassifier(epochs=2, warm_start=True, **given_).fit(X, y)
    warm.set_params(epochs=5).fit(X, y)
    parts = SoftmaxClassifier(**given_)
    for _ in range(5):
        parts.partial_fit(X, y, classes=np.arange(10))
    for other in (warm, parts, pickle.loads(pickle.dumps(whole))):
        np.testing.assert_array_equal(other.predict_proba(X), whole.predict_proba(X))
        assert other.n_iter_ == 5
    with pytest.raises(ValueError, match="fewer than the 5 that were trained"):
        warm.set_params(epochs=4).fit(X, y)


def test_fit_without_warm_start_begins_anew(digits):
    X, y = digits
    model = SoftmaxClassifier(epochs=2, random_state=0)
    first = model.fit(X, y).coef_.copy()
    np.testing.assert_array_equal(model.fit(X, y).coef_, first)


@pytest.mark.parametrize("labels", [["a", "b", "ccc"], [-7, 0, 9]])
def test_labels_come_back_as_they_were(labels):
    X, y = load_iris(return_X_y=True)
    written = np.array(labels)[y]
    model = SoftmaxClassifier(random_state=0).fit(X, written)
    assert model.classes_.tolist() == sorted(labels)
    assert set(model.predict(X)) <= set(labels)
    plain = SoftmaxClassifier(random_state=0).fit(X, y)
    assert (model.predict(X) == np.array(labels)[plain.predict(X)]).all()


def test_booleans_are_two_classes():
    X, y = load_iris(return_X_y=True)
    model = SoftmaxClassifier(random_state=0).fit(X, y == 0)
    assert model.predict(X).dtype == bool
    assert model.score(X, y == 0) == 1.0


@pytest.mark.parametrize("library", [pd, pl])
def test_data_frames(library):
    X, y = load_iris(return_X_y=True)
    names = ["sepal length", "b", "c", "d"]
    frame = library.DataFrame(dict(zip(names, X.T, strict=True)))
    model = SoftmaxClassifier(random_state=0).fit(frame, library.Series(y))
    assert model.feature_names_in_.tolist() == names
    assert tuple(model.model_.feature_names) == tuple(names)
    plain = SoftmaxClassifier(random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.predict(frame), plain.predict(X))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint8, np.int64])
def test_numbers_of_any_type(digits, dtype):
    X, y = digits
    model = SoftmaxClassifier(epochs=5, random_state=0).fit(X.astype(dtype), y)
    plain = SoftmaxClassifier(epochs=5, random_state=0).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize("kind", ["map", "float16", "float32", "pandas", "polars"])
def test_large_rows_are_not_copied(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(seen_rows, "MOST_LAID_OUT", 2**20)
    n, features = 16_000, 256
    labels = np.arange(n) % 4
    X = np.random.default_rng(0).normal(labels[:, None], 4, (n, features)).astype(np.float16)
    columns = [str(i) for i in range(features)]
    if kind == "map":
        np.save(tmp_path / "X.npy", X)
        rows = np.load(tmp_path / "X.npy", mmap_mode="r")
    elif kind == "pandas":
        rows = pd.DataFrame(X.astype(np.float32), columns=columns)
    elif kind == "polars":
        rows = pl.DataFrame(X.astype(np.float32), schema=columns)
    else:
        rows = X.astype(kind)
    SoftmaxClassifier(epochs=1).fit(X[:100], labels[:100])  # what is loaded and compiled once
    tracemalloc.start()
    try:
        model = SoftmaxClassifier(epochs=1, random_state=0).fit(rows, labels)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Of arrays a yes or no for each number, to see that all are finite; of frames their array.
    most = n * features * (4 if kind in ("pandas", "polars") else 1)
    assert taken < most + 12 * 2**20 < 8 * n * features
    monkeypatch.undo()
    laid_out = SoftmaxClassifier(epochs=1, random_state=0).fit(X, labels)
    np.testing.assert_array_equal(model.coef_, laid_out.coef_)


@pytest.mark.parametrize("weighted", [False, True])
def test_its_score_is_scikit_learn_s_accuracy(digits, weighted):
    X, y = digits
    model = SoftmaxClassifier(epochs=2, random_state=0).fit(X, y)
    weights = np.random.default_rng(0).uniform(0, 1, len(y)) if weighted else None
    expected = accuracy_score(y, model.predict(X), sample_weight=weights)
    assert model.score(X, y, weights) == expected
    assert model.score(X.tolist(), pd.Series(y), weights) == expected
    with pytest.raises(ValueError, match="inconsistent"):
        model.score(X, y[:-1])
    with pytest.raises(ValueError, match="1d array"):
        model.score(X, np.stack([y, y], axis=1))


def test_it_works_in_pipelines_and_searches(digits):
    X, y = digits
    pipeline = make_pipeline(StandardScaler(), SoftmaxClassifier(features="raw", random_state=0))
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.9
    search = GridSearchCV(clone(pipeline), {"softmaxclassifier__epochs": [1, 10]}, cv=3).fit(X, y)
    assert search.best_params_ == {"softmaxclassifier__epochs": 10}


def test_rows_that_do_not_count_change_nothing_but_the_batches(digits):
    X, y = digits
    weights = (y < 5).astype(float)
    model = SoftmaxClassifier(epochs=5, random_state=0).fit(X, y, weights)
    assert model.score(X[y < 5], y[y < 5]) > 0.95
    with pytest.raises(ValueError, match="zero"):
        model.fit(X, y, np.zeros(len(y)))
    with pytest.raises(ValueError, match="sample_weight holds -1"):
        model.fit(X, y, np.full(len(y), -1.0))
    with pytest.raises(ValueError, match="all but one class have no weight"):
        model.fit(X, y, (y == 3).astype(float))


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"batch_size": 0}, "batch_size is 0; it must be a whole number from 1"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"epochs": True}, "epochs is True"),
        ({"epochs": -1}, "epochs is -1"),
        ({"learning_rate": 0}, "learning_rate is 0; it must be a positive number, or 'auto'"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'"),
        ({"learning_rate": np.nan}, "learning_rate is nan"),
        ({"alpha": -0.1}, "alpha is -0.1; it must be a number from 0"),
        ({"alpha": np.inf}, "alpha is inf"),
        ({"learning_rate": np.array([1.0, 2.0])}, "learning_rate is array([1., 2.]); it must be"),
        ({"average": "yes"}, "average is 'yes'; it must be True or False"),
        ({"warm_start": 1}, "warm_start is 1; it must be True or False"),
        ({"random_state": -1}, "random_state is -1; it must be a whole number from 0"),
        ({"random_state": "a"}, "random_state is 'a'; it must be a whole number from 0"),
        (
            {"features": "scaled"},
            "features is 'scaled'; it must be 'standardized', 'unit' or 'raw'",
        ),
        ({"learning_rate": 1e6, "features": "raw"}, "diverged at learning_rate=1e"),
    ],
)
def test_what_cannot_be_is_said_in_one_message(digits, params, said):
    X, y = digits
    with pytest.raises(ValueError, match="^" + "(?s:.*)" + re.escape(said)):
        SoftmaxClassifier(**params).fit(X * 1000, y)


def test_partial_fit_needs_the_classes_and_takes_no_others(digits):
    X, y = digits
    model = SoftmaxClassifier()
    with pytest.raises(ValueError, match="classes must be given"):
        model.partial_fit(X, y)
    model.partial_fit(X[y < 3], y[y < 3], classes=[0, 1, 2])
    with pytest.raises(ValueError, match="those of the first call were"):
        model.partial_fit(X, y)


def test_a_constant_feature_and_rows_of_zeros_are_no_trouble():
    X, y = np.zeros((20, 3)), np.arange(20) % 2
    for features in ("raw", "unit", "standardized"):
        found = SoftmaxClassifier(features=features).fit(X, y).predict_proba(X)
        np.testing.assert_allclose(found, 0.5)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("features", ["raw", "standardized"])
def test_it_becomes_a_logistic_regression(n_classes, features):
    X, y = load_iris(return_X_y=True, as_frame=True)
    X, y = X[y < n_classes], np.array(["a", "b", "c"])[y[y < n_classes]]
    model = SoftmaxClassifier(epochs=5, features=features, random_state=0).fit(X, y)
    found = model.to_logistic_regression()
    assert type(found) is LogisticRegression
    assert found.feature_names_in_.tolist() == list(X.columns)
    np.testing.assert_array_equal(found.coef_, model.coef_)
    np.testing.assert_array_equal(found.intercept_, model.intercept_)
    np.testing.assert_array_equal(found.predict(X), model.predict(X))
    np.testing.assert_allclose(found.predict_proba(X), model.predict_proba(X), atol=1e-6)


def test_a_score_by_weights_of_which_none_counts_is_refused():
    X, y = load_iris(return_X_y=True)
    model = SoftmaxClassifier(epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="sample_weight is zero for every row"):
        model.score(X, y, sample_weight=np.zeros(len(y)))
