"""Arrays in any of the files that people have them in, each written by another library."""

import contextlib
import gzip
import json
import pickle
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from sklearn.datasets import dump_svmlight_file

from model.data.assembly import assemble
from model.data.formats import folder
from model.data.formats.roles import role_of
from model.data.found import Found, Part, Reading
from model.data.sources import load_dataset
from model.errors import DataError

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (12, 4, 5), np.uint8), np.arange(12) % 3
X_TEST, Y_TEST = X[::-1].copy(), Y[::-1].copy()
PARTS = {"X_train": X, "y_train": Y, "X_test": X_TEST, "y_test": Y_TEST}


def load(path, **reading):
    return load_dataset(str(path), Reading(**reading), notify=print)


def idx(array):
    array = np.asarray(array, np.uint8)
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_npy(folder):
    folder.mkdir()
    for name, array in PARTS.items():
        np.save(folder / f"{name}.npy", array)


def write_npz_files(folder):
    folder.mkdir()
    for name, array in PARTS.items():
        np.savez_compressed(folder / f"{name}.npz", array)


def write_idx(folder):
    folder.mkdir()
    names = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"]
    names += ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]
    for name, array in zip(names, PARTS.values(), strict=True):
        content = idx(array)
        (folder / name).write_bytes(gzip.compress(content) if ".gz" in name else content)


def write_hdf5(path):
    with h5py.File(path, "w") as file:
        for name, array in PARTS.items():
            file[f"set/{name}"] = array


