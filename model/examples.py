"""The examples that workers share: which rows train and which score, as the trainer sees them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model.bootstrap import resample_counts
from model.data.dataset import Dataset
from model.features import AS_THEY_ARE, RAW, Features, fit_features
from model.mapped import MappedRows
from model.products import NUMPY, Products, Rows, products_named, row_type
from model.seen_rows import SeenRows, source_of
from model.shuffle import all_but, fold_rows, split_order

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

LAST, AVERAGE = "last", "average"
"""The two ways to read a trial's weights where it ends: the last ones, and their average."""

READOUT_NAMES = (LAST, AVERAGE)

# Rows that are made in float32 at a time, where bytes are laid out.
_CHUNK = 1024


@dataclass(frozen=True)
class Sample:
    """Some of the examples.

    Attributes
    ----------
    X : ndarray of shape (n, D), float32, or SeenRows
    y : ndarray of shape (n,), int64
    weights : ndarray of shape (n,), float64, or None
        Weight of each row; None where all count the same.
    rows : ndarray of shape (m,), intp, or None
        The rows that are meant; None for all.
    """

    X: Rows | SeenRows
    y: I64
    weights: F64 | None = None
    rows: NDArray[np.intp] | None = None

    @property
    def row_weights(self) -> F32 | None:
        """The weights as the trainer takes them."""
        return None if self.weights is None else self.weights.astype(np.float32)


@dataclass(frozen=True)
class Examples:
    """The rows that workers share: training first, validation after it.

    Attributes
    ----------
    X : ndarray of shape (n, D), float32 or the products' `row_type`, or SeenRows
        The features that the trainer sees, laid out once or made of their source when a link needs
        them; of shape (folds + 1, n, D), or a tuple, where they are fitted in each fold, with those
        of the final training at the end.
    y : ndarray of shape (n,), int64
        The labels.
    n_train : int
        Number of rows that train the trials, the first ones; the others score them.
    n_classes : int
        Number of classes c.
    select : str
        The readout by which trials are compared.
    counts : ndarray of shape (n - n_train, B), uint8, or None
        How often each validation row is in each of B resamples; None if costs on resamples
        are not wanted.
    features : Features
        The map from the source's values to what the final training sees; without folds the
        trials see it too.
    folds : int
        Number of parts that score the trials in turn, while the other parts train; 0 if
        `n_train` divides the rows once and for all.
    train_costs : bool
        Whether the cost on the training part is wanted too; never with folds.
    weights : ndarray of shape (n,), float64, or None
        Weight of each row; None where all count the same.
    metrics : tuple of str
        The softmax trainer's metrics besides cost and accuracy, by the readout that
        selects; see `model.metrics`.
    products : str
        How the softmax trainer multiplies.
    """

    X: Rows | SeenRows | tuple[SeenRows, ...]
    y: I64
    n_train: int
    n_classes: int
    select: str = LAST
    counts: U8 | None = None
    features: Features = AS_THEY_ARE
    folds: int = 0
    train_costs: bool = False
    weights: F64 | None = None
    metrics: tuple[str, ...] = ()
    products: str = NUMPY.name

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
        metrics: tuple[str, ...] = (),
        in_place: bool = False,
        products: str = NUMPY.name,
    ) -> Self:
        """Put the rows in the order of the split; neither part is empty.

        Parameters
        ----------
        data : Dataset
            The rows and labels.
        validation_fraction : float
            The part of the training rows that scores, where the data set has no rows for that.
        seed : int
            The seed of the split and of the resamples.
        select, folds, train_costs, metrics, products
            As in the class.
        features : str
            The name of the features, fitted on the rows that train.
        resampled : bool
            Whether costs on resamples are wanted.
        in_place : bool
            Whether rows stay in their source, and links make what they need of them, to the same
            bits; else they are laid out in float32.
        """
        order = split_order(len(data.y), seed)
        n_train, n_scoring = data.parts(validation_fraction)
        fitted = [
            fit_features(features, data.X, order[rows])
            for rows in _fitting_rows(features, len(order), n_train, folds)
        ]
        if in_place:
            X: Any = _in_place(fitted, data, order)
        else:
            X = _laid_out(fitted, data, order, row_type(products))
        return cls(
            X=X if len(fitted) > 1 else X[0],
            y=_appended(data.y[order], data.y_val),
            n_train=n_train,
            n_classes=data.n_classes,
            select=select,
            counts=resample_counts(n_scoring, seed) if resampled else None,
            features=fitted[-1],
            folds=folds,
            train_costs=train_costs,
            weights=_laid_out_weights(data, order),
            metrics=metrics,
            products=products,
        )

    @property
    def way(self) -> Products:
        """How the softmax trainer multiplies.

        Raises
        ------
        MissingProductsError
            If this machine lacks what that needs.
        """
        return products_named(self.products)

    def training(self, replicate: int) -> Sample:
        """Return the rows that train a replicate."""
        if not self.folds:
            return self._part(slice(None, self.n_train))
        n = len(self.y)
        rows = all_but(n, fold_rows(n, self.folds, replicate % self.folds))
        return Sample(self._seen(replicate), self.y, self.weights, rows)

    def validation(self, replicate: int) -> Sample:
        """Return the rows that score a replicate."""
        if not self.folds:
            return self._part(slice(self.n_train, None))
        rows = fold_rows(len(self.y), self.folds, replicate % self.folds)
        return self._part(rows, replicate)

    def all(self) -> Sample:
        """Return all rows, as the final training sees them."""
        return self._part(slice(None), -1)

    def _part(self, rows: slice, replicate: int = 0) -> Sample:
        weights = None if self.weights is None else self.weights[rows]
        seen = self._seen(replicate)
        some = seen.part(rows) if isinstance(seen, SeenRows) else seen[rows]
        return Sample(some, self.y[rows], weights)

    def _seen(self, replicate: int) -> Rows | SeenRows:
        """Return all rows as a replicate sees them, or with -1 as the final training does."""
        X, place = self.X, replicate % self.folds if self.folds and replicate >= 0 else -1
        if isinstance(X, np.ndarray):
            return X if X.ndim == 2 else X[place]
        seen = X[place] if isinstance(X, tuple) else X
        seen.check()
        return seen

    @property
    def files(self) -> tuple[MappedRows, ...]:
        """The files that rows are read from."""
        if isinstance(self.X, np.ndarray):
            return ()
        return (self.X[0] if isinstance(self.X, tuple) else self.X).files

    def with_rows(self) -> Self:
        """Return the same with the rows of its files, in their own type."""
        if isinstance(self.X, np.ndarray):
            return self
        if isinstance(self.X, SeenRows):
            return replace(self, X=self.X.with_rows())
        sources = self.X[0].with_rows().sources  # once for all folds
        return replace(self, X=tuple(replace(seen, sources=sources) for seen in self.X))


