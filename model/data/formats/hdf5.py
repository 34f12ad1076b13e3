"""HDF5, by the extra of that name."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.formats.roles import choose, found_arrays
from model.data.found import HELP, Found, Reading, refuse_for_arrays
from model.data.memory import check_unpacked, machine_bytes, raise_lack_of_memory
from model.errors import DataError

_MAGIC = b"\x89HDF\r\n\x1a\n"
_SUFFIXES = (".h5", ".hdf5", ".hdf")


class Hdf5Reader:
    """Reads the datasets of an HDF5 file, at any depth, by their paths in it."""

    kind = "HDF5"

    def is_yours(self, path: Path, head: bytes) -> bool:
        """Whether it begins as HDF5 does, or calls itself so."""
        return head.startswith(_MAGIC) or path.suffix.lower() in _SUFFIXES

    def read(self, path: Path, reading: Reading) -> Found:
        """Read the datasets that have a role."""
        refuse_for_arrays(path, reading)
        try:
            import h5py
        except ImportError:
            raise DataError(
                f"{path}: is HDF5, which needs the package h5py: pip install 'packsweep[hdf5]'. "
                f"{HELP}"
            ) from None
        try:
            with h5py.File(path, "r") as file:
                names = _names(h5py, file)
                chosen = choose(path, names, reading)
                return found_arrays(
                    path, path.stem, chosen, names, lambda key: _array(path, key, file[key])
                )
        except DataError:
            raise
        # Damage makes the library raise many unrelated kinds.
        except Exception as error:
            raise_lack_of_memory(error)
            raise DataError(
                f"{path}: cannot be read ({error}); expected a whole HDF5 file. Fetch or write it "
                f"again. {HELP}"
            ) from error


def _names(h5py: Any, file: Any) -> list[str]:
    names: list[str] = []

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape:
            names.append(name)

    file.visititems(note)
    return names


def _array(path: Path, key: str, dataset: Any) -> NDArray[Any]:
    if dataset.dtype.names is not None:
        raise DataError(
            f"{path}: {key} is a table of records, which is not read; save its columns as arrays, "
            f"or the table as Parquet. {HELP}"
        )
    check_unpacked(f"{path}: {key}", dataset.nbytes)  # of a few bytes, where little is written
    try:
        return np.asarray(dataset[()])
    except OSError:
        _check_room(dataset)
        raise


def _check_room(dataset: Any) -> None:
    """Refuse for want of memory what the library calls a failure of its filter, as of damage.

    Beside the array it has a chunk packed, and unpacked in a buffer that is doubled as it fills and
    copied. What is asked for here is not touched; more than the machine has is asked for by damage.

    Raises
    ------
    MemoryError
        If there is no room for that.
    """
    needed = dataset.nbytes + 4 * math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    if needed > machine_bytes():
        return
    try:
        np.empty(needed, np.uint8)
    except MemoryError as error:
        raise MemoryError(str(error)) from None  # whatever part of the memory that is
