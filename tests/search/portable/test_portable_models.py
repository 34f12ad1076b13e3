"""The final model in other tools: the same classes and probabilities, by their own readers."""

import json
import os
import subprocess
import sys
from io import BytesIO

import joblib
import numpy as np
import onnxruntime
import pandas as pd
import polars as pl
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load as load_safetensors
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from model.data.found import Reading
from model.data.in_memory import dataset_of
from model.data.sources import load_dataset
from model.features import fit_features
from model.softmax import SoftmaxRegression
from search.portable import as_estimator
from search.portable.onnx_graph import onnx_bytes
from search.portable.scikit_learn import joblib_bytes, skops_bytes
from search.portable.tensors import safetensors_bytes

# What rounding a feature to float32 changes at most, relatively; the model does it.
ROUNDED = 2.0**-24

CLASSES = {
    "text": ["no", "yes", "ü|`\n"],
    "whole numbers with gaps": [-3, 10, 2**40],
    "from 0": [0, 1, 2],
    "booleans": [False, True],
    "two texts": ["spam", "ham"],
    "whole floats": [1.0, 2.0, 5.0],
}


@st.composite
def models(draw):
    """Draw a model with random weights, and rows in the scale of its source."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, D = draw(st.integers(2, 40)), draw(st.integers(1, 12))
    X = rng.normal(size=(n, D)) * 10.0 ** rng.integers(-3, 4, D)
    X += 10.0 ** draw(st.sampled_from([0, 3, 9])) * rng.integers(0, 2, D)
    X[:, rng.random(D) < draw(st.sampled_from([0.0, 0.3]))] = 7.0  # constant
    X = draw(st.sampled_from([X, X.astype(np.float32), X.astype(np.int32)]))
    kind = draw(st.sampled_from(["raw", "unit", "standardized"]))
    labels = sorted(CLASSES[draw(st.sampled_from(sorted(CLASSES)))])
    fill = rng.normal(size=D) if draw(st.booleans()) else None
    model = SoftmaxRegression(
        4, 0.1, 3, 0.0, features=fit_features(kind, X, np.arange(n)), classes=labels, fill=fill
    )
    seen = np.abs(model.features.apply(X)).max(axis=0) + 1e-3
    model.W = (rng.normal(size=(D, len(labels))) / seen[:, None]).astype(np.float32)
    model.b = rng.normal(size=len(labels)).astype(np.float32)
    if fill is not None and X.dtype.kind == "f":
        X = np.where(rng.random(X.shape) < 0.2, np.nan, X)
    return model, X


def plain(model, X):
    """Return the logits by the textbook, without what the model's own code does; and a bound.

    The bound is what the rounding of features can change, and that of what is filled in where
    the rows are float32.
    """
    filled = 0.0 if model.fill is None else np.abs(model.fill * model.features.scale)
    X = X.astype(np.float64)
    if model.fill is not None:
        X = np.where(np.isnan(X), model.fill, X)
    seen = (X - model.features.shift) * model.features.scale
    W = model.W.astype(np.float64)
    size = (np.abs(seen) + filled) @ np.abs(W) + np.abs(model.b)
    return seen @ W + model.b, 4 * ROUNDED * size.max(axis=1) + 1e-12


def assert_same(model, X, labels, probabilities):
    """Compare with the textbook: classes wherever rounding cannot decide, and probabilities."""
    Z, bound = plain(model, X)
    ordered = np.sort(Z, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > 2 * bound
    expected = np.asarray(model.classes)[Z.argmax(axis=1)]
    np.testing.assert_array_equal(np.asarray(labels)[clear], expected[clear])
    assert np.abs(probabilities - softmax(Z, axis=1)).max() <= 2 * bound.max() + 1e-9


@given(models())
@settings(max_examples=25)
def test_scikit_learn_predicts_what_the_model_predicts_on_rows_as_they_are(drawn):
    model, X = drawn
    content = joblib_bytes(as_estimator(model))
    read = joblib.load(BytesIO(content))
    assert_same(model, X, read.predict(X), read.predict_proba(X))
    trusted = [] if model.fill is None else ["numpy.dtype"]
    other = skops.io.loads(skops_bytes(as_estimator(model)), trusted=trusted)
    np.testing.assert_array_equal(other.predict(X), read.predict(X))
    last = read[-1] if isinstance(read, Pipeline) else read
    assert type(last) is LogisticRegression
    assert last.classes_.tolist() == list(model.classes)


@given(models())
@settings(max_examples=25)
def test_onnx_runtime_does_the_arithmetic_of_the_model_itself(drawn):
    model, X = drawn
    session = onnxruntime.InferenceSession(onnx_bytes(model))
    labels, probabilities = session.run(None, {"X": X.astype(np.float64)})
    assert_same(model, X, labels, probabilities)
    # Closer than float32 rounds, because it rounds as the model does.
    np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=1e-9, atol=1e-12)
    assert np.asarray(labels).tolist() == model.predict(X).tolist()


@given(models())
@settings(max_examples=10)
def test_the_arrays_and_the_formula_give_the_logits(drawn):
    model, X = drawn
    content = safetensors_bytes(model, {"classes": list(model.classes)})
    a = load_safetensors(content)
    X = X.astype(np.float64)
    if "fill" in a:
        X = np.where(np.isnan(X), a["fill"], X)
    scope = {"x": X, "float32": np.float32, "float64": np.float64, **a}
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    formula = json.loads(header["__metadata__"]["formula"])
    exec(formula, scope)
    np.testing.assert_allclose(scope["logits"], model.logits(X), rtol=1e-9, atol=1e-9)
    assert json.loads(header["__metadata__"]["classes"]) == list(model.classes)


def test_a_mean_a_billion_times_the_spread_costs_no_class():
    rng = np.random.default_rng(0)
    X = 1.7e9 + rng.normal(size=(500, 3)) * 1e-2
    model = SoftmaxRegression(
        16, 0.5, 5, 0.0, features=fit_features("standardized", X, np.arange(500))
    ).fit(X, (X[:, 0] > 1.7e9).astype(int))
    model.classes = np.array(["before", "after"])
    read = as_estimator(model)
    assert isinstance(read, Pipeline)
    np.testing.assert_array_equal(read.predict(X), model.predict(X))
    np.testing.assert_allclose(read.predict_proba(X), model.predict_proba(X), atol=1e-6)


def test_equal_logits_give_the_first_class_everywhere():
    model = SoftmaxRegression(4, 0.1, 3, 0.0, classes=("a", "b", "c"))
    model.W, model.b = np.zeros((5, 3), np.float32), np.zeros(3, np.float32)
    X = np.arange(20.0).reshape(4, 5)
    assert as_estimator(model).predict(X).tolist() == ["a"] * 4
    labels, _ = onnxruntime.InferenceSession(onnx_bytes(model)).run(None, {"X": X})
    assert labels.tolist() == ["a"] * 4 == model.predict(X).tolist()


def test_columns_of_a_data_frame_are_known_by_name():
    frame = pd.DataFrame({"long": [1.0, 2.0, 3.0], "wide": [0.0, 1.0, 0.0]})
    model = SoftmaxRegression(1, 0.1, 1, 0.0, feature_names=("long", "wide")).fit(
        frame.to_numpy(), np.array([0, 1, 1])
    )
    read = as_estimator(model)
    assert read.feature_names_in_.tolist() == ["long", "wide"]
    assert read.n_features_in_ == 2
    read.predict(frame)  # a warning would fail the test
    with pytest.raises(ValueError, match="feature names"):
        read.predict(frame[["wide", "long"]])


# --- Tables: text, missing values, booleans


def people(n, rng):
    """Return a table whose columns need what a reader of data sets does."""
    frame = pd.DataFrame({
        "label": rng.normal(size=n),  # the name of an output of the graph
        "colour": rng.choice(["red", "green", "blue|`"], n),
        "flag": rng.random(n) < 0.5,
        "size": rng.choice(["s", "l"], n),
        "k": rng.integers(0, 50, n),
    })  # fmt: skip
    frame["y"] = np.where((frame.label > 0) ^ (frame.colour == "red"), "yes", "no")
    return frame


def fitted(frame, kind, missing):
    data = dataset_of(frame, Reading(target="y", missing=missing))
    model = SoftmaxRegression(
        8, 0.1, 5, 0.0, features=fit_features(kind, data.X, np.arange(len(data.X))),
        classes=data.classes, feature_names=data.features, fill=data.fill, columns=data.columns,
    ).fit(data.X, np.asarray(data.classes)[data.y])  # fmt: skip
    return model, data.X


def feed(frame):
    return {
        name: frame[[name]].to_numpy(np.float64)
        if frame[name].dtype.kind in "fib"
        else frame[[name]].fillna("").to_numpy(dtype=object)
        for name in frame
    }


@pytest.mark.parametrize("kind", ["raw", "standardized"])
@pytest.mark.parametrize("missing", ["refuse", "mean"])
def test_a_table_is_taken_as_its_user_has_it(kind, missing):
    rng = np.random.default_rng(0)
    frame = people(300, rng)
    if missing == "mean":
        frame.loc[::7, "label"] = np.nan
        frame.loc[::11, "colour"] = None
    model, X = fitted(frame, kind, missing)
    rows = frame.drop(columns="y")
    expected, probabilities = model.predict(X), model.predict_proba(X)
    read = joblib.load(BytesIO(joblib_bytes(as_estimator(model))))
    for given_rows in (rows, pl.from_pandas(rows), rows[list(rows)[::-1]]):
        assert read.predict(given_rows).tolist() == expected.tolist()
    np.testing.assert_allclose(read.predict_proba(rows), probabilities, atol=1e-6)
    session = onnxruntime.InferenceSession(onnx_bytes(model))
    assert [i.name for i in session.get_inputs()] == list(rows)
    assert [o.name for o in session.get_outputs()] == ["label_", "probabilities"]
    labels, found = session.run(None, feed(rows))
    assert labels.tolist() == expected.tolist()
    np.testing.assert_allclose(found, probabilities, rtol=1e-9)


def test_a_text_that_training_lacked_is_none_of_its_column():
    frame = people(100, np.random.default_rng(1))
    model, _ = fitted(frame, "raw", "refuse")
    rows = frame.drop(columns="y")
    X = dataset_of(frame, Reading(target="y")).X.astype(np.float64)
    rows["colour"], X[:, 1:4] = "violet", 0
    assert as_estimator(model).predict(rows).tolist() == model.predict(X).tolist()
    labels, _ = onnxruntime.InferenceSession(onnx_bytes(model)).run(None, feed(rows))
    assert labels.tolist() == model.predict(X).tolist()


def test_a_missing_number_is_refused_where_the_model_refuses_it():
    frame = people(100, np.random.default_rng(2))
    model, _ = fitted(frame, "raw", "refuse")
    rows = frame.drop(columns="y")
    rows.loc[3, "label"] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        as_estimator(model).predict(rows)


def test_the_columns_of_a_table_stand_in_the_saved_model(tmp_path):
    model, _ = fitted(people(60, np.random.default_rng(3)), "raw", "mean")
    model.save(tmp_path / "m.npz")
    assert SoftmaxRegression.load(tmp_path / "m.npz").columns == tuple(model.columns)


# --- The whole of Fashion-MNIST

ALONE = """
import sys, joblib, onnxruntime, skops.io, numpy as np
X, found = np.load("X.npy"), {}
for kind in sys.argv[1:]:
    session = onnxruntime.InferenceSession(f"{kind}.onnx")
    found |= {
        f"{kind} joblib": joblib.load(f"{kind}.joblib").predict(X),
        f"{kind} skops": skops.io.load(f"{kind}.skops").predict(X),
        f"{kind} onnx": session.run(None, {"X": X.astype(np.float64)})[0],
    }
