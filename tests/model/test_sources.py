import gzip
import hashlib
import os
import re
import shutil
import socket
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.data import digits, fashion_mnist
from model.data.download import DownloadError
from model.data.found import Reading
from model.data.sources import KNOWN, load_dataset
from model.errors import DataError

GIVEN = os.environ.get("FASHION_MNIST_DIR", "")
needs_fashion_mnist = pytest.mark.skipif(
    not Path(GIVEN or "missing").is_dir(),
    reason="FASHION_MNIST_DIR is unset or no folder; it must hold the four published files",
)
X = np.arange(4 * 2 * 3, dtype=np.uint8).reshape(4, 2, 3)
y = np.array([0, 1, 2, 1])


def silent(message: str) -> None:
    raise AssertionError(f"nothing to say here: {message}")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Take away FASHION_MNIST_DIR and the network; return an empty cache folder."""
    monkeypatch.delenv("FASHION_MNIST_DIR", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("model.user_folders.user_cache_path", lambda name: tmp_path / name)
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        source = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        monkeypatch.setattr(fashion_mnist, "SOURCES", [source])
        yield tmp_path / "packsweep" / "fashion-mnist"


def save(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def load(path: Path) -> fashion_mnist.Dataset:
    return load_dataset(str(path), notify=silent)


def write_idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    content = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def write_small_fashion_mnist(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put four small files into a folder and declare them the published ones."""
    folder.mkdir(parents=True, exist_ok=True)
    sums = {}
    for name in fashion_mnist.FILES:
        write_idx(folder / name, X if "images" in name else y)
        sums[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    monkeypatch.setattr(fashion_mnist, "FILES", sums)


# --- names -----------------------------------------------------------------------------------


def test_digits_are_real_images_in_the_scale_of_fashion_mnist() -> None:
    data = load_dataset("digits", notify=silent)
    assert data.name == "digits"
    assert data.X_test is not None
    assert (data.X.shape, data.X_test.shape) == ((1500, 784), (297, 784))
    assert (data.X.dtype, data.X.min(), data.X.max()) == (np.uint8, 0, 255)
    assert data.n_classes == 10
    # The same on every machine, or a run could not be resumed on another one.
    assert data.fingerprint == "14b4e2a4187dc02a"


def test_digits_come_from_the_library_where_its_file_lies_elsewhere(monkeypatch) -> None:
    monkeypatch.setattr(digits, "_FILE", ("elsewhere",))
    assert load_dataset("digits", notify=silent).fingerprint == "14b4e2a4187dc02a"


def test_enlarged_digits_keep_their_corners_and_their_look() -> None:
    from scipy import ndimage
    from sklearn.datasets import load_digits

    small = load_digits().images[:1500]
    big = load_dataset("digits", notify=silent).X.reshape(-1, 28, 28)
    corners = np.rint(small[:, ::7, ::7] * 255 / 16)
    assert np.abs(big[:, ::27, ::27] - corners).max() <= 1
    reference = ndimage.zoom(small, (1, 3.5, 3.5), order=1, mode="nearest") * 255 / 16
    assert np.abs(big - reference).max() <= 0.5 + 1e-9


def test_auto_without_disk_and_network_is_digits_with_a_notice(cache: Path) -> None:
    notices: list[str] = []
    data = load_dataset("auto", notify=notices.append)
    assert data.name == "digits"
    notice = notices[-1]
    for words in ("NOT FASHION-MNIST", "Connection refused", "FASHION_MNIST_DIR", "====="):
        assert words in notice


def test_explicit_fashion_mnist_that_cannot_be_had_is_an_error(cache: Path) -> None:
    with pytest.raises(DownloadError, match=r"train-images-idx3-ubyte\.gz: Connection refused"):
        load_dataset("fashion-mnist", notify=lambda message: None)


@pytest.mark.parametrize("spec", ["auto", "fashion-mnist"])
def test_files_in_the_cache_need_no_network(
    cache: Path, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    write_small_fashion_mnist(cache, monkeypatch)
    data = load_dataset(spec, notify=silent)
    assert data.name == "fashion-mnist"
    np.testing.assert_array_equal(data.X, X.reshape(4, 6))


def test_a_damaged_file_in_the_cache_is_fetched_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_small_fashion_mnist(cache, monkeypatch)
    (cache / "t10k-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    with pytest.raises(DownloadError, match=r"t10k-labels-idx1-ubyte\.gz: Connection refused"):
        load_dataset("fashion-mnist", notify=lambda message: None)


def test_downloaded_files_are_loaded_and_progress_names_them(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = tmp_path / "mirror"
    write_small_fashion_mnist(mirror, monkeypatch)

    def fetch(urls: list[str], sha256: str, target: Path, *, progress: object) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(mirror / urls[0].rsplit("/", 1)[1], target)
        progress(1, 1)  # type: ignore[operator]

    monkeypatch.setattr(fashion_mnist, "download", fetch)
    notices: list[str] = []
    seen: list[tuple[str, int, int | None]] = []
    data = load_dataset("auto", notify=notices.append, progress=lambda *step: seen.append(step))
    assert data.name == "fashion-mnist"
    assert len(notices) == 2
    assert seen == [(name, 1, 1) for name in fashion_mnist.FILES]


@pytest.mark.parametrize("spec", ["auto", "fashion-mnist"])
@pytest.mark.parametrize("damage", ["missing", "corrupt"])
def test_a_given_folder_is_never_replaced_in_silence(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, damage: str
) -> None:
    given_folder = tmp_path / "given"
    write_small_fashion_mnist(given_folder, monkeypatch)
    monkeypatch.setenv("FASHION_MNIST_DIR", str(given_folder))
    assert load_dataset(spec, notify=silent).name == "fashion-mnist"
    # What lies beside the published files is not asked for.
    write_idx(given_folder / "train-labels-idx1-ubyte", y[::-1])
    assert load_dataset(spec, notify=silent).y.tolist() == y.tolist()
    broken = given_folder / "train-labels-idx1-ubyte.gz"
    if damage == "missing":
        broken.unlink()
    else:
        write_idx(broken, y[:1])
    with pytest.raises(DataError, match=r"given/train-labels-idx1-ubyte\.gz: expected") as caught:
        load_dataset(spec, notify=silent)
    assert not isinstance(caught.value, DownloadError)


@needs_fashion_mnist
def test_the_real_fashion_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    data = load_dataset("fashion-mnist", notify=silent)
    assert data.X_test is not None
    assert (data.X.shape, data.X_test.shape) == ((60_000, 784), (10_000, 784))
    assert (np.bincount(data.y) == 6_000).all()
    assert data.fingerprint == "9a199d609ec5d3cd"


def test_checksums_are_whole() -> None:
    assert all(len(bytes.fromhex(sha256)) == 32 for sha256 in fashion_mnist.FILES.values())


@pytest.mark.parametrize("spec", ["", "fashion_mnist", "no/such.npz", "a\0b", "a" * 5000])
def test_an_unknown_word_lists_the_known_ones(spec: str) -> None:
    with pytest.raises(DataError, match=r"--dataset"):
        load_dataset(spec, notify=silent)


def test_the_known_names_are_listed() -> None:
    with pytest.raises(DataError, match=r"'cifar': expected auto, fashion-mnist, digits, or"):
        load_dataset("cifar", notify=silent)


# --- paths -----------------------------------------------------------------------------------


def test_a_folder_of_idx_files_takes_the_folders_name(tmp_path: Path) -> None:
    folder = tmp_path / "clothes.v2"
    folder.mkdir()
    write_idx(folder / "train-images-idx3-ubyte", X)
    write_idx(folder / "train-labels-idx1-ubyte.gz", y)
    data = load(folder)
    assert data.name == "clothes.v2"
    assert data.X.shape == (4, 6)


def test_an_npz_file_keeps_bytes_and_takes_the_files_name(tmp_path: Path) -> None:
    path = save(tmp_path / "mine.npz", X=X, y=y, X_test=X[:2], y_test=y[:2], other="ignored")
    data = load(path)
    assert (data.name, data.X.dtype, data.y.dtype) == ("mine", np.uint8, np.int64)
    np.testing.assert_array_equal(data.X, X.reshape(4, 6))
    assert data.X_test is not None
    assert data.fingerprint == load(path).fingerprint


@pytest.mark.parametrize("dtype", ["?", "i2", ">i4", "u8", "f2", ">f8", "f4"])
@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray])
def test_rows_keep_the_precision_of_the_file(tmp_path: Path, dtype: str, layout: Any) -> None:
    data = load(save(tmp_path / "a.npz", X=layout(X.astype(dtype)), y=y))
    wanted = np.dtype("u1" if dtype == "?" else dtype).newbyteorder("=")
    assert (data.X.dtype, data.y.dtype) == (wanted, np.int64)
    np.testing.assert_array_equal(data.X, X.astype(dtype).reshape(4, 6))
    assert data.X.flags.c_contiguous


@pytest.mark.parametrize("dtype", ["?", "i2", ">i4", "u8", "f2", ">f8"])
def test_labels_are_of_any_type(tmp_path: Path, dtype: str) -> None:
    labels = (y % 2).astype(dtype)
    data = load(save(tmp_path / "a.npz", X=X, y=labels))
    assert np.array(data.classes)[data.y].tolist() == labels.tolist()


def test_parts_of_several_types_are_told(tmp_path: Path) -> None:
    data = load(save(tmp_path / "a.npz", X=X, y=y, X_test=X / 2, y_test=y))
    assert data.X_test is not None
    assert (data.X.dtype, data.X_test.dtype) == (np.uint8, np.float64)
    (remark,) = data.remarks
    assert re.search("X_test is float64, .*X uint8", remark)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X}, r"lacks y; .*found X\."),
        ({}, r"lacks X and y; .*found nothing\."),
        ({"X": X, "y": y, "y_test": y}, "lacks X_test; .*found X, y, y_test"),
        ({"X": X[:, 0, 0], "y": y}, r"X must hold .*found uint8 of the shape \(4,\)"),
        ({"X": X[:0], "y": y[:0]}, r"none of them empty; found .*\(0, 2, 3\)"),
        ({"X": X.astype("U3"), "y": y}, "X must hold numbers .*found <U3"),
        ({"X": X * 1j, "y": y}, "X must hold numbers .*found complex128"),
        ({"X": X.astype(object), "y": y}, "X holds Python objects"),
        ({"X": X * 1e300, "y": y}, r"X, row 1 \(counted from 1\), holds 1e\+300 at feature 1"),
        (
            {"X": X, "y": y + 0.5},
            r"y holds 0\.5 in row 1 \(counted from 1\); labels are whole numbers",
        ),
        ({"X": X, "y": y * np.nan}, "y holds nan in row 1"),
        ({"X": X, "y": y * 1j}, "y holds values of the type complex128"),
        ({"X": X, "y": np.full(4, 3)}, "y: every training label is 3"),
        ({"X": X, "y": y[:3]}, r"X has 4 rows and .*y 3 labels"),
        ({"X": X, "y": np.zeros((4, 2, 2))}, r"y has the shape \(4, 2, 2\)"),
    ],
)
def test_an_npz_file_that_will_not_do(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(DataError, match=rf"(?s)bad.*{message}"):
        load(save(tmp_path / "bad.npz", **arrays))


def test_a_file_that_is_no_npz_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    path.write_text("1,2,3")
    with pytest.raises(DataError, match=r"table\.npz: cannot be read \(not a zip archive"):
        load(path)
    with pytest.raises(DataError, match=r"table\.xyz'.* found a file of another kind"):
        load(path.rename(tmp_path / "table.xyz"))


def test_a_member_that_is_no_array_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "text.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", "hello")
        archive.writestr("y.npy", "hello")
    with pytest.raises(DataError, match=r"text\.npz: cannot be read"):
        load(path)


