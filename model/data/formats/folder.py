"""A folder of files that are one array each: IDX, .npy, or .npz with a single array."""

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.formats.idx import GZIP, is_idx, read_idx
from model.data.formats.npz import NpzReader
from model.data.formats.roles import choose, found_arrays, role_of
from model.data.formats.strangers import refuse_strangers, zip_names
from model.data.found import HEAD, HELP, Found, Reading, refuse_for_arrays
from model.data.listing import listed
from model.errors import DataError

NPY = b"\x93NUMPY"
_ZIP = b"PK\x03\x04"
# Endings that are not part of an array's name.
_ENDINGS = (".gz", ".npy", ".npz", ".idx")


class FolderReader:
    """Reads a folder, or the one folder in it that has the files."""

    kind = "a folder of arrays"

    def is_yours(self, path: Path, head: bytes) -> bool:
        """Whether it is a folder."""
        del head
        return path.is_dir()

    def read(self, path: Path, reading: Reading) -> Found:
        """Read the arrays whose names say what they are."""
        refuse_for_arrays(path, reading)
        files = _files(path)
        chosen = choose(path, files, reading)
        return found_arrays(
            path, path.resolve().name, chosen, files, lambda key: read_array(files[key])
        )


class NpyReader:
    """Refuses a single ``.npy`` file, which has no labels."""

    kind = "an array of numpy"

    def is_yours(self, path: Path, head: bytes) -> bool:
        """Whether it is an array of numpy."""
        return head.startswith(NPY) or path.suffix.lower() == ".npy"

    def read(self, path: Path, reading: Reading) -> Found:
        """Say how rows and labels come together."""
        del reading
        raise DataError(
            f"{path}: is one array, and rows need labels. Give the folder, with files "
            f"such as X_train.npy and y_train.npy in it. {HELP}"
        )


def _files(folder: Path) -> dict[str, Path]:
    """Return the files of arrays by their names without endings; one folder deeper if need be."""
    here = _arrays(folder)
    if here:
        return here
    deeper = {inside.name: _arrays(inside) for inside in _inside(folder) if inside.is_dir()}
    with_arrays = [name for name, files in deeper.items() if files]
    if len(with_arrays) > 1:
        raise DataError(
            f"{folder}: holds no arrays itself, and {' and '.join(with_arrays)} in it do; give one "
            f"of them. {HELP}"
        )
    if not with_arrays:
        names = [inside.name for inside in _inside(folder)]
        raise DataError(
            f"{folder}: holds no training data; expected files such as train-images-idx3-ubyte and "
            f"train-labels-idx1-ubyte, X_train.npy and y_train.npy, or train.csv, found "
            f"{listed(names)}. {HELP}"
        )
    return deeper[with_arrays[0]]


def _arrays(folder: Path) -> dict[str, Path]:
    """Return the files that are arrays, or whose names say that they should be."""
    files: dict[str, Path] = {}
    for path in _inside(folder):
        name = _name(path)
        # Where a file lies there packed too, the packed one counts.
        first = name not in files or path.suffix.lower() == ".gz"
        if first and path.is_file() and (role_of(name) or _is_array(path)):
            files[name] = path
    return files


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}).") from error


def _name(path: Path) -> str:
    name = path.name
    while name.lower().endswith(_ENDINGS):
        name = name[: name.rindex(".")]
    return name or path.name


def _is_array(path: Path) -> bool:
    head = _head(path)
    return head.startswith(NPY) or is_idx(head) or (head.startswith(_ZIP) and _single(path))


def _head(path: Path) -> bytes:
    """Return the first bytes of a file, unpacked; nothing where it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        if head.startswith(GZIP):
            with gzip.open(path, "rb") as stream:
                return stream.read(HEAD)
    except (OSError, EOFError, zlib.error):
        return b""
    return head


def _single(path: Path) -> bool:
    return [Path(name).suffix for name in zip_names(path) or ()] == [".npy"]


def read_array(path: Path) -> NDArray[Any]:
    """Read a file that is one array; ``.npy`` stays on disk until its rows are asked for."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head.startswith(_ZIP):
        return NpzReader().read_single(path)
    if not head.startswith(NPY):
        if not head.startswith(GZIP):
            refuse_strangers(path, head)
        return read_idx(path)
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    # Damage makes the header's parser raise unrelated kinds.
    except Exception as error:
        raise DataError(
            f"{path}: cannot be read ({error}); expected an array of numbers as numpy.save writes "
            f"it. Fetch or write the file again. {HELP}"
        ) from error
    return array
