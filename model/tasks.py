"""What a worker does: one link of a pack, or the final training."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from model.bootstrap import resample_counts
from model.data.dataset import Dataset
from model.features import AS_THEY_ARE, RAW, Features, fit_features
from model.pack import PackState, Scores, advance, advance_averaging, penalty, score
from model.shuffle import all_but, fold_rows, split_order, validation_rows

LAST, AVERAGE = "last", "average"
"""The two ways to read a trial's weights where it ends: the last ones, and their average."""

READOUT_NAMES = (LAST, AVERAGE)


F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Examples:
    """The images that workers share: training first, validation after it.

    Attributes
    ----------
    X : ndarray of shape (n, D), float32
        What the trainer sees of them.
    y : ndarray of shape (n,), int64
    n_train : int
        Rows that train the trials; the others score them.
    n_classes : int
    select : str
        The readout by which trials are compared.
    counts : ndarray of shape (n - n_train, B), uint8, or None
        How often each validation image is in each resample of them; None where costs on resamples
        are not wanted.
    features : Features
        From their own pixels to X.
    folds : int
        Parts that score the trials in turn, each by those that train on the others; 0 where
        `n_train` parts the rows once and for all.
    train_costs : bool
        Whether the cost on the training part is wanted too; not with folds.
    """

    X: F32
    y: I64
    n_train: int
    n_classes: int
    select: str = LAST
    counts: U8 | None = None
    features: Features = AS_THEY_ARE
    folds: int = 0
    train_costs: bool = False

    @classmethod
    def from_dataset(
        cls,
        data: Dataset,
        validation_fraction: float,
        seed: int,
        select: str = LAST,
        features: str = RAW,
        folds: int = 0,
        *,
        resampled: bool = True,
        train_costs: bool = False,
    ) -> Self:
        """Lay the training images out in the order of the split, both parts of which have some."""
        n = len(data.y)
        n_train = n - validation_rows(n, validation_fraction)
        order = split_order(n, seed)
        fitted = fit_features(features, data.X, order[:n_train])
        X = fitted.apply(data.X, order)
        counts = resample_counts(n - n_train, seed) if resampled else None
        y = data.y[order]
        return cls(X, y, n_train, data.n_classes, select, counts, fitted, folds, train_costs)

    def training(self, replicate: int) -> tuple[F32, I64, NDArray[np.intp] | None]:
        """Return images, labels, and which of their rows train a replicate: None for all."""
        if not self.folds:
            return self.X[: self.n_train], self.y[: self.n_train], None
        n = len(self.y)
        return self.X, self.y, all_but(n, fold_rows(n, self.folds, replicate % self.folds))

    def validation(self, replicate: int) -> tuple[F32, I64]:
        """Return the images and labels that score a replicate."""
        if not self.folds:
            return self.X[self.n_train :], self.y[self.n_train :]
        rows = fold_rows(len(self.y), self.folds, replicate % self.folds)
        return self.X[rows], self.y[rows]


@dataclass(frozen=True)
class LegResult:
    """What a leg of a link gives.

    Attributes
    ----------
    scores : dict of str to Scores
        Of its scored columns on the validation images, by readout; empty where it has none.
    seconds : float
        Compute time.
    train_cost : ndarray of shape (scored,), float64, or None
        Of its scored columns on the training images, penalty included, by the readout that
        selects; None where it is not wanted.
    """

    scores: dict[str, Scores]
    seconds: float
    train_cost: F64 | None = None


@dataclass(frozen=True)
class LinkResult:
    """What a link returns.

    Attributes
    ----------
    state : PackState
        At the end of the link, of its last leg's columns.
    legs : tuple of LegResult
    started_at, finished_at : float
        Seconds since 1970 by the worker's clock.
    trained_epochs : int
    """

    state: PackState
    legs: tuple[LegResult, ...]
    started_at: float
    finished_at: float
    trained_epochs: int

    @property
    def seconds(self) -> float:
        """Compute time of the link."""
        return self.finished_at - self.started_at


class LegTask(NamedTuple):
    """A part of a link in which the same columns are trained.

    Attributes
    ----------
    epoch : int
        Epoch at which it ends.
    trained, scored : ndarray of int64
        Columns of the pack that it trains, and those of them that are scored at its end.
    """

    epoch: int
    trained: I64
    scored: I64


def run_link(
    examples: Examples,
    state: PackState,
    columns: I64,
    legs: Sequence[LegTask],
    replicate: int = 0,
) -> LinkResult:
    """Train a pack leg by leg, dropping the columns that go no further.

    Parameters
    ----------
    examples : Examples
    state : PackState
    columns : ndarray of int64
        Which of the pack's columns the state has.
    legs : sequence of LegTask
        In the order of their epochs.
    replicate : int
        The pack's; it says which rows train and score.
    """
    started_at, first = time.time(), state.epoch
    X, y, rows = examples.training(replicate)
    results, before = [], started_at
    for epoch, trained, scored in legs:
        state = state.take(np.searchsorted(columns, trained))
        scores, train_cost = {}, None
        if len(scored):
            state, average = advance_averaging(state, X, y, epoch, rows)
            places = np.searchsorted(trained, scored)
            readouts = {LAST: state.take(places), AVERAGE: average.take(places)}
            scores = _scores(examples, replicate, readouts)
            train_cost = _train_cost(examples, readouts[examples.select])
        else:
            state = advance(state, X, y, epoch, rows)
        columns, now = trained, time.time()
        results.append(LegResult(scores, now - before, train_cost))
        before = now
    return LinkResult(state, tuple(results), started_at, before, state.epoch - first)


def _scores(
    examples: Examples, replicate: int, readouts: dict[str, PackState]
) -> dict[str, Scores]:
    """Score each readout on the validation images.

    The readout that selects is scored on the resamples of them too.
    """
    X, y = examples.validation(replicate)
    counts = {examples.select: examples.counts}
    return {name: score(state, X, y, counts.get(name)) for name, state in readouts.items()}


def _train_cost(examples: Examples, state: PackState) -> F64 | None:
    """Return what training descends: the cost on the training images, penalty included."""
    if not examples.train_costs:
        return None
    X, y, _ = examples.training(0)
    cost: F64 = score(state, X, y).cost + penalty(state)
    return cost


def run_refit(examples: Examples, params: Mapping[str, Any], seed: int) -> dict[str, PackState]:
    """Train the winner on all images, training and validation together; return each readout.

    Whatever features it was trained on, what is returned takes raw pixels.

    Parameters
    ----------
    examples : Examples
    params : mapping
        The winner's ``batch_size``, ``learning_rate``, ``epochs`` and ``alpha``.
    seed : int
        Of the shuffles.
    """
    state = PackState.start(
        params["batch_size"],
        np.array([params["learning_rate"]]),
        np.array([params["alpha"]]),
        n_features=examples.X.shape[1],
        n_classes=examples.n_classes,
        seed=seed,
    )
    last, average = advance_averaging(state, examples.X, examples.y, params["epochs"])
    fold = examples.features.fold
    return {LAST: fold(last), AVERAGE: fold(average)}


@dataclass(frozen=True)
class FinalScore:
    """What the final model does on the test images.

    Attributes
    ----------
    cost : float
        Mean cross-entropy.
    accuracy : float
        Fraction classified correctly.
    """

    cost: float
    accuracy: float


FinalScores = Mapping[str, FinalScore]
"""What a final training gives on the test images, by readout."""
