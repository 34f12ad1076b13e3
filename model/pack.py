"""The packed trainer: many trajectories of one batch size as one matrix product.

M columns (pairs of learning rate eta and L2 strength alpha) see the same
mini-batches in the same order, so their weights stand side by side and one
product serves all. Every column gets the result that training it alone would
have given, up to the rounding of float32.

Two identities keep the arithmetic small:

* Weights and bias start at zero and every gradient sums to zero over the
  classes, so the c-th class is minus the sum of the others and is not stored.
* With W = s V and a scalar s per column, the decay W <- (1 - eta alpha) W costs
  one multiplication of s.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model.average import Average, readings
from model.block import Block, block_batches
from model.kernels import add_in_order, tally, tally_alike
from model.products import NUMPY, Products
from model.seen_rows import SeenRows
from model.shuffle import epoch_order

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

# Bumped whenever the numbers that training gives may change.
TRAINER_VERSION = 2

_SCORE_ROWS = 256


@dataclass(frozen=True)
class PackState:
    """Where M trajectories of one batch size stand after some epochs.

    Attributes
    ----------
    batch_size : int
        Rows in a mini-batch.
    seed : int
        The seed of the shuffles.
    epoch : int
        Number of epochs done.
    learning_rate, alpha : ndarray of shape (M,), float64
        Step length and L2 strength of each column.
    V : ndarray of shape (D, K*M), float32
        Scaled weights of K = c - 1 classes, class-major: column k*M + m.
    scale : ndarray of shape (M,), float64
        The scale of each column: W = scale * V.
    b : ndarray of shape (K, M), float32
        Biases.
    """

    batch_size: int
    seed: int
    epoch: int
    learning_rate: F64
    alpha: F64
    V: F32
    scale: F64
    b: F32

    @classmethod
    def start(
        cls,
        batch_size: int,
        learning_rate: F64,
        alpha: F64,
        *,
        n_features: int,
        n_classes: int,
        seed: int,
    ) -> Self:
        """Weights and bias at zero, before the first epoch."""
        M, K = len(learning_rate), n_classes - 1
        return cls(
            batch_size=batch_size,
            seed=seed,
            epoch=0,
            learning_rate=np.asarray(learning_rate, np.float64),
            alpha=np.asarray(alpha, np.float64),
            V=np.zeros((n_features, K * M), np.float32),
            scale=np.ones(M),
            b=np.zeros((K, M), np.float32),
        )

    @classmethod
    def side_by_side(cls, states: Sequence[Self]) -> Self:
        """Return the columns of states as one, in their order.

        All have the same batch size, seed, epoch, features and classes.
        """
        first, K = states[0], len(states[0].b)
        weights = [state.V.reshape(len(state.V), K, -1) for state in states]
        return replace(
            first,
            learning_rate=np.concatenate([state.learning_rate for state in states]),
            alpha=np.concatenate([state.alpha for state in states]),
            V=np.concatenate(weights, axis=2).reshape(len(first.V), -1),
            scale=np.concatenate([state.scale for state in states]),
            b=np.concatenate([state.b for state in states], axis=1),
        )

    @property
    def width(self) -> int:
        """Number of columns M."""
        return len(self.learning_rate)

    def take(self, columns: I64) -> Self:
        """Return the state of some of the columns, given by their places in it, increasing."""
        if len(columns) == self.width:
            return self
        K, M = self.b.shape
        return replace(
            self,
            learning_rate=self.learning_rate[columns],
            alpha=self.alpha[columns],
            V=self.V.reshape(-1, K, M)[:, :, columns].reshape(len(self.V), -1),
            scale=self.scale[columns],
            b=self.b[:, columns],
        )

    def weights(self, column: int) -> tuple[F32, F32]:
        """Plain weights (D, c) and bias (c,) of one column."""
        K, M = self.b.shape
        W = self.V.reshape(-1, K, M)[:, :, column] * np.float32(self.scale[column])
        b = self.b[:, column]
        return (
            np.concatenate([W, -W.sum(axis=1, keepdims=True)], axis=1),
            np.append(b, -b.sum(dtype=np.float32)),
        )


@dataclass(frozen=True)
class Scores:
    """How each column of a pack does on a set of examples.

    Attributes
    ----------
    cost : ndarray of shape (M,), float64
        Mean cross-entropy; not finite where the column has diverged.
    accuracy : ndarray of shape (M,), float64
        Fraction of rows whose label has the largest logit.
    resampled : ndarray of shape (M, B), float32
        Cost on each resample of the examples; B is 0 where none was asked for.
    """

    cost: F64
    accuracy: F64
    resampled: F32 = field(default_factory=lambda: np.empty((0, 0), np.float32))


def advance(
    state: PackState,
    X: F32 | SeenRows,
    y: I64,
    until_epoch: int,
    rows: NDArray[np.intp] | None = None,
    weights: F32 | None = None,
    products: Products = NUMPY,
) -> PackState:
    """Train all columns of a pack up to an epoch.

    A pure function: the same arguments give the same bits, and going there in
    two calls gives the bits of one.

    Parameters
    ----------
    state : PackState
        The state to start from; it is not changed.
    X : ndarray of shape (n, D), float32, or SeenRows
        Training images.
    y : ndarray of shape (n,), int64
    until_epoch : int
        At least ``state.epoch``.
    rows : ndarray of intp, optional
        The rows of X and y that train, to the bits of ``X[rows]`` and ``y[rows]`` without their
        copy; all if left out.
    weights : ndarray of shape (n,), float32, optional
        Weight of each row, whose term in the gradient becomes as many times as large.
    products : Products
        How it multiplies.

    Returns
    -------
    PackState
        The state at `until_epoch`.
    """
    return _advance(state, X, y, until_epoch, rows, weights, products)[0]


def advance_averaging(
    state: PackState,
    X: F32 | SeenRows,
    y: I64,
    until_epoch: int,
    rows: NDArray[np.intp] | None = None,
    weights: F32 | None = None,
    products: Products = NUMPY,
) -> tuple[PackState, PackState]:
    """Train as `advance` does, to the same bits, and average the weights of the last epoch.

    At a constant learning rate the last weights jitter around the path of the descent; the
    mean over the tail of the path does not (Polyak and Juditsky, SIAM J. Control Optim. 30,
    1992; Ruppert, Cornell ORIE report 781, 1988). The tail is the last epoch, read after each
    `model.average.READING_ROWS` rows of it, or after each mini-batch where these are larger.

    Parameters
    ----------
    state, X, y, until_epoch, rows, weights, products
        As for `advance`.

    Returns
    -------
    last : PackState
        The state that `advance` returns.
    average : PackState
        The mean of the weights over the epoch that ends there; the state itself if no
        epoch is trained.
    """
    if until_epoch <= state.epoch:
        same = advance(state, X, y, until_epoch)  # which refuses to go back
        return same, same
    before, _ = _advance(state, X, y, until_epoch - 1, rows, weights, products)
    last, average = _advance(before, X, y, until_epoch, rows, weights, products, averaging=True)
    return last, average or last


def _advance(
    state: PackState,
    X: F32 | SeenRows,
    y: I64,
    until_epoch: int,
    rows: NDArray[np.intp] | None,
    weights: F32 | None,
    products: Products,
    *,
    averaging: bool = False,
) -> tuple[PackState, PackState | None]:
    """Return the state at an epoch, and the mean of the weights over these epochs if asked."""
    if until_epoch < state.epoch:
        raise ValueError(f"the pack is at epoch {state.epoch}, beyond {until_epoch}")
    if products.alike and len(groups := _of_like_blocks(state)) > 1:
        parts = [
            _advance(
                state.take(columns), X, y, until_epoch, rows, weights, products, averaging=averaging
            )
            for columns in groups
        ]
        last = _side_by_side([part[0] for part in parts], groups)
        averages = [part[1] for part in parts if part[1] is not None]
        return last, _side_by_side(averages, groups) if averages else None
    V, scale, b = state.V.copy(), state.scale.copy(), state.b.copy()
    with np.errstate(all="ignore"):  # a column may diverge; its cost will say so
        decay = 1.0 - state.learning_rate * state.alpha
        n_batches = block_batches(state.batch_size, decay, len(b), alike=products.alike)
        # A mini-batch larger than the data is the data, and needs memory for no more.
        most = min(state.batch_size, len(y) if rows is None else len(rows))
        block = Block(most, n_batches, X.shape[1], b.shape, products)
        average = Average(V.shape, b.shape, alike=products.alike) if averaging else None
        for epoch in range(state.epoch, until_epoch):
            order = _order(len(y), state.seed, epoch, rows)
            # A block never goes beyond a reading, so that averaging changes no bit.
            for stretch in readings(order, state.batch_size):
                for start in range(0, len(stretch), block.rows):
                    part = stretch[start : start + block.rows]
                    scale = block.descend(
                        block.gather(X, part), y[part], V, scale, b, state.learning_rate, decay,
                        None if weights is None else weights[part],
                    )  # fmt: skip
                if average:
                    average.add(V, scale, b)
    last = replace(state, epoch=until_epoch, V=V, scale=scale, b=b)
    if average is None:
        return last, None
    V, b = average.mean()
    return last, replace(last, V=V, scale=np.ones_like(scale), b=b)


def _of_like_blocks(state: PackState) -> list[I64]:
    """Return which columns have blocks of as many mini-batches, each by itself."""
    decay = 1.0 - state.learning_rate * state.alpha
    batches = [
        block_batches(state.batch_size, decay[column : column + 1], alike=True)
        for column in range(state.width)
    ]
    return [np.flatnonzero(np.equal(batches, count)) for count in sorted(set(batches))]


def _side_by_side(parts: Sequence[PackState], columns: Sequence[I64]) -> PackState:
    """Put states of some columns each into one."""
    K, M = parts[0].b.shape[0], sum(map(len, columns))
    first = parts[0]
    V, b = np.empty((len(first.V), K, M), np.float32), np.empty((K, M), np.float32)
    learning_rate, alpha, scale = np.empty(M), np.empty(M), np.empty(M)
    for part, places in zip(parts, columns, strict=True):
        V[:, :, places], b[:, places] = part.V.reshape(len(V), K, -1), part.b
        learning_rate[places], alpha[places] = part.learning_rate, part.alpha
        scale[places] = part.scale
    return replace(
        first, learning_rate=learning_rate, alpha=alpha, V=V.reshape(len(V), -1), scale=scale, b=b
    )


def _order(n: int, seed: int, epoch: int, rows: NDArray[np.intp] | None) -> NDArray[np.intp]:
    """Return in which order an epoch visits n rows, or those that are named."""
    if rows is None:
        return epoch_order(n, seed, epoch)
    return rows[epoch_order(len(rows), seed, epoch)]


def score(
    state: PackState,
    X: F32 | SeenRows,
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
    state: PackState, X: F32 | SeenRows, y: I64, cost: F64, correct: I64, products: Products
) -> Iterator[tuple[slice, F32]]:
    """Tally all rows, some at a time; yield which, and the loss of each in every column."""
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
    state: PackState, X: F32 | SeenRows, y: I64, counts: U8, weights: F64, products: Products
) -> Scores:
    """Score to the same bits on every machine, whatever other columns there are."""
    M, B = state.width, counts.shape[1]
    scale, b = state.scale.astype(np.float32), state.b.copy()
    cost, accuracy, resampled = np.zeros((M, 1)), np.zeros((M, 1)), np.zeros((M, B))
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
        total, each = np.zeros((1, 1 + B)), np.column_stack([np.ones(len(y)), counts])
        add_in_order(np.ones((len(y), 1), np.float32), weights[:, None] * each, total)
        return Scores(
            cost[:, 0] / total[0, 0],
            accuracy[:, 0] / total[0, 0],
            (resampled / total[0, 1:]).astype(np.float32),
        )


def _weighted_score(
    state: PackState, X: F32 | SeenRows, y: I64, counts: U8, weights: F64
) -> Scores:
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
    """Return of each row and column, shape (n, M), whether the label has the largest logit."""
    K, M = b.shape
    logits = z.reshape(-1, K, M) * scale + b
    logits = np.concatenate([logits, -logits.sum(axis=1, keepdims=True)], axis=1)
    hits: NDArray[np.bool_] = logits[np.arange(len(y)), y] == logits.max(axis=1)
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


def compile_kernels() -> None:
    """Compile the trainer's loops, or find them in the cache, by training on nothing much."""
    X, y = np.zeros((2, 1), np.float32), np.array([0, 1])
    state = PackState.start(1, np.ones(1), np.ones(1), n_features=1, n_classes=2, seed=0)
    last, average = advance_averaging(state, X, y, 1)
    score(last, X, y)
    score(average, X, y)
