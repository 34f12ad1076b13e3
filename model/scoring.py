"""How every column of a pack does on some rows: cost, hits, costs on resamples, and the penalty."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from model.block import ALIKE_ROWS
from model.pack import PackState, advance_averaging
from model.products import NUMPY, Products, Rows, products_named
from model.seen_rows import SeenRows

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

_SCORE_ROWS = 256


@dataclass(frozen=True)
class Scores:
    """How each column of a pack does on a set of examples.

    Attributes
    ----------
    cost : ndarray of shape (M,), float64
        Mean cross-entropy; not finite where the column has diverged.
    accuracy : ndarray of shape (M,), float64
        Fraction of rows whose label has the largest logit; of equal ones the first counts, as in
        what the model predicts.
    resampled : ndarray of shape (M, B), float32
        Cost on each resample of the examples; B is 0 where none was asked for.
    """

    cost: F64
    accuracy: F64
    resampled: F32 = field(default_factory=lambda: np.empty((0, 0), np.float32))


def score(
    state: PackState,
    X: Rows | SeenRows,
    y: I64,
    counts: U8 | None = None,
    weights: F64 | None = None,
    products: Products = NUMPY,
) -> Scores:
    """Cross-entropy and accuracy of every column.

    Parameters
    ----------
    state : PackState
    X : ndarray of shape (n, D), float32, or SeenRows
    y : ndarray of shape (n,), int64
    counts : ndarray of shape (n, B), uint8, optional
        Number of times that each example is in each of B resamples, to score these too.
    weights : ndarray of shape (n,), float64, optional
        How much each row counts, in resamples too; all count the same if left out.
    products : Products
        How it multiplies.
    """
    counts = np.empty((len(y), 0), np.uint8) if counts is None else counts
    if products.alike:
        return _score_alike(state, X, y, counts, np.ones(len(y)) if weights is None else weights,
                            products)  # fmt: skip
    if weights is not None:
        return _weighted_score(state, X, y, counts, weights)
    cost, correct = np.zeros(state.width), np.zeros(state.width, np.int64)
    resampled = np.zeros((state.width, counts.shape[1]), np.float32)
    with np.errstate(all="ignore"):
        for rows, losses in _tallied(state, X, y, cost, correct, products):
            resampled += losses.T @ counts[rows].astype(np.float32)
    return Scores(cost / len(y), correct / len(y), resampled / np.float32(len(y)))


def _tallied(
    state: PackState, X: Rows | SeenRows, y: I64, cost: F64, correct: I64, products: Products
) -> Iterator[tuple[slice, F32]]:
    """Tally all rows, some at a time; yield which, and the loss of each in every column."""
    from model.kernels import tally  # late: see `model.compiled`

    scale = state.scale.astype(np.float32)
    Z = np.empty((_SCORE_ROWS, state.V.shape[1]), np.float32)
    losses = np.empty((_SCORE_ROWS, state.width), np.float32)
    block = products.of_block(_SCORE_ROWS, *state.V.shape)
    block.hold(state.V)
    for start in range(0, len(y), _SCORE_ROWS):
        rows = slice(start, start + _SCORE_ROWS)
        # A copy, because shared memory is read-only and that is another type to the compiler.
        y_part = y[rows].copy()
        n = len(y_part)
        z = Z[:n]
        block.project(X[rows], z)
        tally(z, y_part, scale, state.b.copy(), cost, correct, losses[:n])
        yield rows, losses[:n]


def _score_alike(
    state: PackState, X: Rows | SeenRows, y: I64, counts: U8, weights: F64, products: Products
) -> Scores:
    """Score to the same bits on every machine, whatever other columns there are."""
    from model.kernels import add_in_order, tally_alike  # late: see `model.compiled`

    M, B = state.width, counts.shape[1]
    scale, b = state.scale.astype(np.float32), state.b.copy()
    cost, accuracy, resampled = np.zeros((M, 1)), np.zeros((M, 1)), np.zeros((M, B))
    total = np.zeros((1, 1 + B))
    block = products.of_block(_SCORE_ROWS, *state.V.shape)
    block.hold(state.V)
    Z = np.empty((_SCORE_ROWS, state.V.shape[1]), np.float32)
    with np.errstate(all="ignore"):
        for start in range(0, len(y), _SCORE_ROWS):
            rows = slice(start, start + _SCORE_ROWS)
            y_part, w = y[rows].copy(), weights[rows, None].copy()
            z, losses = Z[: len(w)], np.empty((len(w), M), np.float32)
            hits = np.zeros((len(w), M), np.int64)
            block.project(X[rows], z)
            tally_alike(z, y_part, scale, b, losses, hits)
            add_in_order(losses, w, cost)
            add_in_order(hits.astype(np.float32), w, accuracy)
            add_in_order(losses, w * counts[rows], resampled)
            ones = np.ones((len(w), 1), np.float32)
            add_in_order(ones, np.concatenate([w, w * counts[rows]], axis=1), total)
        return Scores(
            cost[:, 0] / total[0, 0],
            accuracy[:, 0] / total[0, 0],
            (resampled / total[0, 1:]).astype(np.float32),
        )


def _weighted_score(
    state: PackState, X: Rows | SeenRows, y: I64, counts: U8, weights: F64
) -> Scores:
    from model.kernels import tally  # late: see `model.compiled`

    scale = state.scale.astype(np.float32)
    cost, accuracy = np.zeros(state.width), np.zeros(state.width)
    resampled = np.zeros((state.width, counts.shape[1]))
    with np.errstate(all="ignore"):
        for start in range(0, len(y), _SCORE_ROWS):
            rows = slice(start, start + _SCORE_ROWS)
            y_part, w = y[rows].copy(), weights[rows]
            z = np.matmul(X[rows], state.V)
            accuracy += w @ _hits(z, y_part, scale, state.b)
            losses = np.empty((len(y_part), state.width), np.float32)
            sums = np.zeros(state.width), np.zeros(state.width, np.int64)  # not by weights
            tally(z, y_part, scale, state.b.copy(), *sums, losses)
            cost += w @ losses
            resampled += losses.T @ (w[:, None] * counts[rows])
        resampled /= weights @ counts
    total = weights.sum()
    return Scores(cost / total, accuracy / total, resampled.astype(np.float32))


def _hits(z: F32, y: I64, scale: F32, b: F32) -> NDArray[np.bool_]:
    """Return of each row and column, shape (n, M), whether the label is what is predicted."""
    K, M = b.shape
    logits = z.reshape(-1, K, M) * scale + b
    logits = np.concatenate([logits, -logits.sum(axis=1, keepdims=True)], axis=1)
    # A label whose logit is not a number is not a hit: of such argmax would take the first.
    finite = ~np.isnan(logits).any(axis=1)
    hits: NDArray[np.bool_] = (logits.argmax(axis=1) == y[:, None]) & finite
    return hits


def penalty(state: PackState, *, alike: bool = False) -> F64:
    """L2 penalty (alpha/2) sum W^2 of every column, over all c classes.

    Parameters
    ----------
    state : PackState
    alike : bool
        Whether a column must have the bits that it has alone.

    Returns
    -------
    ndarray of shape (M,), float64
        Not finite where the column has diverged.
    """
    K, M = state.b.shape
    if alike and M > 1:
        return np.concatenate([penalty(state.take(np.array([column]))) for column in range(M)])
    V = state.V.reshape(-1, K, M).astype(np.float64)
    with np.errstate(all="ignore"):
        # The last class, which is minus the sum of the others, has weights too.
        squares = (V**2).sum(axis=(0, 1)) + (V.sum(axis=1) ** 2).sum(axis=0)
        penalties: F64 = state.alpha / 2 * state.scale**2 * squares
    return penalties


@cache
def compile_kernels(products: str = NUMPY.name) -> None:
    """Compile the trainer's loops, or find them in the cache, by training on nothing much.

    Once per process: call it before measuring time.

    Parameters
    ----------
    products : str
        How they multiply.

    Raises
    ------
    MissingProductsError
        If this machine lacks what these need.
    """
    way = products_named(products)
    # A full block and one that is not: numba compiles for arrays in one piece, and for others.
    n = ALIKE_ROWS + 2
    X, y = np.zeros((n, 1), np.float32), np.arange(n) % 2
    state = PackState.start(1, np.ones(1), np.ones(1), n_features=1, n_classes=2, seed=0)
    last, average = advance_averaging(state, X, y, 1, products=way)
    score(last, X, y, products=way)
    score(average, X, y, products=way)
