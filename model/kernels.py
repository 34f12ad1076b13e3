"""The element-wise passes of the packed trainer, each fused into one loop.

In numpy the softmax of a pack is ten passes over the logits; compiled as one
loop it touches them once while they are in the cache. The arrays are
class-major: a row of logits is ``z[i, k*M + m]`` for class k and column m, so
every inner loop runs over contiguous memory in m and becomes vector code.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.compiled import compiled, njit
from model.products.fixed_loops import sum_in_order

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

f32 = np.float32
_FLOOR = f32(-40.0)  # exp(-40) = 4e-18 is far below float32's epsilon, far above its denormals

# No reassociation: the result must not depend on how the compiler unrolls.
_FLAGS = {"contract", "nsz"}
# Nor contraction, which is the machine's: the same bits everywhere.
_ALIKE = {"nsz"}


@njit(inline="always", fastmath=_FLAGS)
def _exp(x: np.float32) -> np.float32:
    """exp(x) for -40 <= x <= 0, within 2 units in the last place.

    The polynomial of Cephes' expf on [-ln 2 / 2, ln 2 / 2] times a power of two
    put straight into the exponent bits: unlike a call into libm it vectorises.
    """
    k = np.floor(x * f32(1.44269504) + f32(0.5))
    r = x - k * f32(0.693359375)
    r = r - k * f32(-2.12194440e-4)
    p = f32(1.9875691500e-4)
    p = p * r + f32(1.3981999507e-3)
    p = p * r + f32(8.3334519073e-3)
    p = p * r + f32(4.1665795894e-2)
    p = p * r + f32(1.6666665459e-1)
    p = p * r + f32(5.0000001201e-1)
    p = p * r * r + r + f32(1.0)
    power = (np.int32(k) + np.int32(127)) << np.int32(23)
    return p * np.int32(power).view(np.float32)  # type: ignore[no-any-return]


@njit(inline="always", fastmath=_FLAGS)
def _log(x: np.float32) -> np.float32:
    """log(x) for x >= 1, within 2 units in the last place; nan for nan.

    The polynomial of Cephes' logf on [sqrt(1/2), sqrt(2)]. A library's logarithm has other bits on
    another machine.
    """
    bits = np.float32(x).view(np.int32)
    k = (bits >> np.int32(23)) - np.int32(126)
    mantissa = np.int32((bits & np.int32(0x007FFFFF)) | np.int32(0x3F000000))
    m = mantissa.view(np.float32)  # in [1/2, 1)
    if m < f32(0.707106781):
        k = k - np.int32(1)
        m = m + m
    r = m - f32(1.0)
    s = r * r
    p = f32(7.0376836292e-2)
    p = p * r - f32(1.1514610310e-1)
    p = p * r + f32(1.1676998740e-1)
    p = p * r - f32(1.2420140846e-1)
    p = p * r + f32(1.4249322787e-1)
    p = p * r - f32(1.6668057665e-1)
    p = p * r + f32(2.0000714765e-1)
    p = p * r - f32(2.4999993993e-1)
    p = p * r + f32(3.3333331174e-1)
    e = f32(k)
    tail = p * r * s - f32(2.12194440e-4) * e - f32(0.5) * s
    return (r + tail) + f32(0.693359375) * e


@njit(inline="always", fastmath=_FLAGS)
def _logits(z: F32, correction: F32, scale: F32, b: F32, last: F32, top: F32) -> None:
    """Turn one row of products into logits in place; fill in the last class and the maximum.

    The logits of all classes sum to zero, which gives the class that is not stored:
    last = -sum_k z_k, and top = max(last, max_k z_k).
    """
    M = scale.shape[0]
    for m in range(M):
        last[m] = f32(0.0)
    for k in range(b.shape[0]):
        for m in range(M):
            logit = (z[k * M + m] - correction[k * M + m]) * scale[m] + b[k, m]
            z[k * M + m] = logit
            last[m] -= logit
    for m in range(M):
        top[m] = last[m]
    for k in range(b.shape[0]):
        for m in range(M):
            top[m] = max(top[m], z[k * M + m])


@njit(inline="always", fastmath=_FLAGS)
def _exponentials(z: F32, last: F32, top: F32, total: F32) -> None:
    """Turn one row of logits into exp(z - top) in place; total = their sum, the last class too."""
    M = top.shape[0]
    for m in range(M):
        total[m] = _exp(max(last[m] - top[m], _FLOOR))
    for k in range(z.shape[0] // M):
        for m in range(M):
            e = _exp(max(z[k * M + m] - top[m], _FLOOR))
            z[k * M + m] = e
            total[m] += e


@njit(inline="always", fastmath=_FLAGS)
def _descend(
    z: F32, correction: F32, y: I64, scale: F32, next_scale: F32, step: F32, b: F32
) -> None:
    K, M = b.shape
    last = np.empty(M, np.float32)  # logit of the class that is not stored
    top = np.empty(M, np.float32)  # largest logit
    total = np.empty(M, np.float32)  # sum over the classes of exp(logit - top)
    factor = np.empty(M, np.float32)  # unit / total, so that p * unit = exp(logit - top) * factor
    unit = step / next_scale  # delta' of p - y = 1
    db = np.zeros((K, M), np.float32)  # sum of delta' over the rows
    for i in range(z.shape[0]):
        _logits(z[i], correction[i], scale, b, last, top)
        _exponentials(z[i], last, top, total)
        for m in range(M):
            factor[m] = unit[m] / total[m]
        for k in range(K):
            y_k = f32(1.0) if y[i] == k else f32(0.0)
            for m in range(M):
                delta = z[i, k * M + m] * factor[m] - y_k * unit[m]
                z[i, k * M + m] = delta
                db[k, m] += delta
    for k in range(K):
        for m in range(M):
            b[k, m] -= next_scale[m] * db[k, m]


@compiled(fastmath=_FLAGS)
def descend(
    z: F32, correction: F32, y: I64, scale: F32, next_scale: F32, step: F32, b: F32
) -> None:
    """One mini-batch: products become scaled deltas, and the bias takes its step.

    With z = scale * (Z - correction) + b and p = softmax(z):
    delta' = (p - y) * step / next_scale, so that V <- V - X^T delta' and
    b <- b - step * sum (p - y).

    Parameters
    ----------
    z : ndarray of shape (n, K*M)
        X V on entry, delta' on return; K = c - 1 stored classes, M columns.
    correction : ndarray of shape (n, K*M)
        The change of X V by the earlier mini-batches of the block.
    y : ndarray of shape (n,)
        Labels 0 .. K.
    scale, next_scale : ndarray of shape (M,)
        W = scale * V before and after the decay of this step.
    step : ndarray of shape (M,)
        Learning rate over n.
    b : ndarray of shape (K, M)
        Bias, changed in place.
    """
    _descend(z, correction, y, scale, next_scale, step, b)


@compiled(fastmath=_ALIKE)
def descend_alike(
    z: F32, correction: F32, y: I64, scale: F32, next_scale: F32, step: F32, b: F32
) -> None:
    """Do as `descend` does, each column to the same bits on every machine."""
    _descend(z, correction, y, scale, next_scale, step, b)


@compiled(fastmath=_ALIKE)
def descend_before_last(
    Z: F32, gram: F32, y: I64, scales: F32, step: F32, b: F32, correction: F32
) -> None:
    """Take the steps of all mini-batches of a block but the last one, without Python in between.

    To the bits of a correction and `descend_alike` for each.

    Parameters
    ----------
    Z : ndarray of shape (n, K*M)
        X V on entry; the deltas of these mini-batches on return.
    gram : ndarray of shape (n, n)
        X X^T.
    y : ndarray of shape (n,)
    scales : ndarray of shape (mini-batches + 1, M)
        Before each mini-batch, and after the last one.
    step : ndarray of shape (M,)
        Learning rate over the rows of a mini-batch.
    b : ndarray of shape (K, M)
    correction : ndarray of shape (rows of a mini-batch, K*M)
        Written over.
    """
    rows = correction.shape[0]
    for j in range(scales.shape[0] - 2):
        start, stop = j * rows, (j + 1) * rows
        sum_in_order(gram[start:stop, :start], Z[:start], correction)
        _descend(Z[start:stop], correction, y[start:stop], scales[j], scales[j + 1], step, b)


@njit(inline="always", fastmath=_FLAGS)
def _add_scaled(total: F32, V: F32, scale: F32) -> None:
    for d in range(V.shape[0]):
        total_d, V_d = total[d], V[d]  # with two indices in the loop it is not vector code
        for j in range(scale.shape[0]):
            total_d[j] += scale[j] * V_d[j]


@compiled(fastmath=_FLAGS)
def add_scaled(total: F32, V: F32, scale: F32) -> None:
    """Add scale * V to `total`, one row of features after another.

    Parameters
    ----------
    total, V : ndarray of shape (D, K*M)
    scale : ndarray of shape (K*M,)
        The scale of each column of V.
    """
    _add_scaled(total, V, scale)


@compiled(fastmath=_ALIKE)
def add_scaled_alike(total: F32, V: F32, scale: F32) -> None:
    """Do as `add_scaled` does, each column to the same bits on every machine."""
    _add_scaled(total, V, scale)


@njit(inline="always", fastmath=_FLAGS)
def _tally_row(
    z: F32,
    y: int,
    scale: F32,
    b: F32,
    no_correction: F32,
    last: F32,
    top: F32,
    total: F32,
    cost: NDArray[np.float64],
    correct: I64,
    losses: F32,
) -> None:
    """Begin the loss of a row: all of -log p = (top - z_label) + log(total) but the logarithm."""
    K, M = b.shape
    _logits(z, no_correction, scale, b, last, top)
    before = total  # the largest logit of the classes before the label's, until it is overwritten
    if y > 0:
        for m in range(M):
            before[m] = z[m]
        for k in range(1, y):
            for m in range(M):
                before[m] = max(before[m], z[k * M + m])
    for m in range(M):
        z_label = z[y * M + m] if y < K else last[m]
        # The first of equal logits is predicted, so the others are not hits.
        correct[m] += (z_label == top[m]) & ((y == 0) | (before[m] < top[m]))
        # The last logit is the sum of the others: 0 * it is nan if any is not finite.
        losses[m] = f32(0.0) * last[m] + top[m] - z_label
        cost[m] += losses[m]
    _exponentials(z, last, top, total)


@compiled(fastmath=_FLAGS)
def tally(
    z: F32, y: I64, scale: F32, b: F32, cost: NDArray[np.float64], correct: I64, losses: F32
) -> None:
    """Add each column's cross-entropy and hits over some rows to `cost` and `correct`.

    Parameters
    ----------
    z : ndarray of shape (n, K*M)
        X V; overwritten.
    y : ndarray of shape (n,)
    scale : ndarray of shape (M,)
    b : ndarray of shape (K, M)
    cost : ndarray of shape (M,), float64
        Sum of -log p of the labels; not finite where a logit is not. It is kept beside
        `losses` because a sum of tens of thousands of them in float32 would be rounded.
    correct : ndarray of shape (M,), int64
        Number of rows whose label has the largest logit, the first of equal ones.
    losses : ndarray of shape (n, M)
        Becomes -log p of each row's label.
    """
    M = scale.shape[0]
    last = np.empty(M, np.float32)  # logit of the class that is not stored
    top = np.empty(M, np.float32)  # largest logit
    total = np.empty(M, np.float32)  # sum over the classes of exp(logit - top)
    no_correction = np.zeros(z.shape[1], np.float32)
    for i in range(z.shape[0]):
        _tally_row(z[i], y[i], scale, b, no_correction, last, top, total, cost, correct, losses[i])
        for m in range(M):
            log_total = np.log(total[m])
            losses[i, m] += log_total
            cost[m] += log_total


@compiled(fastmath=_ALIKE)
def tally_alike(z: F32, y: I64, scale: F32, b: F32, losses: F32, hits: I64) -> None:
    """Write what `tally` adds up, each column to the same bits on every machine.

    Parameters
    ----------
    z, y, scale, b, losses
        As for `tally`.
    hits : ndarray of shape (n, M), int64
        Zero on entry; 1 where the row's label has the largest logit, the first of equal ones.
    """
    M = scale.shape[0]
    last, top = np.empty(M, np.float32), np.empty(M, np.float32)
    total, no_correction = np.empty(M, np.float32), np.zeros(z.shape[1], np.float32)
    begun = np.zeros(M, np.float64)
    for i in range(z.shape[0]):
        _tally_row(z[i], y[i], scale, b, no_correction, last, top, total, begun, hits[i], losses[i])
        for m in range(M):
            losses[i, m] += _log(total[m])


@compiled(fastmath=_ALIKE)
def add_in_order(values: F32, weights: NDArray[np.float64], totals: NDArray[np.float64]) -> None:
    """Add values^T weights to `totals`, each number over the rows in their order.

    Parameters
    ----------
    values : ndarray of shape (n, M)
    weights : ndarray of shape (n, B), float64
    totals : ndarray of shape (M, B), float64
    """
    for i in range(values.shape[0]):
        w = weights[i]
        for m in range(values.shape[1]):
            value, total = np.float64(values[i, m]), totals[m]
            for k in range(w.shape[0]):
                total[k] += value * w[k]


@compiled()
def add_product(X: NDArray[Any], W: NDArray[np.float64], Z: NDArray[np.float64]) -> None:
    """Add X W to Z, each row to the same bits whatever other rows stand beside it.

    A product of BLAS rounds by the shape of the whole. Here each number of Z is summed up over
    the features in their order, and nothing is reassociated.

    Parameters
    ----------
    X : ndarray of shape (n, D)
    W : ndarray of shape (D, c), float64
    Z : ndarray of shape (n, c), float64
    """
    n, c = Z.shape
    for start in range(0, n, 8):  # some rows at a time, for which W is read once
        stop = min(start + 8, n)
        for d in range(W.shape[0]):
            W_d = W[d]
            for i in range(start, stop):
                x, z = np.float64(X[i, d]), Z[i]
                for k in range(c):
                    z[k] += x * W_d[k]
