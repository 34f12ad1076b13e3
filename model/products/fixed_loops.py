"""The passes of fixed-point products over their numbers, each fused into one loop.

No loop lets the compiler contract or reorder: the bits are those of the lines as they stand.
"""

import numpy as np
from numpy.typing import NDArray

from model.compiled import compiled

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

f32 = np.float32
_MAGNITUDE = np.int32(0x7FFFFFFF)  # all but the sign of a float32


@compiled()
def largest(bits: I32, top: I32) -> None:
    """Write each column's largest magnitude into `top`, as the bits of a float32.

    As whole numbers these have the order of the magnitudes, with nan above all.

    Parameters
    ----------
    bits : ndarray of shape (k, W), int32
        The bits of numbers in float32.
    top : ndarray of shape (W,), int32
        Zero on entry.
    """
    for i in range(bits.shape[0]):
        row = bits[i]
        for j in range(top.shape[0]):
            top[j] = max(top[j], row[j] & _MAGNITUDE)


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
        # Bytes in loops of their own: with the above in one they are no vector code.
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

    Parameters
    ----------
    gram : ndarray of shape (n, m)
    deltas : ndarray of shape (m, W)
    correction : ndarray of shape (n, W)
    """
    W = correction.shape[1]
    for i in range(correction.shape[0]):
        out = correction[i]
        for j in range(W):
            out[j] = f32(0.0)
        for k in range(0, gram.shape[1] // 4 * 4, 4):
            g_0, g_1, g_2, g_3 = gram[i, k], gram[i, k + 1], gram[i, k + 2], gram[i, k + 3]
            d_0, d_1, d_2, d_3 = deltas[k], deltas[k + 1], deltas[k + 2], deltas[k + 3]
            for j in range(W):
                out[j] = (((out[j] + g_0 * d_0[j]) + g_1 * d_1[j]) + g_2 * d_2[j]) + g_3 * d_3[j]
        for k in range(gram.shape[1] // 4 * 4, gram.shape[1]):
            g, d = gram[i, k], deltas[k]
            for j in range(W):
                out[j] += g * d[j]
