"""The passes of fixed-point products over their numbers, each fused into one loop.

No loop lets the compiler contract or reorder: the bits are those of the lines as they stand.
"""

import numpy as np
from numpy.typing import NDArray

from model.compiled import compiled, njit
from model.products.vectors import LANES, address, fma, four_rows_in_order

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

f32 = np.float32
_MAGNITUDE = np.int32(0x7FFFFFFF)  # all but the sign of a float32

BITS = 23
"""Bits of a whole number in fixed point, beside its sign."""

# q is at most 127 + 127 * 2^8 + 127 * 2^16, so that its three bytes have a sign each: the fraction
# of a float32 up to which it is so, in 23 bits below 1/2.
_FULLEST = np.int32(2 * 8_355_711 - 2**23)
# Below 2^-100 a column is thought to be zero: the inverse of its unit would leave float32.
_LEAST = np.int32(-100)


@njit(inline="always")
def units_of(top: I32, unit: F64, inverse: F32) -> None:
    """Write the units of columns, and their inverses, from the bits of their largest magnitudes."""
    for j in range(top.shape[0]):
        power, fraction = top[j] >> np.int32(23), top[j] & np.int32(0x7FFFFF)
        # The number is below 2^exponent, by so much that its bytes have a sign each.
        exponent = max(power - np.int32(126) + (fraction > _FULLEST), _LEAST)
        known = power < 255
        wide = np.int64(1023 - BITS + exponent) << np.int64(52)
        unit[j] = np.int64(wide).view(np.float64) if known else np.nan
        bits = np.int32(127 + BITS - exponent) << np.int32(23)
        inverse[j] = np.int32(bits).view(np.float32) if known else f32(0.0)


@compiled()
def units(bits: I32, top: I32, unit: F64, inverse: F32) -> None:
    """Write the unit of each column, and its inverse.

    As whole numbers the bits of magnitudes have the order of the magnitudes, with nan above all.

    Parameters
    ----------
    bits : ndarray of shape (k, W), int32
        The bits of numbers in float32.
    top : ndarray of shape (W,), int32
        Zero on entry.
    unit, inverse : ndarray of shape (W,), float64 and float32
    """
    for i in range(bits.shape[0]):
        row = bits[i]
        for j in range(top.shape[0]):
            top[j] = max(top[j], row[j] & _MAGNITUDE)
    units_of(top, unit, inverse)


@compiled()
def split(F: F32, inverse: F32, limbs: NDArray[np.int8]) -> None:
    """Write the whole numbers nearest to F * inverse as three bytes with a sign each.

    q = d_0 + 2^8 d_1 + 2^16 d_2, each d from -128 to 127. All steps are exact in float32.

    Parameters
    ----------
    F : ndarray of shape (k, W)
    inverse : ndarray of shape (W,)
        Powers of two, with which no number leaves 24 bits.
    limbs : ndarray of shape (k, 3 W), int8
        All d_0 of a row, then all d_1, then all d_2.
    """
    W = inverse.shape[0]
    low, middle, high = np.empty(W, np.int32), np.empty(W, np.int32), np.empty(W, np.int32)
    for i in range(F.shape[0]):
        row, out = F[i], limbs[i]
        for j in range(W):
            q = np.rint(row[j] * inverse[j])
            d_2 = np.floor((q + f32(32896.0)) * f32(2.0**-16))
            q -= f32(65536.0) * d_2
            d_1 = np.floor((q + f32(128.0)) * f32(2.0**-8))
            q -= f32(256.0) * d_1
            low[j], middle[j], high[j] = np.int32(q), np.int32(d_1), np.int32(d_2)
        # Bytes in their own loops: with the above in one they are not vector code.
        for j in range(W):
            out[j] = np.int8(low[j])
        for j in range(W):
            out[W + j] = np.int8(middle[j])
        for j in range(W):
            out[2 * W + j] = np.int8(high[j])


@compiled()
def join(sums: I32, unit: F64, Z: F32) -> None:
    """Z = unit (s_0 + 2^8 s_1 + 2^16 s_2), rounded once.

    Parameters
    ----------
    sums : ndarray of shape (n, 3 W), int32
        The sums of each byte, as `split` lays them out.
    unit : ndarray of shape (W,)
    Z : ndarray of shape (n, W)
    """
    W = unit.shape[0]
    for i in range(Z.shape[0]):
        low, middle, high, z = sums[i, :W], sums[i, W : 2 * W], sums[i, 2 * W :], Z[i]
        for j in range(W):
            whole = np.float64(low[j]) + 256.0 * np.float64(middle[j])
            z[j] = np.float32((whole + 65536.0 * np.float64(high[j])) * unit[j])


@compiled()
def join_and_subtract(sums: I32, unit: F64, V: F32) -> None:
    """V <- V - unit (s_0 + 2^8 s_1 + 2^16 s_2), rounded once; as `join`."""
    W = unit.shape[0]
    for i in range(V.shape[0]):
        low, middle, high, v = sums[i, :W], sums[i, W : 2 * W], sums[i, 2 * W :], V[i]
        for j in range(W):
            whole = np.float64(low[j]) + 256.0 * np.float64(middle[j])
            whole = (whole + 65536.0 * np.float64(high[j])) * unit[j]
            v[j] = np.float32(np.float64(v[j]) - whole)


@compiled()
def sum_in_order(gram: F32, deltas: F32, correction: F32) -> None:
    """Write gram deltas over `correction`, each number summed up over the rows in their order.

    Each term is rounded once, together with its addition.

    Parameters
    ----------
    gram : ndarray of shape (n, m)
    deltas : ndarray of shape (m, W)
    correction : ndarray of shape (n, W)
    """
    n, W = correction.shape
    wide, fours = W // (2 * LANES) * 2 * LANES, n // 4 * 4
    g, d, out, count = address(gram), address(deltas), address(correction), deltas.shape[0]
    g_stride, d_stride, out_stride = gram.strides[0], deltas.strides[0], correction.strides[0]
    for j in range(0, 4 * wide, 8 * LANES):  # columns that stay in the first cache for all rows
        for i in range(0, fours, 4):
            rows, to = g + i * g_stride, out + i * out_stride + j
            four_rows_in_order((rows, g_stride, d + j, d_stride, count, to, out_stride))
    for i in range(n):
        row, inner = correction[i], gram[i]
        first = wide if i < fours else 0
        for j in range(first, W):
            row[j] = f32(0.0)
        for k in range(count):
            d_k = deltas[k]
            for j in range(first, W):
                row[j] = fma(inner[k], d_k[j], row[j])