def _fitting_rows(
    features: str, n: int, n_train: int, folds: int
) -> list[slice | NDArray[np.intp]]:
    """Return the rows that features are fitted on: once, or in each fold and for the last model."""
    if not folds or features == RAW:
        return [slice(None, n_train)]
    each: list[slice | NDArray[np.intp]] = [
        all_but(n, fold_rows(n, folds, fold)) for fold in range(folds)
    ]
    return [*each, slice(None)]


def _laid_out(
    fitted: Sequence[Features], data: Dataset, order: NDArray[np.intp], dtype: type
) -> Rows:
    """Return what the trainer sees of all rows, shape (transforms, n, D), without a copy."""
    own = 0 if data.X_val is None else len(data.X_val)
    X: Rows = np.empty((len(fitted), len(order) + own, data.X.shape[1]), dtype)
    for features, seen in zip(fitted, X, strict=True):
        _lay_out(features, data.X, order, seen[: len(order)])
        if data.X_val is not None:
            _lay_out(features, data.X_val, np.arange(own), seen[len(order) :])
    return X


def _lay_out(features: Features, X: NDArray[Any], order: NDArray[np.intp], seen: Rows) -> None:
    if seen.dtype == np.float32:
        features.apply_into(X, order, seen)
        return
    made = np.empty((_CHUNK, X.shape[1]), np.float32)
    for start in range(0, len(order), _CHUNK):
        some = order[start : start + _CHUNK]
        features.apply_into(X, some, made[: len(some)])
        np.copyto(seen[start : start + _CHUNK], made[: len(some)], casting="unsafe")


def _in_place(
    fitted: Sequence[Features], data: Dataset, order: NDArray[np.intp]
) -> tuple[SeenRows, ...]:
    """Return what the trainer sees of all rows, by each transform, without making any of it."""
    sources = [source_of(data.X)]
    if data.X_val is not None:
        sources.append(source_of(data.X_val))
        order = np.concatenate([order, len(order) + np.arange(len(data.X_val))])
    return tuple(SeenRows(tuple(sources), order, features) for features in fitted)


def _laid_out_weights(data: Dataset, order: NDArray[np.intp]) -> F64 | None:
    """Return the weights of all rows; None where all count the same in all parts."""
    if data.weights is None and data.weights_val is None:
        return None
    weights = np.ones(len(order)) if data.weights is None else data.weights[order]
    if data.y_val is None:
        return weights
    own = np.ones(len(data.y_val)) if data.weights_val is None else data.weights_val
    return np.concatenate([weights, own])


def _appended(y: I64, y_val: I64 | None) -> I64:
    return y if y_val is None else np.concatenate([y, y_val])
