"""IDX, the file format of the MNIST family: a short header, then one byte a value."""

import gzip
import math
import zlib
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.data.found import Found, Part, Reading, refuse_for_arrays
from model.errors import DataError

_UNSIGNED_BYTE = 0x08
_CHUNK = 1 << 20


def read_idx(path: Path, *, ndim: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes.

    The header is not believed: the file's content is read piece by piece and
    compared with it, so a header that promises more than there is costs no memory.

    Parameters
    ----------
    path : Path
        The file; it is unpacked on the way if its name ends in ``.gz``.
    ndim : int
        The number of dimensions expected: 3 for images, 1 for labels.

    Returns
    -------
    ndarray of uint8 with `ndim` dimensions

    Raises
    ------
    DataError
        If the file cannot be read or unpacked, is of another kind, or is shorter
        or longer than its header says.
    """
    try:
        with _open(path) as stream:
            shape = _read_header(path, stream, ndim)
            body = _read_up_to(stream, math.prod(shape) + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        kind = "a complete gzip file of IDX data" if path.suffix == ".gz" else "an IDX file"
        raise DataError(
            f"{path}: cannot be read ({reason}); expected {kind}. Check the path and its "
            "permissions; if the file is damaged, fetch it again."
        ) from error
    _check_length(path, shape, len(body))
    return np.frombuffer(body, dtype=np.uint8).reshape(shape)


class IdxReader:
    """Reads a folder of IDX files under the names of the MNIST family.

    These are ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same
    with ``t10k`` for the test images, each with or without ``.gz`` (where both are
    there, the ``.gz`` counts). The test files may be left out.
    """

    def is_yours(self, path: Path, head: bytes) -> bool:
        """Whether it is a folder."""
        del head
        return path.is_dir()

    def read(self, path: Path, reading: Reading) -> Found:
        """Read the images and labels."""
        refuse_for_arrays(path, reading)
        train = _read_pair(path, "train")
        if train is None:
            raise DataError(
                f"{path}: holds no training data; expected train-images-idx3-ubyte and "
                f"train-labels-idx1-ubyte, with or without .gz, found {_listing(path)}."
            )
        return Found(name=path.resolve().name, train=train, test=_read_pair(path, "t10k"))


def _open(path: Path) -> gzip.GzipFile | BufferedReader:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _read_header(path: Path, stream: gzip.GzipFile | BufferedReader, ndim: int) -> tuple[int, ...]:
    magic = bytes((0, 0, _UNSIGNED_BYTE, ndim))
    found = stream.read(4)
    if found != magic:
        raise DataError(
            f"{path}: is not an IDX file of bytes with {ndim} dimension(s); expected it to begin "
            f"with {magic.hex(' ')}, found {found.hex(' ') or 'nothing'}."
        )
    sizes = stream.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise DataError(
            f"{path}: breaks off in its header; expected {4 * ndim} bytes of sizes, "
            f"found {len(sizes)}. Fetch the file again."
        )
    return tuple(int(size) for size in np.frombuffer(sizes, dtype=">u4"))


def _read_up_to(stream: gzip.GzipFile | BufferedReader, limit: int) -> bytearray:
    # Asking for everything at once would allocate what the header claims.
    body = bytearray()
    while len(body) < limit and (piece := stream.read(min(_CHUNK, limit - len(body)))):
        body += piece
    return body


def _check_length(path: Path, shape: tuple[int, ...], found: int) -> None:
    expected = math.prod(shape)
    if expected == 0:
        raise DataError(f"{path}: is empty; expected sizes of at least 1, found {shape}.")
    if found != expected:
        described = "more" if found > expected else f"only {found}"
        raise DataError(
            f"{path}: does not match its header; expected {expected} bytes for the shape {shape}, "
            f"found {described}. Fetch the file again."
        )


def _read_pair(folder: Path, part: str) -> Part | None:
    names = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
    images, labels = (_find(folder, name) for name in names)
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        missing = names[0] if images is None else names[1]
        raise DataError(
            f"{folder}: lacks {missing} (or {missing}.gz); expected images and labels together, "
            f"found {_listing(folder)}."
        )
    return Part(read_idx(images, ndim=3), read_idx(labels, ndim=1), f"{images}", f"{labels}")


def _find(folder: Path, name: str) -> Path | None:
    candidates = (folder / f"{name}.gz", folder / name)
    return next((path for path in candidates if path.exists()), None)


def _listing(folder: Path, limit: int = 6) -> str:
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        return f"no readable folder ({error.strerror})"
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more if names else "an empty folder"
