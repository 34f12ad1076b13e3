"""Products of bytes in AMX's tiles, each with the pass over its sums in the same loop.

AMX (Intel's advanced matrix extensions) has eight registers, tiles, of 16 rows of 64 bytes. An
instruction multiplies 16 rows of 64 bytes with 64 rows of 16 columns, and adds to sums of 16 rows
and 16 columns in int32. Six tiles hold the sums of three limbs of 32 rows here, and two what is
multiplied. Sums never leave the first cache.

A factor is kept as the instruction reads it: ``P[panel, limb, k // 4, column % 16]`` is a word of
the bytes of four rows k of one of 16 columns. A tile is loaded three times as fast from addresses
that are multiples of 64.
"""

import numpy as np
from numpy.typing import NDArray

from model.compiled import compiled, njit
from model.products.fixed_loops import units_of
from model.products.vectors import (
    ADD_SIGNED,
    ADD_UNSIGNED,
    LANES,
    LOAD,
    STORE,
    ZERO,
    address,
    configure,
    fetch,
    float_row,
    largest_of_rows,
    release,
    split_rows,
    subtract_row,
    write_row,
)

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
U8 = NDArray[np.uint8]

f32 = np.float32

ROWS = 32
"""Rows that are multiplied at a time: those of two tiles."""

STEP = 64
"""Numbers that one instruction adds up."""

_TILE = 1024  # bytes

# Panels that are multiplied with the same rows in turn: parts of a row of weights that lie side by
# side are then asked of memory together, and those of all rows still fit the second cache.
_GROUP = 4

zero_0, zero_1, zero_2, zero_3, zero_4, zero_5 = ZERO
store_0, store_1, store_2, store_3, store_4, store_5 = STORE
add_0, add_1, add_2, add_3, add_4, add_5 = ADD_SIGNED
add_unsigned_0, add_unsigned_1 = ADD_UNSIGNED
load_rows, load_columns = LOAD


@njit(inline="always")
def _multiply(rows: int, stride: int, panel: int, limb: int, steps: int, sums: int) -> None:
    """Write the sums of 32 rows and 16 columns, first the three limbs of 16 rows, then the others.

    All are addresses and distances in bytes, and `steps` the number of instructions for a sum.
    """
    zero_0(())
    zero_1(())
    zero_2(())
    zero_3(())
    zero_4(())
    zero_5(())
    for k in range(steps):
        row, column = rows + STEP * k, panel + _TILE * k
        load_rows((row, stride))
        load_columns((column, 64))
        add_0(())
        load_columns((column + limb, 64))
        add_1(())
        load_columns((column + 2 * limb, 64))
        add_2(())
        load_rows((row + 16 * stride, stride))
        add_5(())
        load_columns((column + limb, 64))
        add_4(())
        load_columns((column, 64))
        add_3(())
    store_0((sums, 64))
    store_1((sums + _TILE, 64))
    store_2((sums + 2 * _TILE, 64))
    store_3((sums + 3 * _TILE, 64))
    store_4((sums + 4 * _TILE, 64))
    store_5((sums + 5 * _TILE, 64))


@njit()
def _copy_four(F: F32, four: int, first: int, rest: F32) -> None:
    """Copy four rows of a panel that are not all there, with zeros for the others."""
    for i in range(4):
        for j in range(LANES):
            here = 4 * four + i < F.shape[0] and first + j < F.shape[1]
            rest[i, j] = F[4 * four + i, first + j] if here else f32(0.0)


