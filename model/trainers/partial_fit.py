"""A trainer of scikit-learn's estimators that have `partial_fit`."""

import inspect
from typing import Any

import numpy as np

from model.thread_limits import limited_threads
from model.trainers.estimators import (
    FromEstimator,
    check_names,
    check_values,
    figures_of,
    made,
    names_of,
)
from model.trainers.rows import Rows
from model.trainers.trainer import Params, TakesSchedules

_RESERVED = {
    "random_state": "each epoch is seeded by the seed of the training",
    "max_iter": "partial_fit trains one epoch and does not look at it; name the epochs instead",
    "n_jobs": "a training has one thread, and the search has all cores",
}


_LIVE = {
    "BaseSGDClassifier": ("alpha", "eta0"),
    "BaseMultilayerPerceptron": ("alpha",),
}
"""What estimators of scikit-learn look at in each call of `partial_fit`, by their base class."""


class PartialFit(TakesSchedules, FromEstimator):
    """Any classifier with `partial_fit`; an epoch is one call of it with all rows.

    Hyperparameters are what the estimator is made with. The estimator is seeded again in each
    epoch. One that shuffles (it has a parameter ``shuffle``) gets the rows as they are, others in
    the order of the epoch.

    An epoch is not an iteration of `fit`: ten calls of `SGDClassifier.partial_fit` are not
    `SGDClassifier(max_iter=10).fit`, which looks at a tolerance and counts its steps otherwise.

    The cost is the cross-entropy of `predict_proba`. Without it, as with the losses ``hinge`` and
    ``perceptron``, it is that of the softmax of `decision_function`: margins, which nobody has
    fitted as probabilities. Large ones make wrong predictions dear, so look at the accuracy too.

    Parameters
    ----------
    estimator_class : type
        Such as `sklearn.neural_network.MLPClassifier`.

    Raises
    ------
    ValueError
        If this is not a classifier with `partial_fit`.

    Examples
    --------
    >>> from sklearn.linear_model import SGDClassifier
    >>> trainer = PartialFit(SGDClassifier)
    >>> data = Rows(np.array([[-1.0], [1.0]], np.float32), np.array([0, 1]), n_classes=2)
    >>> state = trainer.advance(None, {"loss": "log_loss"}, range(0, 3), data)
    >>> trainer.score(state, data)["accuracy"]
    1.0
    """

    version = "2"

    def __init__(self, estimator_class: type) -> None:
        method = getattr(estimator_class, "partial_fit", None)
        if method is None or "classes" not in inspect.signature(method).parameters:
            way = "partial_fit that takes classes"
            raise ValueError(
                f"{estimator_class.__name__} has no {way}; "
                "SGDClassifier and MLPClassifier are examples that have it"
            )
        self.estimator_class = estimator_class
        bases = [base.__name__ for base in estimator_class.__mro__]
        self.live = next((_LIVE[name] for name in bases if name in _LIVE), ())
        self._weighs = "sample_weight" in inspect.signature(method).parameters

    def advance(self, state: Any, params: Params, epochs: range, data: Rows) -> Any:
        """Return the estimator after some more epochs."""
        if data.weights is not None and not self._weighs:
            raise ValueError(
                f"{self.estimator_class.__name__} cannot weigh rows: its partial_fit takes no "
                "sample_weight. Leave the weights out, or take another estimator."
            )
        estimator = made(self.estimator_class, params) if state is None else state
        if changing := {name: params[name] for name in self.live if name in params}:
            estimator.set_params(**changing)
        names, classes = names_of(self.estimator_class), np.arange(data.n_classes)
        with limited_threads(data.threads):
            for epoch in epochs:
                if "random_state" in names:
                    estimator.random_state = int(data.rng(epoch).integers(2**31))
                X, y, weights = data.X, data.y, data.weights
                if "shuffle" not in names:
                    order = data.order(epoch)
                    X, y = X[order], y[order]
                    weights = None if weights is None else weights[order]
                weighing = {} if weights is None else {"sample_weight": weights}
                estimator.partial_fit(X, y, classes=classes, **weighing)
        return estimator

    def score(self, state: Any, data: Rows) -> dict[str, float]:
        """Return the cost and the accuracy."""
        with limited_threads(data.threads):
            return figures_of(state, data)

    def check(self, params: Params) -> None:
        """Refuse what the estimator cannot be made with, or has no `partial_fit` with."""
        name = self.estimator_class.__name__
        check_names(name, params, names_of(self.estimator_class), _RESERVED)
        estimator = check_values(self.estimator_class, params)
        if not hasattr(estimator, "partial_fit"):
            raise ValueError(f"{name} has no partial_fit with these parameters.")
        if params.get("early_stopping"):
            raise ValueError(
                "early_stopping must be false: partial_fit cannot stop, and a trial has the "
                "epochs that its grid says."
            )
        if params.get("class_weight") == "balanced":
            raise ValueError(
                "class_weight cannot be 'balanced' with partial_fit; give the data set weights "
                "of its rows instead."
            )
