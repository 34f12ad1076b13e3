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

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model.average import Average, readings
from model.block import Block, block_batches
from model.products import NUMPY, Products, Rows
from model.seen_rows import SeenRows
from model.shuffle import epoch_order

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# Bumped whenever the numbers that training gives may change.
TRAINER_VERSION = 2
# Only products whose numbers have changed: fixed point got blocks of 256 rows, then corrections
# whose terms are rounded together with their addition.
_VERSIONS = {"fixed": 4}


def trainer_version(products: str) -> int:
    """Return a version that changes when training with such products gives other numbers."""
    return _VERSIONS.get(products, TRAINER_VERSION)


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
            # In one piece: with an index in brackets numpy may lay it out column by column.
            V=self.V.reshape(-1, K, M).take(columns, axis=2).reshape(len(self.V), -1),
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


def advance(
    state: PackState,
    X: Rows | SeenRows,
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
    X: Rows | SeenRows,
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
    X: Rows | SeenRows,
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
        block = Block(most, n_batches, X.shape[1], b.shape, products, X.dtype)
        block.hold(V)
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
