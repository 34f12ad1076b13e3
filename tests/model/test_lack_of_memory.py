"""Memory that is not to be had while data is read says nothing of the file."""

import errno
import gzip
import io
import struct
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import sklearn.datasets
from safetensors.numpy import save_file

from model.data import memory
from model.data.formats import strangers
from model.data.found import Reading
from model.data.sources import load_dataset
from model.data.unlabelled import read_rows
from model.errors import DataError

X, Y = np.arange(24.0).reshape(8, 3), np.arange(8) % 2
NOT_TO_BE_HAD = [
    MemoryError(),
    MemoryError("malloc of size 4096 failed"),
    np._core._exceptions._ArrayMemoryError((8, 3), np.dtype("f8")),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
]


def idx(array):
    array = array.astype(np.uint8)
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_npy(path):
    path.mkdir()
    np.save(path / "X.npy", X)
    np.save(path / "y.npy", Y)


def write_idx(path):
    path.mkdir()
    (path / "images.gz").write_bytes(gzip.compress(idx(X)))
    (path / "labels").write_bytes(idx(Y))


def write_hdf5(path):
    with h5py.File(path, "w") as file:
        file["X"], file["y"] = X, Y


WRITERS = {
    "a.npz": lambda path: np.savez(path, X=X, y=Y),
    "a.h5": write_hdf5,
    "npy": write_npy,
    "idx": write_idx,
    "a.safetensors": lambda path: save_file({"X": X, "y": Y}, path),
    "a.svm": lambda path: sklearn.datasets.dump_svmlight_file(X, Y, str(path)),
    "a.csv": lambda path: path.write_text("a,y\n1,2\n3,4\n"),
}
# What of each may lack memory.
FAILING = {
    "a.npz": [(np, "load"), (np.lib.npyio.NpzFile, "__getitem__"), (zipfile, "ZipFile")],
    "a.h5": [(h5py, "File"), (h5py.Dataset, "__getitem__")],
    "npy": [(np, "load"), (np, "memmap")],
    "idx": [(gzip, "open"), (gzip.GzipFile, "read")],
    "a.safetensors": [(np, "memmap")],
    "a.svm": [(sklearn.datasets, "load_svmlight_files")],
    "a.csv": [(gzip, "open")],
}
CASES = [(name, *place) for name, places in FAILING.items() for place in places if name != "a.csv"]


def raises(error):
    def raise_it(*_, **__):
        raise error

    return raise_it


def load(path):
    target = "y" if path.suffix == ".csv" else None
    return load_dataset(str(path), Reading(target=target), notify=print)


@pytest.mark.parametrize("error", NOT_TO_BE_HAD, ids=repr)
@pytest.mark.parametrize(("name", "owner", "attribute"), CASES)
def test_a_lack_of_memory_says_nothing_of_the_file(
    tmp_path, monkeypatch, name, owner, attribute, error
):
    WRITERS[name](tmp_path / name)
    load(tmp_path / name)
    monkeypatch.setattr(owner, attribute, raises(error))
    with pytest.raises(MemoryError) as caught:
        load(tmp_path / name)
    assert str(error) in str(caught.value)


@pytest.mark.parametrize("name", WRITERS)
def test_so_it_is_where_the_file_cannot_be_opened_for_it(tmp_path, monkeypatch, name):
    WRITERS[name](tmp_path / name)
    rows = tmp_path / "rows.npz"
    np.savez(rows, X)
    error = OSError(errno.ENOMEM, "Cannot allocate memory")
    for act in (
        lambda: load(tmp_path / name),
        lambda: read_rows(rows, [], fills=False, remarks=[]),
        lambda: strangers.zip_names(rows),
    ):
        with monkeypatch.context() as patch:
            for owner, attribute in ((Path, "iterdir"), (Path, "open"), (io, "open")):
                patch.setattr(owner, attribute, raises(error))
            with pytest.raises(MemoryError):
                act()


@pytest.mark.parametrize("name", ["a.npz", "a.h5", "npy"])
def test_more_than_there_can_be_is_a_damaged_length(tmp_path, monkeypatch, name):
    WRITERS[name](tmp_path / name)
    error = np._core._exceptions._ArrayMemoryError((2**40, 2**10), np.dtype("f8"))
    monkeypatch.setattr(*FAILING[name][1], raises(error))
    with pytest.raises(DataError, match="cannot be read"):
        load(tmp_path / name)


def test_how_much_was_asked_for_is_known_of_numpy_and_of_arrow():
    assert [memory.asked_bytes(error) for error in NOT_TO_BE_HAD[:3]] == [0, 4096, 8 * 3 * 8]


@pytest.mark.parametrize("room", [True, False])
def test_a_filter_of_hdf5_that_fails_has_too_little_memory_or_a_damaged_file(
    tmp_path, monkeypatch, room
):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("X", data=X, chunks=(4, 3), compression=1)
        file["y"] = Y
    failed = OSError("Can't synchronously read data (filter returned failure during read)")
    monkeypatch.setattr(h5py.Dataset, "__getitem__", raises(failed))
    if not room:
        monkeypatch.setattr(np, "empty", raises(NOT_TO_BE_HAD[2]))
    with pytest.raises(DataError if room else MemoryError, match="filter" if room else "allocate"):
        load(path)