WRITERS = {
    "a.npz": lambda path: np.savez(path, **PARTS),
    "npy": write_npy,
    "npzs": write_npz_files,
    "idx": write_idx,
    "a.safetensors": lambda path: save_file(PARTS, path),
    "a.h5": write_hdf5,
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_is_loaded(tmp_path, name):
    WRITERS[name](tmp_path / name)
    data = load(tmp_path / name)
    np.testing.assert_array_equal(data.X, X.reshape(12, 20))
    np.testing.assert_array_equal(data.X_test, X_TEST.reshape(12, 20))
    assert (data.X.dtype, data.image_shape) == (np.uint8, (4, 5))
    np.testing.assert_array_equal(data.y, Y)
    np.testing.assert_array_equal(data.y_test, Y_TEST)
    assert data.unused == ()


@pytest.mark.parametrize("name", WRITERS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_file_is_loaded_or_refused_with_one_message(tmp_path_factory, name, data):
    path = tmp_path_factory.mktemp("damaged") / name
    WRITERS[name](path)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    file = data.draw(st.sampled_from(files))
    content = bytearray(file.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    else:
        for _ in range(data.draw(st.integers(1, 8))):
            content[data.draw(st.integers(0, min(400, len(content)) - 1))] = data.draw(
                st.integers(0, 255)
            )
    file.write_bytes(bytes(content))
    with warnings.catch_warnings(), contextlib.suppress(DataError):
        warnings.simplefilter("error")
        load(path)


# --- names


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("X", "X"), ("x_train", "X"), ("X_train", "X"), ("trainX", "X"), ("Xtrain", "X"),
        ("train_images", "X"), ("train-images-idx3-ubyte", "X"), ("train-images.idx3-ubyte", "X"),
        ("features", "X"), ("embeddings", "X"), ("data", "X"), ("train/x", "X"),
        ("y", "y"), ("labels", "y"), ("target", "y"), ("y_train", "y"), ("train_labels", "y"),
        ("X_test", "X_test"), ("x_test", "X_test"), ("t10k-images-idx3-ubyte", "X_test"),
        ("test-images-idx3-ubyte", "X_test"), ("ytest", "y_test"), ("test_targets", "y_test"),
        ("X_val", "X_val"), ("val_images", "X_val"), ("y_valid", "y_val"), ("dev_labels", "y_val"),
        ("validation/labels", "y_val"), ("sample_weight", "weights"),
        ("weights_test", "weights_test"),
    ],
)  # fmt: skip
def test_names_as_people_give_them(name, role):
    assert role_of(name) == ("", role)


@pytest.mark.parametrize("name", ["mean", "train", "names", "images_mean", "X_train_test", "foo"])
def test_other_names_say_nothing(name):
    assert role_of(name) is None


def test_a_prefix_is_told_apart(tmp_path):
    assert role_of("emnist-letters-train-images-idx3-ubyte") == ("emnist-letters", "X")
    for prefix in ("kuzushiji-", "emnist-letters-"):
        folder = tmp_path / prefix
        folder.mkdir()
        (folder / f"{prefix}train-images-idx3-ubyte").write_bytes(idx(X))
        (folder / f"{prefix}train-labels-idx1-ubyte").write_bytes(idx(Y))
        assert load(folder).X.shape == (12, 20)
    for path in (tmp_path / "kuzushiji-").iterdir():
        path.rename(tmp_path / "emnist-letters-" / path.name)
    with pytest.raises(
        DataError, match="several data sets, emnist-letters and kuzushiji; put each"
    ):
        load(tmp_path / "emnist-letters-")


def test_what_looks_like_data_and_is_not_used_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", X=X, y=Y, X_val=X, ids=Y, emnist_X=X)
    assert load(tmp_path / "a.npz").unused == ("X_val", "ids", "emnist_X")
    folder = tmp_path / "idx"
    write_idx(folder)
    (folder / "more.npy").write_bytes(b"")
    np.save(folder / "more.npy", X)
    assert load(folder).unused == ("more",)
    (folder / "t10k-labels-idx1-ubyte.gz").rename(folder / "t10k.txt")
    with pytest.raises(DataError, match="lacks y_test"):
        load(folder)


def test_medmnist_has_a_validation_part_of_its_own(tmp_path):
    arrays = {f"{part}_images": X for part in ("train", "val", "test")}
    labels = {f"{part}_labels": Y[:, None] for part in ("train", "val", "test")}
    np.savez(tmp_path / "a.npz", **arrays, **labels)
    data = load(tmp_path / "a.npz")
    assert data.parts(0.2) == (12, 12)
    np.testing.assert_array_equal(data.y_val, Y)


def test_keys_name_any_array(tmp_path):
    np.savez(tmp_path / "a.npz", vectors=X, topic=Y, w=Y + 1.0, X=X[:3], more=Y)
    data = load(tmp_path / "a.npz", keys={"X": "vectors", "y": "topic", "weights": "w"})
    assert data.unused == ("X", "more")
    np.testing.assert_allclose(data.weights, (Y + 1) / np.mean(Y + 1))
    with pytest.raises(DataError, match="has no array 'vector'; found vectors, topic"):
        load(tmp_path / "a.npz", keys={"X": "vector", "y": "topic"})
    with pytest.raises(DataError, match="lacks y"):
        load(tmp_path / "a.npz", keys={"X": "vectors"})


def test_two_arrays_for_one_role_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", X=X, x_train=X, y=Y)
    with pytest.raises(DataError, match="'X' and 'x_train' could both be X; say which: --keys"):
        load(tmp_path / "a.npz")


def test_options_of_tables_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", X=X, y=Y)
    for reading, expected in (({"target": "y"}, "--target"), ({"missing": "mean"}, "--missing")):
        with pytest.raises(DataError, match=expected):
            load(tmp_path / "a.npz", **reading)
    with pytest.raises(DataError, match="digits is complete as it is"):
        load("digits", target="y")


# --- folders


def test_a_folder_may_lie_one_deeper(tmp_path):
    (tmp_path / "MNIST").mkdir()
    write_idx(tmp_path / "MNIST" / "raw")
    data = load(tmp_path / "MNIST")
    assert (data.name, data.X.shape) == ("MNIST", (12, 20))
    write_npy(tmp_path / "MNIST" / "other")
    with pytest.raises(DataError, match="other and raw in it do"):
        load(tmp_path / "MNIST")


def test_npy_files_stay_on_disk(tmp_path):
    write_npy(tmp_path / "npy")
    data = load(tmp_path / "npy")
    assert isinstance(data.X, np.memmap) or isinstance(data.X.base, np.memmap)
    with pytest.raises(DataError, match=r"X_train\.npy: is one array.*Give the folder"):
        load(tmp_path / "npy" / "X_train.npy")


def test_names_that_are_packed_too_are_read_once(tmp_path):
    write_idx(tmp_path / "idx")
    (tmp_path / "idx" / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(X)))
    data = load(tmp_path / "idx")
    np.testing.assert_array_equal(data.X, X.reshape(12, 20))
    assert data.unused == ()


def beside(path, ending):
    return path.with_name(path.stem + ending)


ONE_NAME = {
    "npz": lambda path, rows: np.savez(beside(path, ".npz"), rows),
    "IDX": lambda path, rows: beside(path, "").write_bytes(idx(rows)),
    "packed IDX": lambda path, rows: beside(path, ".idx.gz").write_bytes(gzip.compress(idx(rows))),
}


