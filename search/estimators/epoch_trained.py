"""An estimator of scikit-learn trained for so many epochs, each one call of its partial_fit."""

from contextlib import suppress
from inspect import signature
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data


def takes_classes(estimator: Any) -> bool:
    """Whether an estimator has a partial_fit that is told the classes, as classifiers have."""
    try:
        params = signature(estimator.partial_fit).parameters
    except (AttributeError, TypeError, ValueError):
        return False
    any_name = (param.kind is param.VAR_KEYWORD for param in params.values())
    return "classes" in params or any(any_name)


def _has(name: str) -> Any:
    return lambda self: hasattr(getattr(self, "estimator_", self.estimator), name)


class EpochTrained(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier with partial_fit, trained for a number of epochs.

    `MLPClassifier(max_iter=50).fit` cannot go on from 20 epochs: it stops early by a tolerance, and
    begins its random numbers again. This one has its epochs as a parameter, shuffles the rows in
    each by its own seed, and goes on with ``warm_start`` to the bits of one training.

    Parameters
    ----------
    estimator : estimator
        With partial_fit, such as `sklearn.neural_network.MLPClassifier`.
    epochs : int
        Calls of partial_fit with all rows.
    random_state : int, RandomState or None
        Where the seed of the shuffles, and of the estimator, comes from.
    warm_start : bool
        Whether `fit` goes on where the last one has ended, up to ``epochs`` in all.

    Attributes
    ----------
    estimator_ : estimator
        The fitted one.
    classes_ : ndarray of shape (c,)
    n_iter_ : int
        Epochs that were trained.

    Examples
    --------
    >>> from sklearn.linear_model import SGDClassifier
    >>> model = EpochTrained(SGDClassifier(loss="log_loss"), epochs=3, random_state=0)
    >>> model.fit([[-1.0], [1.0]], ["a", "b"]).predict([[2.0]]).tolist()
    ['b']
    """

    def __init__(
        self,
        estimator: Any,
        *,
        epochs: int = 10,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
    ) -> None:
        self.estimator = estimator
        self.epochs = epochs
        self.random_state = random_state
        self.warm_start = warm_start

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train for `epochs` epochs, or with `warm_start` up to as many.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, D)
            Sparse where the estimator takes such.
        y : array-like of shape (n,)
            Labels of at least two classes.
        sample_weight : array-like of shape (n,), optional
            For estimators whose partial_fit takes it.

        Raises
        ------
        ValueError
            If ``epochs`` is not a whole number from 1, or with ``warm_start`` less than before; or
            if the rows cannot be used.
        TypeError
            If the estimator is a class, or has no partial_fit that takes classes.
        """
        given: Any = self.epochs
        if not isinstance(given, int | np.integer) or isinstance(given, bool):
            raise ValueError(f"epochs is {self.epochs!r}; it must be a whole number from 1.")
        if isinstance(self.estimator, type) or not takes_classes(self.estimator):
            raise TypeError(
                f"estimator is {self.estimator!r}; it must be a classifier with partial_fit, such "
                "as SGDClassifier()."
            )
        go_on = self.warm_start and hasattr(self, "estimator_")
        found: Any = validate_data(
            self, X, y, reset=not go_on, dtype="numeric", accept_sparse=self._sparse
        )
        rows, labels = found
        # As newer versions of scikit-learn say it.
        if sample_weight is not None and not np.asarray(sample_weight).any():
            raise ValueError("sample_weight is zero for every row; at least one must count.")
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, rows)
        if not go_on:
            self.classes_, self.n_iter_ = np.unique(labels), 0
            if len(self.classes_) < 2:
                raise ValueError("EpochTrained needs rows of at least two classes; got one class.")
            self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
            self.estimator_ = clone(self.estimator)
        if self.epochs < max(self.n_iter_, 1):
            raise ValueError(
                f"epochs is {self.epochs!r}; it must be a whole number from {max(self.n_iter_, 1)}."
            )
        for epoch in range(self.n_iter_, self.epochs):
            self._train_epoch(epoch, rows, labels, weights)
        return self

    def _train_epoch(
        self, epoch: int, X: NDArray[Any], y: NDArray[Any], weights: NDArray[Any] | None
    ) -> None:
        rng = np.random.default_rng((self._seed, epoch))
        if "random_state" in self.estimator_.get_params():
            self.estimator_.set_params(random_state=int(rng.integers(2**31)))
        order = rng.permutation(len(y))
        weighing = {} if weights is None else {"sample_weight": weights[order]}
        self.estimator_.partial_fit(X[order], y[order], classes=self.classes_, **weighing)
        self.n_iter_ = epoch + 1

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the label of each row, shape (n,)."""
        labels: NDArray[Any] = self._fitted().predict(self._checked(X))
        return labels

    @available_if(_has("predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Return the probability of each class, shape (n, c)."""
        proba: NDArray[Any] = self._fitted().predict_proba(self._checked(X))
        return proba

    @available_if(_has("decision_function"))  # type: ignore[untyped-decorator]
    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """Return the estimator's own decision function."""
        found: NDArray[Any] = self._fitted().decision_function(self._checked(X))
        return found

    @property
    def _sparse(self) -> str | bool:
        """The sparse format whose rows can be taken in any order, where the estimator takes any."""
        return "csr" if get_tags(self).input_tags.sparse else False

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        with suppress(AttributeError):  # an estimator that is none of scikit-learn's
            tags.input_tags.sparse = get_tags(self.estimator).input_tags.sparse
        return tags

    def _fitted(self) -> Any:
        check_is_fitted(self)
        return self.estimator_

    def _checked(self, X: ArrayLike) -> NDArray[Any]:
        found: NDArray[Any] = validate_data(
            self, X, reset=False, dtype="numeric", accept_sparse=self._sparse
        )
        return found
