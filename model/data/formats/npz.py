"""Archives of arrays, as numpy.savez writes them."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.formats.roles import choose, found_arrays
from model.data.formats.strangers import zip_names
from model.data.found import HELP, Found, Reading, refuse_for_arrays
from model.data.memory import check_unpacked
from model.errors import DataError

_ZIP = b"PK\x03\x04"


class NpzReader:
    """Reads an ``.npz`` file; arrays that are not part of the data set are left alone."""

    kind = "npz, arrays of numpy"

    def is_yours(self, path: Path, head: bytes) -> bool:
        """Whether it is a zip archive of ``.npy`` members, or calls itself one."""
        named = path.suffix.lower() == ".npz"
        return named if not head.startswith(_ZIP) else named or _holds_arrays(path)

    def read(self, path: Path, reading: Reading) -> Found:
        """Read the arrays that have a role."""
        refuse_for_arrays(path, reading)
        with _opened(path) as archive:
            names = archive.files
            chosen = choose(path, names, reading)
            return found_arrays(
                path, path.stem, chosen, names, lambda key: _member(path, archive, key)
            )

    def read_rows(self, path: Path) -> NDArray[Any]:
        """Return the one array of a file, or the one that is called X.

        Raises
        ------
        DataError
            If the file is damaged, or holds several and none that is called so.
        """
        with _opened(path) as archive:
            names = archive.files
            name = names[0] if len(names) == 1 else "X"
            if name not in names:
                raise DataError(
                    f"{path}: holds {len(names)} arrays, {', '.join(names[:6])}; the rows are the "
                    "only one, or are called X."
                )
            return _member(path, archive, name)

    def read_single(self, path: Path) -> NDArray[Any]:
        """Return the one array of a file that holds no other.

        Raises
        ------
        DataError
            If the file is damaged, or holds several.
        """
        with _opened(path) as archive:
            if len(archive.files) != 1:
                raise DataError(
                    f"{path}: holds {len(archive.files)} arrays, {', '.join(archive.files[:6])}; a "
                    f"file of a folder is one array. Give only this file. {HELP}"
                )
            return _member(path, archive, archive.files[0])


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("not a zip archive, or not all of it")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                yield archive
    except DataError:
        raise
    # Damage makes zipfile, zlib and the header's parser raise a dozen unrelated kinds.
    except Exception as error:
        raise _unreadable(path, str(error) or type(error).__name__) from error


def _holds_arrays(path: Path) -> bool:
    names = zip_names(path)
    return bool(names) and all(name.endswith(".npy") for name in names or ())


def _member(path: Path, archive: Any, key: str) -> NDArray[Any]:
    check_unpacked(f"{path}: {key}", _size(archive, key))
    try:
        array = archive[key]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise DataError(
            f"{path}: {key} holds Python objects, which a file from elsewhere must not bring in; "
            f"save it as numbers or text, such as y.astype(str). {HELP}"
        ) from error
    if not isinstance(array, np.ndarray):  # numpy hands over other members as raw bytes
        raise _unreadable(path, f"{key} is not an array")
    return array


def _size(archive: Any, key: str) -> int:
    """Return how many bytes a member unpacks to, as the archive's own table says."""
    members: list[zipfile.ZipInfo] = archive.zip.infolist()
    sizes = {info.filename.removesuffix(".npy"): info.file_size for info in members}
    return sizes.get(key.removesuffix(".npy"), 0)


def _unreadable(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path}: cannot be read ({reason}); expected an .npz file with arrays of numbers, as "
        f"numpy.savez writes it. {HELP}"
    )
