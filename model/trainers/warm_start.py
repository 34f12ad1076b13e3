"""A trainer of scikit-learn's ensembles that grow when they are fitted again."""

import copy
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)

from model.thread_limits import limited_threads
from model.trainers.estimators import (
    FromEstimator,
    check_names,
    check_values,
    figures_of,
    made,
    names_of,
    of_all_classes,
)
from model.trainers.figures import classification_figures
from model.trainers.rows import Rows
from model.trainers.trainer import KeepsPast, Params

_ROUNDS = {
    HistGradientBoostingClassifier: "max_iter",
    GradientBoostingClassifier: "n_estimators",
    RandomForestClassifier: "n_estimators",
    ExtraTreesClassifier: "n_estimators",
}
"""What each ensemble calls the number of its rounds."""

_EQUAL = 1e-6
"""Probabilities that differ by less are looked at again; rounded they are by 1e-15."""

_STOPS = "a trial has the rounds given by its grid, without early stopping"
_RESERVED = {
    "random_state": "the seed of the training is used",
    "warm_start": "it is always true",
    "n_jobs": "a training has one thread, and the search has all cores",
    "early_stopping": _STOPS,
    "n_iter_no_change": _STOPS,
}


class WarmStart(KeepsPast, FromEstimator):
    """Gradient boosting and forests of scikit-learn; an epoch is a round: a tree, or one per class.

    Hyperparameters are what the estimator is made with, but for the number of rounds, which
    ``max_iter`` or ``n_estimators`` of the estimator says elsewhere. An estimator that is fitted
    again with more rounds keeps its trees and its random numbers, so that training may be cut
    anywhere.

    Each call prepares the rows again; `HistGradientBoostingClassifier` finds their bins. So ranges
    are cut at multiples of 25 rounds where trials end at others.

    Parameters
    ----------
    estimator_class : type
        `HistGradientBoostingClassifier`, `GradientBoostingClassifier`, `RandomForestClassifier`
        or `ExtraTreesClassifier`, or a subclass.

    Raises
    ------
    ValueError
        If it is not one of these.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> trainer = WarmStart(RandomForestClassifier)
    >>> data = Rows(np.arange(20, dtype=np.float32)[:, None], np.arange(20) // 10, n_classes=2)
    >>> state = trainer.advance(None, {"max_depth": 2}, range(0, 20), data)
    >>> alone = trainer.advance(None, {"max_depth": 2}, range(0, 7), data)
    >>> trainer.score_at(state, 7, data) == trainer.score(alone, data)
    True
    """

    version = "2"
    grain = 25

    def __init__(self, estimator_class: type) -> None:
        self.estimator_class = estimator_class
        self._rounds = _rounds_of(estimator_class)

    def advance(self, state: Any, params: Params, epochs: range, data: Rows) -> Any:
        """Return the estimator with some more rounds."""
        seed = int(data.rng().integers(2**31))
        more = {"random_state": seed, "warm_start": True, "early_stopping": False}
        estimator = made(self.estimator_class, params, **more) if state is None else state
        setattr(estimator, self._rounds, epochs.stop)
        with limited_threads(data.threads):
            estimator.fit(data.X, data.y, sample_weight=data.weights)
        return estimator

    def score(self, state: Any, data: Rows) -> dict[str, float]:
        """Return the cost and the accuracy."""
        return self.score_at(state, getattr(state, self._rounds), data)

    def score_at(self, state: Any, epoch: int, data: Rows) -> dict[str, float]:
        """Return the cost and the accuracy of the first rounds."""
        with limited_threads(data.threads):
            if not hasattr(state, "staged_predict_proba"):
                first = copy.copy(state)
                first.estimators_ = state.estimators_[:epoch]
                return figures_of(first, data)
            found = _stage(state.staged_predict_proba(data.X), epoch)
            predicted = state.classes_[found.argmax(axis=1)]
            # Boosting predicts by the sums of its trees, of which equal probabilities tell nothing.
            if len(close := _close(found)):
                predicted[close] = _stage(state.staged_predict(data.X[close]), epoch)
        found = of_all_classes(found, state.classes_, data.n_classes)
        return classification_figures(found, data, predicted)

    def check(self, params: Params) -> None:
        """Refuse what the estimator cannot be made with."""
        rounds = {self._rounds: "the number of rounds is the trial's epochs"}
        name = self.estimator_class.__name__
        check_names(name, params, names_of(self.estimator_class), _RESERVED | rounds)
        check_values(self.estimator_class, params)


def _stage(stages: Iterator[NDArray[Any]], epoch: int) -> NDArray[Any]:
    return next(islice(stages, epoch - 1, None))


def _close(probabilities: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return the rows whose two most probable classes may be equal but for the rounding."""
    if probabilities.shape[1] < 2:
        return np.arange(0)
    second, first = np.partition(probabilities, (-2, -1), axis=1)[:, -2:].T
    return np.flatnonzero(first - second < _EQUAL)


def _rounds_of(estimator_class: type) -> str:
    for known, rounds in _ROUNDS.items():
        if issubclass(estimator_class, known):
            return rounds
    problem = f"{estimator_class.__name__} is not one of {', '.join(k.__name__ for k in _ROUNDS)}"
    if hasattr(estimator_class, "partial_fit"):
        path = f"{estimator_class.__module__}.{estimator_class.__name__}"
        raise ValueError(
            f"{problem}. Its max_iter starts again in each fit; name it by partial_fit:{path}"
        )
    raise ValueError(f"{problem}; others do not go on to the bit, or hold no past")
