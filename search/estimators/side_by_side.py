"""Softmax classifiers that are trained side by side, in common products."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.pack import PackState, advance_averaging
from model.seen_rows import SeenRows
from search.estimators.softmax_classifier import SoftmaxClassifier, check_weighted

# Columns of a pack at most, and bytes of its weights: more make no product faster.
_WIDEST, _PACK_BYTES = 64, 2**28


def fit_side_by_side(
    models: Sequence[SoftmaxClassifier],
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    going: Sequence[SoftmaxClassifier] = (),
) -> list[SoftmaxClassifier | ValueError]:
    """Fit models that differ in their learning rate, alpha and epochs alone, in common products.

    Parameters
    ----------
    models : sequence of SoftmaxClassifier
        Not fitted yet; they are fitted in place, to what `fit` gives but for the order of float32
        additions.
    X, y, sample_weight
        As in `SoftmaxClassifier.fit`.
    going : sequence of SoftmaxClassifier
        The models as they were fitted for fewer epochs on the same rows, all for as many; each is
        trained on from there. None where they begin.

    Returns
    -------
    list of SoftmaxClassifier or ValueError
        Each model, or why it could not be fitted: it has diverged.

    Raises
    ------
    ValueError
        If the rows or labels cannot be used, or a parameter has a value that cannot be.
    """
    for model in models:
        model._check()
    first = models[0]
    rows, labels, weights = first._rows(X, y, sample_weight, first=True)
    check_weighted(labels, weights)
    if going:
        for model, before in zip(models, going, strict=True):
            _go_on_from(model, before)
    else:
        _begin_all(models, rows, np.unique(labels))
    states = {_column(model): model._state for model in models}
    columns = list(states)
    width = max(1, min(_WIDEST, _PACK_BYTES // (first._state.V.nbytes or 1)))
    data = first._seen(rows), np.searchsorted(first.classes_, labels).astype(np.int64), weights
    fitted: dict[int, SoftmaxClassifier | ValueError] = {}
    for start in range(0, len(columns), width):
        some = columns[start : start + width]
        mine = {k: m for k, m in enumerate(models) if _column(m) in some}
        state = PackState.side_by_side([states[column] for column in some])
        fitted |= _fit_pack(mine, some, state, data)
    return [fitted[k] for k in range(len(models))]


def _begin_all(
    models: Sequence[SoftmaxClassifier], rows: NDArray[Any], classes: NDArray[Any]
) -> None:
    """Let all begin as the first one does, and with its seed."""
    first = models[0]
    first._begin(rows, classes)
    rates = {first.learning_rate: first.learning_rate_}
    for model in models[1:]:
        if model.learning_rate not in rates:
            rates[model.learning_rate] = first._rate_of(model.learning_rate, rows)
        _take_over(model, first, ("n_features_in_", "feature_names_in_", "classes_", "_features"))
        model.learning_rate_ = rates[model.learning_rate]
        model._state = replace(
            first._state,
            learning_rate=np.array([model.learning_rate_]),
            alpha=np.array([float(model.alpha)]),
        )


def _go_on_from(model: SoftmaxClassifier, before: SoftmaxClassifier) -> None:
    names = ("n_features_in_", "feature_names_in_", "classes_", "_features", "learning_rate_")
    _take_over(model, before, (*names, "_state"))


def _take_over(model: SoftmaxClassifier, other: SoftmaxClassifier, names: Sequence[str]) -> None:
    for name in names:
        if hasattr(other, name):
            setattr(model, name, getattr(other, name))


def _column(model: SoftmaxClassifier) -> tuple[float, float]:
    return model.learning_rate_, float(model.alpha)


def _fit_pack(
    models: Mapping[int, SoftmaxClassifier],
    columns: Sequence[tuple[float, float]],
    state: PackState,
    data: tuple[NDArray[np.float32] | SeenRows, NDArray[np.int64], NDArray[np.float64] | None],
) -> dict[int, SoftmaxClassifier | ValueError]:
    """Train columns until the last of their models has its epochs, and read each off at its own."""
    seen, places, weights = data
    weighing = None if weights is None else weights.astype(np.float32)
    left = list(columns)
    fitted: dict[int, SoftmaxClassifier | ValueError] = {}
    for epochs in sorted({int(model.epochs) for model in models.values()}):
        live = [
            column for column in left
            if any(_column(m) == column and m.epochs >= epochs for m in models.values())
        ]  # fmt: skip
        state = state.take(np.array([left.index(column) for column in live]))
        left = live
        state, average = advance_averaging(state, seen, places, epochs, weights=weighing)
        for k, model in models.items():
            if model.epochs == epochs:
                place = left.index(_column(model))
                model._state = state.take(np.array([place]))
                W, b = (average if model.average else state).weights(place)
                try:
                    model._settle(W, b)
                    fitted[k] = model
                except ValueError as error:
                    fitted[k] = error
    return fitted
