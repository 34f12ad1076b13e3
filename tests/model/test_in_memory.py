"""Data sets from memory are those that the same rows in a file are."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.datasets import load_iris

from model.data.found import Reading
from model.data.in_memory import dataset_of
from model.data.sources import load_dataset as load
from model.errors import DataError

X, CODES = load_iris(return_X_y=True)
Y = np.array(["setosa", "versicolor", "virginica"])[CODES]
NAMES = ["a", "b", "c", "d"]


def load_dataset(path, reading=None):
    return load(path, reading or Reading(), notify=lambda text: None)


def same(mine, other):
    """Whether two data sets hold the same, but for their names."""
    np.testing.assert_array_equal(mine.X, other.X)
    np.testing.assert_array_equal(mine.y, other.y)
    assert mine.classes == other.classes
    return mine.features == other.features


LABELS = {
    "array": Y,
    "list": Y.tolist(),
    "objects": Y.astype(object),
    "column": Y[:, None],
    "pandas": pd.Series(Y),
    "polars": pl.Series(Y),
    "pandas frame": pd.DataFrame({"species": Y}),
    "polars frame": pl.DataFrame({"species": Y}),
    "pyarrow table": pa.table({"species": Y}),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_any_kind_stand_beside_a_frame_too(kind):
    mine = dataset_of((FRAMES["pandas"], LABELS[kind]))
    assert same(mine, dataset_of((FRAMES["pandas"], Y)))


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_any_kind(tmp_path, kind):
    labels = LABELS[kind]
    np.savez(tmp_path / "data.npz", X=X, y=Y)
    assert same(dataset_of((X, labels)), load_dataset(str(tmp_path / "data.npz")))


def test_test_rows_come_in_a_tuple_or_by_their_names(tmp_path):
    parts = {"X": X[::2], "y": Y[::2], "X_test": X[1::2], "y_test": Y[1::2]}
    np.savez(tmp_path / "data.npz", **parts)
    file = load_dataset(str(tmp_path / "data.npz"))
    for mine in (dataset_of(tuple(parts.values())), dataset_of(parts)):
        assert mine.fingerprint == file.fingerprint
        np.testing.assert_array_equal(mine.X_test, file.X_test)


FRAMES = {
    "pandas": pd.DataFrame(X, columns=NAMES),
    "pandas, shuffled": pd.DataFrame(X, columns=NAMES, index=np.arange(150)[::-1]),
    "polars": pl.DataFrame(dict(zip(NAMES, X.T, strict=True))),
    "pyarrow": pa.table(dict(zip(NAMES, X.T, strict=True))),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_data_frames_are_their_tables(tmp_path, kind):
    pd.DataFrame(X, columns=NAMES).assign(species=Y).to_parquet(tmp_path / "data.parquet")
    file = load_dataset(str(tmp_path / "data.parquet"), Reading(target="species"))
    mine = dataset_of((FRAMES[kind], Y))
    assert same(mine, file)
    assert mine.fingerprint == file.fingerprint


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_frames_keep_their_precision(dtype):
    arrays = {name: column.astype(dtype) for name, column in zip(NAMES, X.T, strict=True)}
    for frame in (pd.DataFrame(arrays), pl.DataFrame(arrays), pa.table(arrays)):
        assert dataset_of((frame, Y)).X.dtype == dtype


def test_a_frame_has_its_labels_and_weights_in_columns(tmp_path):
    frame = pd.DataFrame(X, columns=NAMES).assign(species=Y, w=np.arange(1, 151))
    frame.to_parquet(tmp_path / "data.parquet")
    reading = Reading(target="species", weights="w")
    for given in (frame, pl.from_pandas(frame)):
        mine = dataset_of(given, reading)
        assert mine.fingerprint == load_dataset(str(tmp_path / "data.parquet"), reading).fingerprint


def test_text_and_missing_values_are_as_in_a_file(tmp_path):
    frame = pd.DataFrame({"x": [1.0, None, 3.0, 4.0], "colour": ["red", "blue", "red", "blue"]})
    frame.assign(y=[0, 1, 0, 1]).to_parquet(tmp_path / "data.parquet")
    mine = dataset_of((frame, [0, 1, 0, 1]), Reading(missing="mean"))
    file = load_dataset(str(tmp_path / "data.parquet"), Reading(target="y", missing="mean"))
    assert same(mine, file)
    with pytest.raises(DataError, match="x"):
        dataset_of((frame, [0, 1, 0, 1]))


def test_a_feature_may_be_called_y():
    assert dataset_of((pd.DataFrame(X, columns=["x", "y", "y_", "z"]), Y)).features == (
        "x", "y", "y_", "z"
    )  # fmt: skip


def test_a_memory_map_stays_on_the_disk(tmp_path):
    np.save(tmp_path / "X.npy", X)
    rows = np.load(tmp_path / "X.npy", mmap_mode="r")
    data = dataset_of((rows, Y))
    assert isinstance(data.X, np.memmap) or isinstance(data.X.base, np.memmap)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, "The data is int"),
        ((X,), "The data is tuple"),
        ((X, Y[:-1]), "150"),
        ({"X": X}, "lacks y"),
        ((X, np.array([object()] * 150)), "holds Python objects"),
        (pd.DataFrame(X, columns=NAMES), "which column holds the labels"),
        ((pd.DataFrame(X, columns=NAMES), Y[:-1]), "each row has a label"),
        ((pd.DataFrame(X, columns=["a", "a", "c", "d"]), Y), "two columns 'a'"),
        ((pd.DataFrame(X, columns=NAMES), Y, X, Y), "not in another"),
        ({"X": pd.DataFrame(X), "y": Y, "weights": np.ones(150)}, "as a column of it"),
        ((X * np.nan, Y), "nan"),
        ((X, np.zeros(150)), "at least two classes"),
        ((pd.DataFrame(columns=NAMES), []), "holds no row"),
    ],
)
def test_what_is_no_data_set_is_refused_in_one_message(given, said):
    with pytest.raises(DataError, match=said):
        dataset_of(given)


def test_one_hot_frames_are_labels_beside_an_array_and_a_frame():
    for rows in (X, FRAMES["pandas"]):
        mine = dataset_of((rows, pd.get_dummies(pd.Series(Y))))
        np.testing.assert_array_equal(mine.y, CODES)