@njit()
def _hold_panel(F: F32, panel: int, top: I32, P: I32, unit: F64, inverse: F32, rest: F32) -> None:
    """Write one panel of a factor, and the units of its columns, from their largest magnitudes."""
    first, limb = LANES * panel, P.strides[1]
    factors = inverse[first : first + LANES]
    units_of(top[panel], unit[first : first + LANES], factors)
    full = F.shape[0] // 4 if first + LANES <= F.shape[1] else 0
    # Outside of the loop: numba counts references whenever it hands an array on.
    scale, spare = address(factors), address(rest)
    p, f, stride = address(P) + panel * P.strides[0], address(F) + 4 * first, F.strides[0]
    for four in range((F.shape[0] + STEP - 1) // STEP * LANES):  # with those that are zero
        if four >= full:
            _copy_four(F, four, first, rest)
            f, stride = spare, 4 * LANES
        split_rows(
            (f, f + stride, f + 2 * stride, f + 3 * stride, scale, p, p + limb, p + 2 * limb)
        )
        f, p = f + 4 * stride, p + 4 * LANES


@compiled()
def hold(F: F32, top: I32, P: I32, unit: F64, inverse: F32, rest: F32) -> None:
    """Write whole numbers nearest to F / unit as panels of three limbs; zero below the rows.

    Parameters
    ----------
    F : ndarray of shape (k, W), float32
    top : ndarray of shape (panels, 16), int32
        Working memory: the largest magnitude of each column, as bits.
    P : ndarray of shape (panels, 3, at least k / 4, 16), int32
    unit, inverse : ndarray of shape (16 panels,), float64 and float32
        Become the units of the columns, and their inverses.
    rest : ndarray of shape (4, 16), float32
        Working memory, for rows of a panel that is not full.
    """
    top[:] = 0
    spare = address(rest)
    for panel in range(P.shape[0]):
        first = LANES * panel
        full = F.shape[0] // 4 if first + LANES <= F.shape[1] else 0
        largest, f, stride = address(top) + 4 * first, address(F) + 4 * first, F.strides[0]
        for four in range((F.shape[0] + 3) // 4):
            if four >= full:
                _copy_four(F, four, first, rest)
                f, stride = spare, 4 * LANES
            largest_of_rows((f, f + stride, f + 2 * stride, f + 3 * stride, largest))
            f += 4 * stride
        _hold_panel(F, panel, top, P, unit, inverse, rest)


@compiled()
def multiply(
    config: U8,
    X: U8,
    top: I32,
    P: I32,
    unit: F64,
    inverse: F32,
    Z: F32,
    sums: I32,
    rest: F32,
    subtracting: bool,
    holding: bool,
) -> None:
    """Z = X times the factor, times the unit of each column; or Z minus that. Each is rounded once.

    The pass over a panel of Z may write it over that of the factor, as `hold` does.

    Parameters
    ----------
    config : ndarray of shape (64,), uint8
        How the tiles are laid out.
    X : ndarray of shape (n', k), uint8
        At least n rows; n' and k are multiples of 32 and 64. Zero beyond what is multiplied.
    top, P, unit, inverse
        As `hold` writes them.
    Z : ndarray of shape (n, W), float32
    sums : ndarray of shape (2, 3, 16, 16), int32
        Working memory.
    rest : ndarray of shape (4, 16), float32
        As for `hold`.
    subtracting, holding : bool
    """
    n, W = Z.shape
    stride, steps, limb = X.strides[0], X.shape[1] // STEP, P.strides[1]
    panels = P.shape[0]
    x, u, p, z, largest = address(X), address(unit), address(P), address(Z), address(top)
    summed, spare = address(sums), address(rest)
    top[:] = 0
    configure((address(config),))
    for group in range(0, panels, _GROUP):
        last = min(group + _GROUP, panels)
        for start in range(0, n, ROWS):
            for panel in range(group, last):
                first = LANES * panel
                width = min(LANES, W - first)
                _multiply(x + start * stride, stride, p + panel * P.strides[0], limb, steps, summed)
                for i in range(min(ROWS, n - start)):
                    row = z + (start + i) * Z.strides[0] + 4 * first
                    fetch((row + ROWS * Z.strides[0],))  # a panel's rows are far from each other
                    if width < LANES:
                        row = spare
                        for j in range(width):
                            rest[0, j] = Z[start + i, first + j]
                    s = summed + (i // 16) * 3 * _TILE + (i % 16) * 64
                    scale = u + 8 * first
                    if subtracting:
                        top_row = largest + 4 * first
                        subtract_row((s, s + _TILE, s + 2 * _TILE, scale, row, top_row))
                    else:
                        write_row((s, s + _TILE, s + 2 * _TILE, scale, row))
                    if width < LANES:
                        for j in range(width):
                            Z[start + i, first + j] = rest[0, j]
        if holding:
            for panel in range(group, last):
                _hold_panel(Z, panel, top, P, unit, inverse, rest)
    release(())


@compiled()
def gram(config: U8, X: U8, P: I32, G: F32, sums: I32, rest: F32) -> None:
    """G = X X^T, each number rounded once.

    Parameters
    ----------
    config, sums, rest
        As for `multiply`.
    X : ndarray of shape (n', k), uint8
        As for `multiply`.
    P : ndarray of shape (panels, k / 4, 16), int32
        Words of 16 rows of X each, side by side.
    G : ndarray of shape (n, n), float32
    """
    n = len(G)
    stride, steps = X.strides[0], X.shape[1] // STEP
    x, p, g, summed, spare = address(X), address(P), address(G), address(sums), address(rest)
    configure((address(config),))
    for panel in range((n + LANES - 1) // LANES):
        first = LANES * panel
        width = min(LANES, n - first)
        for start in range(0, n, ROWS):
            zero_0(())
            zero_1(())
            for k in range(steps):
                rows = x + start * stride + STEP * k
                load_columns((p + panel * P.strides[0] + _TILE * k, 64))
                load_rows((rows, stride))
                add_unsigned_0(())
                load_rows((rows + 16 * stride, stride))
                add_unsigned_1(())
            store_0((summed, 64))
            store_1((summed + _TILE, 64))
            for i in range(min(ROWS, n - start)):
                if width == LANES:
                    float_row((summed + 64 * i, g + (start + i) * G.strides[0] + 4 * first))
                else:
                    float_row((summed + 64 * i, spare))
                    for j in range(width):
                        G[start + i, first + j] = rest[0, j]
    release(())
