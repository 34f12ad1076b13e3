"""Safetensors: a header in JSON with types, shapes and places, then the values."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.formats.roles import choose, found_arrays
from model.data.found import HELP, Found, Reading, refuse_for_arrays
from model.data.memory import raise_lack_of_memory
from model.errors import DataError

_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4",
    "I16": "<i2", "I8": "i1", "U8": "u1", "U16": "<u2", "U32": "<u4", "U64": "<u8", "BOOL": "?",
}  # fmt: skip
_LARGEST_HEADER = 100_000_000  # bytes, as the format says


class SafetensorsReader:
    """Reads a ``.safetensors`` file; values stay on disk until their rows are asked for."""

    kind = "safetensors"

    def is_yours(self, path: Path, head: bytes) -> bool:
        """Whether it has a header such as the format's, or calls itself so."""
        size = int.from_bytes(head[:8], "little")
        return path.suffix.lower() == ".safetensors" or (
            head[8:9] == b"{" and 2 <= size <= _LARGEST_HEADER
        )

    def read(self, path: Path, reading: Reading) -> Found:
        """Read the tensors that have a role."""
        refuse_for_arrays(path, reading)
        try:
            header, start = _header(path)
            names = [name for name in header if name != "__metadata__"]
            chosen = choose(path, names, reading)
            return found_arrays(
                path, path.stem, chosen, names, lambda key: _tensor(path, start, key, header[key])
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise_lack_of_memory(error)
            raise DataError(
                f"{path}: cannot be read ({error}); expected a whole safetensors file. Fetch or "
                f"write it again. {HELP}"
            ) from error


def _header(path: Path) -> tuple[dict[str, Any], int]:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > min(_LARGEST_HEADER, path.stat().st_size):
            raise ValueError("its header is longer than the file")
        header = json.loads(file.read(size), object_pairs_hook=_each_once)
    if not isinstance(header, dict):
        raise TypeError("its header is not a table")
    return header, 8 + size


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that occurs twice, of which Python takes the last and others the first."""
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} occurs twice in it")
    return table


def _tensor(path: Path, start: int, name: str, entry: Any) -> NDArray[Any]:
    kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    if kind not in _TYPES:
        raise ValueError(f"{name} is of the type {kind}")
    dtype = np.dtype(_TYPES[kind])
    if not all(type(size) is int and size >= 0 for size in (*shape, begin, end)):
        raise ValueError(f"the shape of {name} is none")
    if end - begin != math.prod(shape) * dtype.itemsize or start + end > path.stat().st_size:
        raise ValueError(f"{name} does not match its place")
    if begin == end:
        return np.zeros(shape, dtype)
    values = np.memmap(path, dtype, "r", offset=start + begin, shape=tuple(shape))
    if kind != "BF16":
        return values
    # The upper half of a float32.
    return (values.astype(np.uint32) << 16).view(np.float32)
