"""The saved model gives the figures that were told: in any batch, in any process, on any data."""

import json
import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from threadpoolctl import threadpool_limits

from model.data.assembly import assemble
from model.data.found import Found, Part
from model.errors import DataError
from model.examples import Examples
from model.softmax import SoftmaxRegression, log_softmax
from model.tasks import run_refit
from search.config import Params
from search.engine import final_models, final_scores

PARAMS = Params(batch_size=16, learning_rate=0.05, epochs=10, alpha=1e-3)
LABELS = [
    [0, 1, 2],
    [-1, 1, 7],
    [100, 500, 900],
    ["setosa", "virginica", "élan"],
    [False, True, True],
    [1.0, 2.0, 3.0],
]


class Saved:
    """What `SoftmaxRegression.save` wrote, as something that can be opened."""

    def __init__(self, model):
        self._file = BytesIO()
        model.save(self._file)

    def open(self, mode):
        return BytesIO(self._file.getvalue())


def trained(X, y, X_test, y_test, features="standardized", params=PARAMS, fill=None):
    """Return the final model of a data set, its told figures, and the data set."""
    train, test = Part(X, y, "a: X", "a: y"), Part(X_test, y_test, "a: X_test", "a: y_test")
    data = assemble(Found(name="a", train=train, test=test, fill=fill))
    examples = Examples.from_dataset(data, 0.2, 0, features=features)
    models = final_models(run_refit(examples, dict(params), 0), params, data)
    return models["average"], final_scores(models, data)["average"], data


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    ratio=st.floats(0, 9).map(lambda power: 10.0**power),
    dtype=st.sampled_from(["f8", "f8", "i8", "f4"]),
    labels=st.sampled_from(LABELS),
    features=st.sampled_from(["standardized", "standardized", "unit", "raw"]),
    size=st.integers(1, 70),
)
def test_told_is_loaded_is_row_by_row_is_any_batch(seed, ratio, dtype, labels, features, size):
    random = np.random.default_rng(seed)
    places = np.arange(90) % 3
    spread = random.uniform(1, 100, 4)
    X = (random.normal(size=(90, 4)) + np.eye(4)[places]) * spread + ratio * spread
    X, y = np.rint(X).astype(dtype) if dtype == "i8" else X.astype(dtype), np.array(labels)[places]
    params = (
        PARAMS
        if features == "standardized"
        else Params(batch_size=16, learning_rate=1e-30, epochs=2, alpha=0.0)
    )
    model, told, _ = trained(X[:60], y[:60], X[60:], y[60:], features, params)
    loaded = SoftmaxRegression.load(Saved(model))
    X_test, y_test = X[60:], y[60:]
    assert loaded.cost(X_test, y_test) == told.cost
    assert loaded.accuracy(X_test, y_test) == told.accuracy
    predicted = loaded.predict(X_test)
    assert np.mean(predicted == y_test) == told.accuracy
    whole = loaded.log_proba(X_test)
    for start in range(0, 30, size):
        part = slice(start, start + size)
        np.testing.assert_array_equal(loaded.log_proba(X_test[part]), whole[part])
        np.testing.assert_array_equal(loaded.predict(X_test[part]), predicted[part])
    for one, expected in zip(X_test, whole, strict=True):
        np.testing.assert_array_equal(loaded.log_proba(one[None])[0], expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_wide_rows_too_and_on_any_number_of_threads(threads):
    random = np.random.default_rng(0)
    model = SoftmaxRegression(8, 1, 1, 0)
    model.W = random.normal(size=(784, 10)).astype(np.float32)
    model.b = random.normal(size=10).astype(np.float32)
    X = random.integers(0, 256, (5000, 784), np.uint8)
    with threadpool_limits(threads):
        whole = model.log_proba(X)
        for start, stop in ((0, 1), (1, 3), (7, 100), (100, 2500), (2049, 5000)):
            np.testing.assert_array_equal(model.log_proba(X[start:stop]), whole[start:stop])
    oracle = log_softmax(X.astype(np.float64) @ model.W.astype(np.float64) + model.b)
    np.testing.assert_allclose(whole, oracle, rtol=1e-10, atol=1e-8)


@pytest.mark.parametrize("ratio", [0, 1e4, 1e7, 1e9])
def test_a_mean_of_any_size_costs_no_accuracy(ratio):
    X, y = load_breast_cancer(return_X_y=True)
    moved = X + ratio * X.std(axis=0)
    model, told, _ = trained(moved[::2], y[::2], moved[1::2], y[1::2])
    _, plain, _ = trained(X[::2], y[::2], X[1::2], y[1::2])
    assert told.accuracy == pytest.approx(plain.accuracy, abs=1 / 284)
    assert told.accuracy > 0.95
    assert np.mean(model.predict(moved[1::2]) == y[1::2]) == told.accuracy


def test_a_fresh_process_reaches_what_was_told(tmp_path):
    X, y = load_breast_cancer(return_X_y=True)
    X, y = X + 1e7 * X.std(axis=0), np.array(["malignant", "benign"])[y]
    model, told, _ = trained(X[::2], y[::2], X[1::2], y[1::2])
    model.save(tmp_path / "model.npz")
    np.savez(tmp_path / "rows.npz", X=X[1::2], y=y[1::2])
    code = (
        "import json, numpy as np; from pathlib import Path\n"
        "from model.softmax import SoftmaxRegression\n"
        "model = SoftmaxRegression.load(Path('model.npz')); rows = np.load('rows.npz')\n"
        "one = [model.predict(row[None])[0] for row in rows['X']]\n"
        "print(json.dumps([model.cost(rows['X'], rows['y']), np.mean(one == rows['y'])]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(found.stdout) == [told.cost, told.accuracy]


def test_labels_features_and_settings_come_back(tmp_path):
    X, y = np.random.default_rng(0).normal(size=(30, 2)), np.array(["b", "a", "c"] * 10)
    model, _, data = trained(X, y, X, y)
    loaded = SoftmaxRegression.load(Saved(model))
    assert loaded.classes.tolist() == ["a", "b", "c"] == list(data.classes)
    assert set(loaded.predict(X)) <= {"a", "b", "c"}
    assert loaded.feature_names == ()
    np.testing.assert_array_equal(loaded.features.shift, model.features.shift)
    with pytest.raises(DataError, match=r"'d'.*not among the training labels a, b, c"):
        loaded.cost(X[:1], np.array(["d"]))


def test_a_model_saved_before_there_were_features_is_of_raw_values():
    random = np.random.default_rng(1)
    model = SoftmaxRegression(8, 1e-6, 1, 0.0)
    X, y = random.integers(0, 256, (40, 5), np.uint8), np.arange(40) % 3
    model.fit(X, y)
    file = BytesIO()
    np.savez(
        file, W=model.W, b=model.b, batch_size=8, learning_rate=1e-6, epochs=1, alpha=0.0, seed=0
    )

    class Old:
        def open(self, mode):
            return BytesIO(file.getvalue())

    loaded = SoftmaxRegression.load(Old())
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.predict(X).dtype.kind == "i"
    assert loaded.cost(X, y) == model.cost(X, y)


def test_missing_values_are_filled_or_refused():
    X, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 2
    fill = X.mean(axis=0)
    model, _, _ = trained(X, y, X, y, fill=fill)
    holes = X[:3].copy()
    holes[1, 0] = np.nan
    filled = np.where(np.isnan(holes), fill, holes)
    np.testing.assert_array_equal(model.log_proba(holes), model.log_proba(filled))
    model.fill = None
    with pytest.raises(DataError, match=r"Row 2 \(counted from 1\) holds nan at feature 0"):
        model.predict(holes)


@pytest.mark.parametrize("X", [np.zeros((3, 3)), np.zeros(2), np.array([["a", "b"]])])
def test_rows_of_another_kind_are_refused(X):
    model, _, _ = trained(np.eye(2), np.array([0, 1]), np.eye(2), np.array([0, 1]))
    with pytest.raises(DataError, match=r"the model takes numbers of the shape \(n, 2\)"):
        model.predict(X)


def test_no_rows_have_no_labels():
    model, _, _ = trained(np.eye(2), np.array([0, 1]), np.eye(2), np.array([0, 1]))
    assert model.predict(np.zeros((0, 2))).shape == (0,)
    assert model.predict_proba(np.zeros((0, 2))).shape == (0, 2)


def test_images_are_taken_as_they_lie():
    random = np.random.default_rng(0)
    X, y = random.integers(0, 256, (20, 4, 5), np.uint8), np.arange(20) % 2
    model, _, _ = trained(X, y, X, y)
    np.testing.assert_array_equal(model.predict(X), model.predict(X.reshape(20, -1)))


@pytest.mark.parametrize(
    "changed",
    [
        {"b": np.zeros(3)},
        {"shift": np.zeros(3)},
        {"scale": np.ones((2, 2))},
        {"classes": np.array(["a"])},
        {"feature_names": np.array(["a"])},
        {"fill": np.zeros(3)},
        {"W": np.zeros((2, 2), int)},
        {"W": np.zeros(2)},
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(tmp_path, changed):
    model, _, _ = trained(np.eye(2), np.array([0, 1]), np.eye(2), np.array([0, 1]))
    model.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as saved:
        arrays = dict(saved)
    np.savez(tmp_path / "model.npz", **(arrays | changed))
    with pytest.raises(DataError, match=r"model\.npz is not a saved softmax regression"):
        SoftmaxRegression.load(tmp_path / "model.npz")


def test_a_lack_of_memory_says_nothing_of_the_file(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise MemoryError

    model, _, _ = trained(np.eye(2), np.array([0, 1]), np.eye(2), np.array([0, 1]))
    model.save(tmp_path / "model.npz")
    monkeypatch.setattr(np, "load", refuse)
    with pytest.raises(MemoryError):
        SoftmaxRegression.load(tmp_path / "model.npz")
