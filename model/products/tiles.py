"""Exact sums of products with 24-bit numbers in AMX's tiles, where the processor has them."""

import ctypes
import platform
import sys
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

# Of Linux, as its documents have them: arch_prctl's number and request, and the tiles' data.
_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA = 158, 0x1023, 18
_CACHE_LINE = 64


@cache
def have_tiles() -> bool:
    """Whether loops are compiled with AMX here, and the system lets this process use it."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    from numba.core.registry import cpu_target  # late: see `model.compiled`

    # What loops are compiled for, which settings of numba may narrow: without it LLVM would abort.
    features = cpu_target.target_context.codegen().magic_tuple()[2].split(",")
    if not {"+amx-tile", "+amx-int8"} <= set(features):
        return False
    try:
        refused = ctypes.CDLL(None).syscall(_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA)
    except (OSError, AttributeError):
        return False
    return bool(refused == 0)


class TileSums:
    """Sums in AMX's tiles, which are joined before they leave the first cache.

    Parameters
    ----------
    rows, n_features, width : int
        Rows of a block, features and columns.
    """

    def __init__(self, rows: int, n_features: int, width: int) -> None:
        from model.products import tile_loops  # late: see `model.compiled`
        from model.products.vectors import LANES

        self._loops = tile_loops
        self._lanes = lanes = LANES
        step = tile_loops.STEP
        panels = _up(width, lanes) // lanes
        self._config = np.zeros(64, np.uint8)
        self._config[0] = 1
        self._config[16:32:2] = 64  # bytes of a row, of eight tiles
        self._config[48:56] = 16  # rows
        self._rows = _aligned((_up(rows, tile_loops.ROWS), _up(n_features, step)), np.uint8)
        self._columns = _aligned((_up(n_features, tile_loops.ROWS), _up(rows, step)), np.uint8)
        deep = _up(max(rows, n_features), step) // 4
        self._factor = _aligned((panels, 3, deep, lanes), np.int32)
        self._words = _aligned(
            (_up(rows, lanes) // lanes, _up(n_features, step) // 4, lanes), np.int32
        )
        self._sums = _aligned((2, 3, 16, 16), np.int32)
        self._rest = _aligned((4, lanes), np.float32)
        self._top = _aligned((panels, lanes), np.int32)
        self._unit = _aligned((panels * lanes,), np.float64)
        self._inverse = _aligned((panels * lanes,), np.float32)

    def hold(self, F: F32) -> None:
        """Write panels of three bytes for each number."""
        F = np.ascontiguousarray(F)
        _check(F, 4 * self._factor.shape[2], self._inverse.size)
        self._loops.hold(F, self._top, self._factor, self._unit, self._inverse, self._rest)

    def write(self, X: U8, Z: F32) -> None:
        """Multiply, and round once."""
        n, D = X.shape
        self._rows[:n, :D] = X
        self._multiply(self._rows, Z)

    def subtract(self, X: U8, V: F32, *, then_hold: bool) -> None:
        """Multiply, and round each difference once; a panel is held while it is in the cache."""
        n, D = X.shape
        columns = self._columns[:, : _up(n, self._loops.STEP)]
        columns[:D, :n] = X.T
        columns[:, n:] = 0
        self._multiply(columns, V, subtracting=True, holding=then_hold)

    def _multiply(self, X: U8, Z: F32, *, subtracting: bool = False, holding: bool = False) -> None:
        _check(Z, len(X), self._unit.size)
        self._loops.multiply(
            self._config, X, self._top, self._factor, self._unit, self._inverse, Z, self._sums,
            self._rest, subtracting, holding,
        )  # fmt: skip

    def gram(self, X: U8, G: F32) -> None:
        """Multiply, and round once."""
        n, D = X.shape
        _check(G, len(self._rows), n)
        self._rows[:n, :D] = X
        panels = _up(n, self._lanes) // self._lanes
        words = self._rows[: panels * self._lanes].view(np.int32)
        words = words.reshape(panels, self._lanes, -1)
        np.copyto(self._words[:panels], words.transpose(0, 2, 1))
        self._loops.gram(self._config, self._rows, self._words, G, self._sums, self._rest)


def _check(F: F32, most_rows: int, most_columns: int) -> None:
    """Refuse what loops that know addresses alone would read or write beyond its end."""
    n, W = F.shape
    if most_rows < n or most_columns < W:
        raise ValueError(f"{F.shape} is beyond ({most_rows}, {most_columns})")
    if F.dtype != np.float32 or (W > 1 and F.strides[1] != F.itemsize):
        raise ValueError("the rows of a matrix are not in one piece, or not in float32")


def _up(count: int, multiple: int) -> int:
    """Round up to a multiple."""
    return -(-count // multiple) * multiple


def _aligned(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return zeros that begin at a line of the cache: else each row of a tile would be in two."""
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(n_bytes + _CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    aligned: NDArray[Any] = memory[start : start + n_bytes].view(dtype).reshape(shape)
    return aligned