def test_a_header_that_promises_the_moon_is_an_error(tmp_path: Path) -> None:
    path = save(tmp_path / "big.npz", X=X, y=y)
    header = b"\x93NUMPY\x01\0" + struct.pack("<H", 118)
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d, 10000)}" % 10**15
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", header + text.ljust(117) + b"\n")
        archive.writestr("y.npy", b"")
    with pytest.raises(DataError, match=r"big\.npz: cannot be read"):
        load(path)


@given(data=st.data())
def test_a_damaged_npz_file_is_read_or_a_clear_error(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.npz"
        np.savez_compressed(path, X=X, y=y)
        whole = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole)) | st.just(len(whole)))])
        try:
            load(path)
        except DataError as error:
            assert "damaged" in str(error)  # noqa: PT017 - undamaged arrays are fine too


@pytest.mark.parametrize("known", KNOWN)
def test_a_file_that_is_called_like_a_known_data_set_has_one_name_by_any_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: str
) -> None:
    folder = tmp_path / "in" / known
    folder.mkdir(parents=True)
    save(folder / f"{known}.npz", X=X, y=y)
    (folder / known).write_bytes((folder / f"{known}.npz").read_bytes())
    (folder / f"{known}.csv").write_text("a,y\n1,2\n3,4\n")
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", y)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(folder)
    named = {
        f"{known}.npz": (f"{known}.npz", Reading()),
        f"{known}.csv": (f"{known}.csv", Reading(target="y")),
        known: (f"{known} (a file)", Reading()),
        ".": (f"{known}/", Reading()),
    }
    for path, (name, reading) in named.items():
        for typed in (f"./{path}", f"../{known}/{path}", f"~/in/{known}/{path}", folder / path):
            assert load_dataset(str(typed), reading, notify=silent).name == name