@pytest.mark.parametrize("write", ONE_NAME.values(), ids=ONE_NAME)
@pytest.mark.parametrize("name", ["X_train", "y_train", "X_test"])
def test_two_files_of_one_array_hold_the_same_or_are_refused(tmp_path, name, write):
    write_npy(tmp_path / "npy")
    path = tmp_path / "npy" / f"{name}.npy"
    rows, before = np.load(path).astype(np.uint8), load(tmp_path / "npy")
    np.save(path, rows)
    write(path, rows)
    same = load(tmp_path / "npy")
    np.testing.assert_array_equal(same.X, before.X)
    np.testing.assert_array_equal(same.y, before.y)
    for other in (rows[::-1], rows[:-1]):
        write(path, other)
        with pytest.raises(DataError, match=f"could be {name}, and so could {name}") as caught:
            load(tmp_path / "npy")
        assert "which holds other values. Remove the one" in str(caught.value)


def test_the_second_file_of_an_array_is_compared_a_few_rows_at_a_time(tmp_path, monkeypatch):
    write_npy(tmp_path / "npy")
    path = tmp_path / "npy" / "X_test.npz"
    monkeypatch.setattr(folder, "_COMPARED", 50)  # two rows
    np.savez(path, X_TEST)
    load(tmp_path / "npy")
    for row in range(12):
        other = X_TEST.copy()
        other[row, 3, 4] ^= 1
        np.savez(path, other)
        with pytest.raises(DataError, match=r"could be X_test, and so could X_test\.npz"):
            load(tmp_path / "npy")


def test_a_second_file_that_is_damaged_is_named(tmp_path):
    write_npy(tmp_path / "npy")
    (tmp_path / "npy" / "X_train.npz").write_bytes(b"PK\3\4")
    with pytest.raises(DataError, match=r"X_train\.npz: cannot be read"):
        load(tmp_path / "npy")


def test_two_files_with_the_same_missing_value_hold_the_same(tmp_path):
    write_npy(tmp_path / "npy")
    rows = np.where(np.equal(X, X[0, 0, 0]), np.nan, X)
    np.save(tmp_path / "npy" / "X_train.npy", rows)
    np.savez(tmp_path / "npy" / "X_train.npz", rows)
    with pytest.raises(DataError, match=r"row 1 .*holds nan"):  # and not that they differ
        load(tmp_path / "npy")


def test_an_array_that_is_twice_in_an_archive_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, array in (("X.npy", X), ("y.npy", Y), ("y.npy", Y_TEST)):
            with archive.open(name, "w") as member:
                np.save(member, array)
    for reading in ({}, {"keys": {"X": "X", "y": "y"}}):
        with pytest.raises(DataError, match=r"a\.npz: holds two arrays 'y'"):
            load(tmp_path / "a.npz", **reading)


def test_a_tensor_that_is_twice_in_a_header_is_refused(tmp_path):
    save_file({"X": X, "y": Y}, tmp_path / "a.safetensors")
    content = (tmp_path / "a.safetensors").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + size].rstrip()
    header = header[:-1] + b"," + header[1:]
    twice = len(header).to_bytes(8, "little") + header + content[8 + size :]
    (tmp_path / "a.safetensors").write_bytes(twice)
    with pytest.raises(DataError, match="occurs twice in it"):
        load(tmp_path / "a.safetensors")


# --- layouts


@settings(max_examples=60)
@given(
    st.sampled_from(["u1", "i2", "i4", "f2", "f4", "f8", "i8"]),
    st.sampled_from("<>"),
    st.sampled_from([(6,), (4, 5), (4, 5, 1), (4, 5, 3), (3, 4, 5), (1, 4, 5), (784,), (64,)]),
    st.booleans(),
)
def test_rows_come_out_as_they_lie_in_the_file(kind, order, shape, fortran):
    rows = RNG.integers(0, 100, (6, *shape)).astype(kind)
    lying = rows.astype(np.dtype(kind).newbyteorder(order))
    lying = np.asfortranarray(lying) if fortran else lying
    data = assemble(Found(name="a", train=Part(lying, np.arange(6) % 2, "a: X", "a: y")))
    np.testing.assert_array_equal(data.X, rows.reshape(6, -1))
    assert data.X.dtype == np.dtype(kind)
    pictured = {(4, 5): (4, 5), (4, 5, 1): (4, 5), (4, 5, 3): (4, 5, 3),
                (3, 4, 5): (4, 5, 3), (1, 4, 5): (4, 5)}  # fmt: skip
    assert data.image_shape == pictured.get(shape, ())
    if data.image_shape:
        expected = rows[0].transpose(1, 2, 0) if shape in ((3, 4, 5), (1, 4, 5)) else rows[0]
        np.testing.assert_array_equal(data.picture(data.X[0]), expected.reshape(data.image_shape))


