"""IDX, the file format of the MNIST family: a short header, then the values, big-endian."""

import gzip
import math
import zlib
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.found import HELP
from model.data.memory import check_unpacked
from model.errors import DataError

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_DIMENSIONS = 8
_CHUNK = 1 << 20
GZIP = b"\x1f\x8b"


def is_idx(head: bytes) -> bool:
    """Whether these first bytes of a file, unpacked, are those of IDX."""
    return (
        len(head) >= 4
        and head[:2] == b"\0\0"
        and head[2] in _TYPES
        and 1 <= head[3] <= _MOST_DIMENSIONS
    )


def read_idx(path: Path) -> NDArray[Any]:
    """Read an IDX file of any of its number types.

    The header is not believed: the file's content is read piece by piece and
    compared with it, so a header that promises more than there is costs no memory.

    Parameters
    ----------
    path : Path
        The file; it is unpacked on the way if it begins as gzip does, whatever its name.

    Returns
    -------
    ndarray
        An array with the file's type and shape.

    Raises
    ------
    DataError
        If the file cannot be read or unpacked, is of another kind, or is shorter
        or longer than its header says.
    """
    try:
        with _open(path) as stream:
            dtype, shape = _read_header(path, stream)
            body = _read_up_to(path, stream, math.prod(shape) * dtype.itemsize + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        kind = "an IDX file, plain or as a complete gzip file"
        raise DataError(
            f"{path}: cannot be read ({reason}); expected {kind}. Check the path and its "
            "permissions; if the file is damaged, fetch it again."
        ) from error
    _check_length(path, shape, dtype.itemsize, len(body))
    return np.frombuffer(body, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _open(path: Path) -> gzip.GzipFile | BufferedReader:
    with path.open("rb") as file:
        packed = file.read(2) == GZIP
    return gzip.open(path, "rb") if packed else path.open("rb")


def _read_header(
    path: Path, stream: gzip.GzipFile | BufferedReader
) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = stream.read(4)
    if not is_idx(magic):
        raise DataError(
            f"{path}: is not an IDX file; expected it to begin with 00 00, the type of its numbers "
            f"and that of its dimensions, found {magic.hex(' ') or 'nothing'}. {HELP}"
        )
    ndim = magic[3]
    sizes = stream.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise DataError(
            f"{path}: breaks off in its header; expected {4 * ndim} bytes of sizes, "
            f"found {len(sizes)}. Fetch the file again."
        )
    shape = tuple(int(size) for size in np.frombuffer(sizes, dtype=">u4"))
    return np.dtype(_TYPES[magic[2]]), shape


def _read_up_to(path: Path, stream: gzip.GzipFile | BufferedReader, limit: int) -> bytearray:
    # Asking for everything at once would allocate what the header claims.
    body = bytearray()
    while len(body) < limit and (piece := stream.read(min(_CHUNK, limit - len(body)))):
        body += piece
        check_unpacked(path, len(body))
    return body


def _check_length(path: Path, shape: tuple[int, ...], itemsize: int, found: int) -> None:
    expected = math.prod(shape) * itemsize
    if expected == 0:
        raise DataError(f"{path}: is empty; expected sizes of at least 1, found {shape}.")
    if found != expected:
        described = "more" if found > expected else f"only {found}"
        raise DataError(
            f"{path}: does not match its header; expected {expected} bytes for the shape {shape}, "
            f"found {described}. Fetch the file again."
        )
