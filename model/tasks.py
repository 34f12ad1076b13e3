"""The tasks of a worker: one link of a pack, or the final training."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

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
        The features that the trainer sees.
    y : ndarray of shape (n,), int64
        The labels.
    n_train : int
        Number of rows that train the trials, the first ones; the others score them.
    n_classes : int
        Number of classes c.
    select : str
        The readout by which trials are compared.
    counts : ndarray of shape (n - n_train, B), uint8, or None
        How often each validation image is in each of B resamples; None if costs on resamples
        are not wanted.
    features : Features
        The map from raw pixels to X.
    folds : int
        Number of parts that score the trials in turn, while the other parts train; 0 if
        `n_train` divides the rows once and for all.
    train_costs : bool
        Whether the cost on the training part is wanted too; never with folds.
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
        """Lay the training images out in the order of the split; neither part is empty.

        Parameters
        ----------
        data : Dataset
            The images and labels.
        validation_fraction : float
            The part of the rows that scores.
        seed : int
            The seed of the split and of the resamples.
        select, folds, train_costs
            As in the class.
        features : str
            The name of the features, fitted on the training part.
        resampled : bool
            Whether costs on resamples are wanted.
        """
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
    """The result of a leg of a link, in which k columns are scored.

    Attributes
    ----------
    scores : dict of str to Scores
        The scores of the k columns on the validation images, by readout; empty if k is 0.
    seconds : float
        The compute time of training and scoring.
    train_cost : ndarray of shape (k,), float64, or None
        The cost of the k columns on the training images, penalty included, by the readout
        that selects; None if it is not wanted.
    """

    scores: dict[str, Scores]
    seconds: float
    train_cost: F64 | None = None


@dataclass(frozen=True)
class LinkResult:
    """The result of a link.

    Attributes
    ----------
    state : PackState
        The state of the last leg's columns at the end of the link.
    legs : tuple of LegResult
        The result of each leg.
    started_at, finished_at : float
        Seconds since 1970 by the worker's clock.
    trained_epochs : int
        Number of epochs from the start of the link to its end.
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


@dataclass(frozen=True, eq=False)
class LegTask:
    """A leg of a link, as the worker needs it.

    Attributes
    ----------
    epoch : int
        The epoch at which it ends.
    columns : ndarray of int64
        The pack's columns that are trained, increasing.
    scored : ndarray of int64
        The columns among them that are scored at its end, increasing.
    """

    epoch: int
    columns: I64
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
        The images.
    state : PackState
        The state that the pack starts from.
    columns : ndarray of int64
        The pack's columns that the state has, increasing.
    legs : sequence of LegTask
        At least one; each trains some columns of the one before.
    replicate : int
        The replicate that the pack belongs to; it says which rows train and score.
    """
    started_at, first = time.time(), state.epoch
    results, before = [], started_at
    for leg in legs:
        state = state.take(np.searchsorted(columns, leg.columns))
        columns = leg.columns
        state, scores, train_cost = _run_leg(examples, state, leg, replicate)
        now = time.time()
        results.append(LegResult(scores, now - before, train_cost))
        before = now
    return LinkResult(state, tuple(results), started_at, before, state.epoch - first)


def _run_leg(
    examples: Examples, state: PackState, leg: LegTask, replicate: int
) -> tuple[PackState, dict[str, Scores], F64 | None]:
    """Return the state at the end of a leg, its scores and its training cost."""
    X, y, rows = examples.training(replicate)
    if not len(leg.scored):
        return advance(state, X, y, leg.epoch, rows), {}, None
    state, average = advance_averaging(state, X, y, leg.epoch, rows)
    places = np.searchsorted(leg.columns, leg.scored)
    readouts = {LAST: state.take(places), AVERAGE: average.take(places)}
    scores = _scores(examples, replicate, readouts)
    return state, scores, _train_cost(examples, readouts[examples.select])


def _scores(
    examples: Examples, replicate: int, readouts: dict[str, PackState]
) -> dict[str, Scores]:
    """Score each readout on the validation images, and the one that selects on resamples too."""
    X, y = examples.validation(replicate)
    counts = {examples.select: examples.counts}
    return {name: score(state, X, y, counts.get(name)) for name, state in readouts.items()}


def _train_cost(examples: Examples, state: PackState) -> F64 | None:
    """Return the cost that training descends: on the training images, penalty included."""
    if not examples.train_costs:
        return None
    X, y, _ = examples.training(0)
    cost: F64 = score(state, X, y).cost + penalty(state)
    return cost


def run_refit(examples: Examples, params: Mapping[str, Any], seed: int) -> dict[str, PackState]:
    """Train the winner on all images, training and validation together; return each readout.

    Parameters
    ----------
    examples : Examples
        The images.
    params : mapping
        The winner's ``batch_size``, ``learning_rate``, ``epochs`` and ``alpha``.
    seed : int
        The seed of the shuffles.

    Returns
    -------
    dict of str to PackState
        One column each, for raw pixels whatever features it was trained on.
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
    """The score of a final model on the test images.

    Attributes
    ----------
    cost : float
        Mean cross-entropy.
    accuracy : float
        Fraction of images classified correctly.
    """

    cost: float
    accuracy: float


FinalScores = Mapping[str, FinalScore]
"""The scores of a final training, by readout."""