def two_parts(train, test):
    y = np.arange(len(train)) % 2
    return assemble(
        Found(
            name="a",
            train=Part(train, y, "a: X", "a: y"),
            test=Part(test, np.arange(len(test)) % 2, "a: X_test", "a: y_test"),
        )
    )


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.sampled_from([255.0, 1 / 255, 100.0, 1000.0, 1e-6]))
def test_parts_of_another_scale_are_refused(seed, factor):
    random = np.random.default_rng(seed)
    train, test = random.integers(0, 256, (30, 8)), random.integers(0, 256, (30, 8))
    assert two_parts(train, test).remarks == ()
    with pytest.raises(DataError, match=r"X runs from .*, a: X_test from .*one scale"):
        two_parts(train.astype(float), test * factor)


@pytest.mark.parametrize(
    ("test", "told"),
    [
        (RNG.random((30, 8)) * 255, "a: X_test is float64, a: X"),
        (RNG.integers(0, 40, (30, 8)), "are both scaled alike?"),
        (RNG.integers(-255, 256, (30, 8)), "are both scaled alike?"),
    ],
)
def test_a_smaller_difference_is_told(test, told):
    data = two_parts(RNG.integers(0, 256, (30, 8)), test)
    assert told in " ".join(data.remarks)


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        ((6, 20), (6, 21), "has 21 features a row"),
        ((6, 4, 5), (6, 5, 4), r"rows of the shape \(5, 4\)"),
        ((6, 4, 5, 3), (6, 3, 4, 5), r"rows of the shape \(3, 4, 5\)"),
    ],
)
def test_parts_of_another_layout_are_refused(train, test, expected):
    with pytest.raises(DataError, match=expected):
        two_parts(RNG.random(train), RNG.random(test))


def test_flat_rows_beside_images_are_the_same_layout():
    assert two_parts(RNG.random((30, 4, 5)), RNG.random((30, 20))).X_test.shape == (30, 20)