assert not {"model", "search"} & set(sys.modules)
np.savez("found.npz", **found)
"""


def test_every_file_gives_every_test_image_of_fashion_mnist_its_class(tmp_path):
    if "FASHION_MNIST_DIR" not in os.environ:
        pytest.skip("needs FASHION_MNIST_DIR")
    data = load_dataset("fashion-mnist", notify=print)
    X, y, models = data.X[::20], data.y[::20], {}
    for kind, rate in {"raw": 5e-7, "standardized": 0.01}.items():
        features = fit_features(kind, X, np.arange(len(X)))
        models[kind] = SoftmaxRegression(32, rate, 2, 0.0, features=features).fit(X, y)
        read = as_estimator(models[kind])
        (tmp_path / f"{kind}.joblib").write_bytes(joblib_bytes(read))
        (tmp_path / f"{kind}.skops").write_bytes(skops_bytes(read))
        (tmp_path / f"{kind}.onnx").write_bytes(onnx_bytes(models[kind]))
    np.save(tmp_path / "X.npy", data.X_test)
    # The files are all that it has: -I leaves out where this package lies.
    subprocess.run([sys.executable, "-I", "-c", ALONE, *models], cwd=tmp_path, check=True)
    with np.load(tmp_path / "found.npz") as found:
        assert len(found) == 6
        for name, labels in found.items():
            model = models[name.split()[0]]
            np.testing.assert_array_equal(labels, model.predict(data.X_test))
            assert (labels == data.y_test).mean() == model.accuracy(data.X_test, data.y_test)
