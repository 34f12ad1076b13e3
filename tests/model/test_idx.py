import gzip
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model.data.dataset import Dataset
from model.data.formats.idx import read_idx
from model.data.sources import load_dataset
from model.errors import DataError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
LABELS = np.array([0, 1], dtype=np.uint8)


CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def encode(array: np.ndarray, kind: str = "u1") -> bytes:
    header = struct.pack(f">4B{array.ndim}I", 0, 0, CODES[kind], array.ndim, *array.shape)
    return header + array.astype(f">{kind}").tobytes()


def read_folder(folder: Path) -> Dataset:
    return load_dataset(str(folder), notify=print)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


def write_pair(folder: Path, part: str, suffix: str = "") -> None:
    write(folder / f"{part}-images-idx3-ubyte{suffix}", encode(IMAGES))
    write(folder / f"{part}-labels-idx1-ubyte{suffix}", encode(LABELS))


@given(
    array=hnp.arrays(np.int8, hnp.array_shapes(min_dims=1, max_dims=4, max_side=6)),
    suffix=st.sampled_from(["", ".gz"]),
    kind=st.sampled_from(list(CODES)),
)
def test_what_is_written_is_read_back(array: np.ndarray, suffix: str, kind: str) -> None:
    array = array.astype(kind)
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / f"a{suffix}", encode(array, kind))
        found = read_idx(path)
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype
        # Packed or not is told by the bytes.
        renamed = path.rename(Path(folder) / ("b" if suffix else "b.gz"))
        np.testing.assert_array_equal(read_idx(renamed), array)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_truncated_at_any_byte_is_a_clear_error(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"images{suffix}", encode(IMAGES))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=rf"images{suffix}: .*expected.*"):
            read_idx(path)


@given(data=st.data())
def test_a_damaged_gzip_file_is_right_or_a_clear_error(data: st.DataObject) -> None:
    whole = bytearray(gzip.compress(encode(IMAGES), mtime=0))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.gz"
        path.write_bytes(whole)
        try:
            # Bytes such as the time stamp do not matter; all others do.
            np.testing.assert_array_equal(read_idx(path), IMAGES)
        except DataError as error:
            assert "images.gz" in str(error)  # noqa: PT017 - an undamaged body is fine too


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: cannot be read \(No such file"):
        read_idx(tmp_path / "nowhere")


def test_another_file_shows_its_beginning(tmp_path: Path) -> None:
    path = write(tmp_path / "images", b"\1\2\3\4")
    with pytest.raises(DataError, match=r"is not an IDX file; .* found 01 02 03 04"):
        read_idx(path)


def test_labels_in_place_of_images_are_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, "train")
    write(tmp_path / "train-images-idx3-ubyte", encode(LABELS))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte must hold .* 2 or more dim"):
        read_folder(tmp_path)


def test_trailing_bytes_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "labels", encode(LABELS) + b"\0")
    with pytest.raises(DataError, match=r"expected 2 bytes for the shape \(2,\), found more"):
        read_idx(path)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_header_that_promises_the_moon_costs_no_memory(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"x{suffix}", struct.pack(">4B3I", 0, 0, 8, 3, *[2**32 - 1] * 3))
    with pytest.raises(DataError, match="found only 0"):
        read_idx(path)


def test_a_size_of_zero_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x", struct.pack(">4B3I", 0, 0, 8, 3, 0, 2**32 - 1, 2**32 - 1))
    with pytest.raises(DataError, match="is empty"):
        read_idx(path)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_folder_becomes_a_data_set(tmp_path: Path, suffix: str) -> None:
    write_pair(tmp_path, "train", suffix)
    write_pair(tmp_path, "t10k", suffix)
    data = read_folder(tmp_path)
    assert data.name == tmp_path.name
    assert data.X.dtype == np.uint8
    np.testing.assert_array_equal(data.X, IMAGES.reshape(2, 12))
    np.testing.assert_array_equal(data.y, LABELS)
    assert data.X_test is not None
    assert data.X_test.shape == (2, 12)


def test_the_test_images_may_be_left_out(tmp_path: Path) -> None:
    write_pair(tmp_path, "train")
    assert read_folder(tmp_path).X_test is None


@pytest.mark.parametrize(("part", "lacking"), [("train", "lacks y;"), ("t10k", "lacks y_test;")])
def test_half_a_pair_is_an_error(tmp_path: Path, part: str, lacking: str) -> None:
    write_pair(tmp_path, "train")
    write_pair(tmp_path, part)
    (tmp_path / f"{part}-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=f"{lacking} .* found t"):
        read_folder(tmp_path)


def test_a_folder_of_other_files_says_what_it_holds(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"{number}.png").touch()
    with pytest.raises(DataError, match=r"no training data; .* found 0\.png, .*and 2 more"):
        read_folder(tmp_path)


def test_images_and_labels_of_different_number_are_an_error(tmp_path: Path) -> None:
    write_pair(tmp_path, "train")
    write(tmp_path / "train-labels-idx1-ubyte", encode(LABELS[:1]))
    with pytest.raises(DataError, match=r"has 2 rows and .*train-labels-idx1-ubyte 1 labels"):
        read_folder(tmp_path)