# --- other formats


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16, np.int64, np.int32, np.uint8])
def test_tensors_of_any_type(tmp_path, kind):
    save_file({"X": X.astype(kind), "y": Y.astype(np.int32)}, tmp_path / "a.safetensors")
    data = load(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(data.X, X.astype(kind).reshape(12, 20))
    assert data.X.dtype == kind


def test_bfloat16_is_the_upper_half_of_a_float32(tmp_path):
    values = RNG.normal(size=(6, 4)).astype(np.float32)
    upper = (values.view(np.uint32) >> 16).astype("<u2")
    y = np.arange(6, dtype="<i8") % 2
    header = {
        "X": {"dtype": "BF16", "shape": [6, 4], "data_offsets": [0, 48]},
        "y": {"dtype": "I64", "shape": [6], "data_offsets": [48, 96]},
    }
    text = json.dumps(header).encode()
    content = len(text).to_bytes(8, "little") + text + upper.tobytes() + y.tobytes()
    (tmp_path / "a.safetensors").write_bytes(content)
    np.testing.assert_allclose(load(tmp_path / "a.safetensors").X, values, rtol=2**-7)


@pytest.mark.parametrize("zero_based", [True, False])
@pytest.mark.parametrize("labels", [[-1, 1], [1, 2, 3], [0, 5]])
def test_svmlight_as_scikit_learn_writes_it(tmp_path, zero_based, labels):
    rows = RNG.random((12, 5)) * (RNG.random((12, 5)) < 0.6)
    rows[:, 0], rows[:, 4] = 1, 2
    y = np.resize(labels, 12)
    for name in ("a.svm", "plain"):
        dump_svmlight_file(rows, y, str(tmp_path / name), zero_based=zero_based)
        data = load(tmp_path / name)
        np.testing.assert_allclose(data.X, rows, rtol=1e-12)
        assert np.array(data.classes)[data.y].tolist() == y.tolist()
    dump_svmlight_file(rows[:4], y[:4], str(tmp_path / "a.svm.t"), zero_based=zero_based)
    assert load(tmp_path / "a.svm").X_test.shape == (4, 5)


def test_svmlight_that_is_none_is_refused(tmp_path):
    (tmp_path / "a.svm").write_text("1 1:2 x:3\n")
    with pytest.raises(DataError, match=r"a\.svm: cannot be read"):
        load(tmp_path / "a.svm")
    (tmp_path / "b.svm").write_text("1 1:2 999999999:3\n2 1:1\n")
    with pytest.raises(DataError, match="up to 4 GiB are read"):
        load(tmp_path / "b.svm")


def test_hdf5_without_its_package_says_how_to_install_it(tmp_path, monkeypatch):
    write_hdf5(tmp_path / "a.h5")
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(DataError, match=r"pip install 'packsweep\[hdf5\]'"):
        load(tmp_path / "a.h5")


# --- strangers


def strangers(folder):
    """Yield a path and what is said of it."""
    folder.mkdir()

    def write(name, content):
        (folder / name).write_bytes(content)
        return folder / name

    def zipped(name, *members):
        with zipfile.ZipFile(folder / name, "w") as archive:
            for member in members:
                archive.writestr(member, "x")
        return folder / name

    for name in ("a.npz", "a.csv", "a.parquet", "a.h5"):
        yield write(name, b"\n<!DOCTYPE html><html>"), "a web page, not data"
        yield write(name, b"version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"
        yield write(name, b""), "is empty"
    yield write("a.pkl", pickle.dumps({"X": X})), "a pickle"
    yield write("a.npz", pickle.dumps([1], protocol=2)), "a pickle"
    yield zipped("model.pt", "archive/data.pkl"), "a pickle"
    yield zipped("a.xlsx", "[Content_Types].xml"), "Save the sheet as CSV"
    yield zipped("a.zip", "train.csv", "test.csv"), "a zip archive of train.csv, test.csv"
    yield write("a.zip", b"PK\x03\x04 cut"), "a zip archive that breaks off"
    with tarfile.open(folder / "a.tar", "w") as archive:
        archive.add(folder / "a.zip", "a")
    yield folder / "a.tar", "a tar archive"
    yield write("a.png", b"\x89PNG\r\n\x1a\n"), "a PNG picture"
    yield write("a.jpg", b"\xff\xd8\xff\xe0"), "a JPEG picture"
    yield write("a.mat", b"MATLAB 5.0 MAT-file, Platform"), "scipy.io.loadmat"
    yield write("a.7z", b"7z\xbc\xaf\x27\x1c"), "a 7z archive"
    yield write("a.csv.zst", b"\x28\xb5\x2f\xfd"), "packed with zstd"
    yield write("a.ipynb", b'{"cells": []}'), "a notebook"
    yield write("a.pdf", b"%PDF-1.7"), "a PDF"
    whole = folder / "whole.npz"
    np.savez(whole, X=X, y=Y)
    yield write("cut.npz", whole.read_bytes()[:300]), "not all of it"


def test_what_is_no_data_set_is_told_by_its_bytes(tmp_path):
    for path, expected in strangers(tmp_path / "files"):
        with pytest.raises(DataError) as raised:
            load(path)
        assert expected in str(raised.value)
        assert str(path) in str(raised.value)


def test_a_web_page_in_a_folder_is_told_too(tmp_path):
    write_idx(tmp_path / "idx")
    path = tmp_path / "idx" / "train-images-idx3-ubyte"
    path.write_bytes(b"<html>Log in first</html>")
    with pytest.raises(DataError, match="train-images-idx3-ubyte: is a web page"):
        load(tmp_path / "idx")


@pytest.mark.parametrize("inside", ["", "train-labels-idx1-ubyte"])
def test_what_may_not_be_read_is_refused_by_name(tmp_path, monkeypatch, inside):
    write_idx(tmp_path / "idx")
    path = tmp_path / "idx" / inside if inside else tmp_path / "idx"

    def refuse(method):
        original = getattr(Path, method)

        def wrapped(self, *args, **options):
            if self == path:
                raise PermissionError(13, "Permission denied", str(self))
            return original(self, *args, **options)

        monkeypatch.setattr(Path, method, wrapped)

    refuse("iterdir")
    refuse("open")
    with pytest.raises(DataError, match=f"{path.name}: .*cannot be read .*Permission denied"):
        load(tmp_path / "idx")
