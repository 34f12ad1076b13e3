"""Softmax regression as an estimator of scikit-learn."""

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from model.features import RAW, STANDARDIZED, UNIT, fit_features
from model.pack import PackState, advance_averaging
from model.seen_rows import SeenRows, stays_in_place
from model.softmax import SoftmaxRegression

Floats = NDArray[np.floating[Any]]

# Descent on all rows converges at rates below 2 over the largest curvature, which is no more than
# half of the mean squared norm of a row (Boehning, Ann. Inst. Stat. Math. 44, 1992). Half of that.
_RATE_AT_NORM = 2.0


class SoftmaxClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Softmax regression by mini-batch gradient descent, with an L2 penalty on the weights.

    The cost is the mean cross-entropy plus ``alpha / 2`` times the sum of the squared weights.
    Weights and biases start at zero, the rows are shuffled in each epoch, and the last mini-batch
    of an epoch holds what is left. `search.run` sweeps this model: the same params and seed give
    the same weights.

    Parameters
    ----------
    batch_size : int
        Rows per update.
    learning_rate : float or "auto"
        Step of the descent, per unit of the mean gradient. ``"auto"`` is 2 over the mean squared
        norm of a training row as the trainer sees it.
    epochs : int
        Passes over the rows.
    alpha : float
        L2 strength, only on the weights.
    average : bool
        Whether the model is the average of the weights over the last epoch, instead of the last
        ones (Polyak and Juditsky, SIAM J. Control Optim. 30, 1992).
    features : "standardized", "unit" or "raw"
        How the trainer sees a row: each feature minus its mean, divided by its standard deviation;
        all values divided by the largest absolute one; the values as they are. Fitted on the rows
        of the first `fit` or `partial_fit`.
    random_state : int, RandomState or None
        Where the seed of the shuffles comes from.
    warm_start : bool
        Whether `fit` goes on where the last one has ended, up to ``epochs`` in all, so that
        ``epochs=5`` and then ``epochs=8`` gives the bits of 8 at once.

    Attributes
    ----------
    classes_ : ndarray of shape (c,)
        The labels, sorted.
    coef_ : ndarray of shape (c, D), or (1, D) with two classes, float64
        Weights of the features as they are given: `decision_function` is ``X @ coef_.T +
        intercept_``, up to rounding.
    intercept_ : ndarray of shape (c,) or (1,), float64
    learning_rate_ : float
        The rate that was used.
    n_iter_ : int
        Epochs that were trained.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (D,)
        Names of the columns of the data frame; only present with such a frame.
    model_ : SoftmaxRegression
        The model as `search.run` saves it.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> bool(SoftmaxClassifier(epochs=50, random_state=0).fit(X, y).score(X, y) > 0.95)
    True
    """

    def __init__(  # noqa: PLR0913 - what scikit-learn sets and copies by name
        self,
        *,
        batch_size: int = 32,
        learning_rate: float | Literal["auto"] = "auto",
        epochs: int = 20,
        alpha: float = 0.0001,
        average: bool = False,
        features: Literal["standardized", "unit", "raw"] = "standardized",
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
    ) -> None:
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.alpha = alpha
        self.average = average
        self.features = features
        self.random_state = random_state
        self.warm_start = warm_start

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on rows X of shape (n, D) and their labels y of shape (n,).

        Parameters
        ----------
        X : array-like of shape (n, D)
            Finite numbers. float16, float32 and integers are not copied in float64.
        y : array-like of shape (n,)
            Labels: numbers, texts or booleans, of at least two classes.
        sample_weight : array-like of shape (n,), optional
            How much each row counts; scaled so that the mean is 1.

        Raises
        ------
        ValueError
            If a parameter has a value that cannot be, the rows or labels cannot be used, or with
            ``warm_start`` more epochs were trained already.
        """
        self._check()
        go_on = self.warm_start and hasattr(self, "model_")
        rows, labels, weights = self._rows(X, y, sample_weight, first=not go_on)
        if go_on:
            self._check_same_classes(np.unique(labels))
        else:
            check_weighted(labels, weights)
            self._begin(rows, np.unique(labels))
        done = self._state.epoch
        if done > self.epochs:
            raise ValueError(
                f"epochs={self.epochs} are fewer than the {done} that were trained. Give as many "
                "at least, or warm_start=False."
            )
        return self._train(rows, labels, weights, self.epochs)

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train one epoch on these rows.

        Called again with the same rows, as often as ``epochs`` says, it gives the bits of `fit`.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`; a class may be missing.
        classes : array-like of shape (c,), optional
            All labels that there are; needed in the first call.

        Raises
        ------
        ValueError
            As in `fit`, and where the first call has no classes.
        """
        self._check()
        first = not hasattr(self, "model_")
        if first and classes is None:
            raise ValueError("classes must be given in the first call of partial_fit.")
        rows, labels, weights = self._rows(X, y, sample_weight, first=first)
        if first:
            self._begin(rows, np.unique(np.asarray(classes)))
        if classes is not None:
            self._check_same_classes(np.unique(np.asarray(classes)))
        self._check_same_classes(np.union1d(self.classes_, labels))
        return self._train(rows, labels, weights, self._state.epoch + 1)

    def _rows(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, *, first: bool
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64] | None]:
        found: Any = validate_data(self, X, y, reset=first, dtype="numeric")
        rows, labels = found
        check_classification_targets(labels)
        if sample_weight is None:
            return rows, labels, None
        weights = _check_sample_weight(sample_weight, rows, dtype=np.float64)
        if (weights < 0).any():
            raise ValueError(f"sample_weight holds {weights.min():g}; weights are numbers from 0.")
        if not weights.any():
            raise ValueError("sample_weight is zero for every row; at least one must count.")
        return rows, labels, weights / weights.mean()

    def _begin(self, X: NDArray[Any], classes: NDArray[Any]) -> None:
        if len(classes) < 2:
            raise ValueError(
                "SoftmaxClassifier needs rows of at least two classes; the data holds only one "
                f"class: {classes.tolist()}."
            )
        self.classes_ = classes
        self._features = fit_features(self.features, X, np.arange(len(X)))
        self.learning_rate_ = self._rate_of(self.learning_rate, X)
        self._state = PackState.start(
            int(self.batch_size),
            np.array([self.learning_rate_]),
            np.array([float(self.alpha)]),
            n_features=X.shape[1],
            n_classes=len(classes),
            seed=self._seed(),
        )

    def _seed(self) -> int:
        """Return the seed of the shuffles: the number that was given, as in a sweep, or a draw."""
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _rate_of(self, asked: float | Literal["auto"], X: NDArray[Any]) -> float:
        if asked != "auto":
            return float(asked)
        total = 0.0
        for start in range(0, len(X), 1024):
            seen = self._features.apply(X[start : start + 1024], dtype=np.float64)
            total += float(np.einsum("ij,ij->", seen, seen))
        # Not of zeros alone, of which any rate gives the same.
        return _RATE_AT_NORM * len(X) / total if total > 0 else 1.0

    def _check_same_classes(self, classes: NDArray[Any]) -> None:
        if not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"The labels are {classes.tolist()}; those of the first call were "
                f"{self.classes_.tolist()}."
            )

    def _train(
        self, X: NDArray[Any], y: NDArray[Any], weights: NDArray[np.float64] | None, until: int
    ) -> Self:
        seen = self._seen(X)
        places = np.searchsorted(self.classes_, y).astype(np.int64)
        weighing = None if weights is None else weights.astype(np.float32)
        last, average = advance_averaging(self._state, seen, places, until, weights=weighing)
        self._state = last
        self._settle(*(average if self.average else last).weights(0))
        return self

    def _seen(self, X: NDArray[Any]) -> NDArray[np.float32] | SeenRows:
        """Return what the trainer sees of rows; large ones are not copied."""
        if self.features == RAW and X.dtype == np.float32 and X.flags.c_contiguous:
            return X
        if stays_in_place(4 * X.size, X):
            return SeenRows((X,), np.arange(len(X)), self._features)
        seen: NDArray[np.float32] = self._features.apply(X)
        return seen

    def _settle(self, W: Floats, b: Floats) -> None:
        """Take weights over, unless they have diverged."""
        if not (np.isfinite(W).all() and np.isfinite(b).all()):
            raise ValueError(
                f"The training diverged at learning_rate={self.learning_rate_:g}. Give a smaller "
                "one, or features='standardized'."
            )
        self.model_ = SoftmaxRegression(
            batch_size=int(self.batch_size),
            learning_rate=self.learning_rate_,
            epochs=self._state.epoch,
            alpha=float(self.alpha),
            seed=self._state.seed,
            features=self._features,
            classes=self.classes_,
            feature_names=_names(self),
        )
        self.model_.W, self.model_.b = W, b
        self.n_iter_ = self._state.epoch
        weights, bias = self.model_.of_source()
        if len(self.classes_) == 2:  # as scikit-learn has it: the second class against the first
            weights, bias = np.diff(weights), np.diff(bias)
        self.coef_, self.intercept_ = weights.T, bias

    def to_logistic_regression(self) -> Any:
        """Return a fitted `LogisticRegression` with these weights, which needs this package not.

        Its logits are those of this model up to rounding. Where the mean of a column is a million
        times its spread or more, it is the last step of a pipeline that takes the mean away first.

        Returns
        -------
        LogisticRegression or Pipeline
        """
        from search.portable import as_estimator  # the log's library, for this alone

        check_is_fitted(self)
        return as_estimator(self.model_)

    def decision_function(self, X: ArrayLike) -> Floats:
        """Return the logit of each class, shape (n, c); of two classes their difference, (n,)."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Return the probability of each class in the order of `classes_`, shape (n, c)."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: ArrayLike) -> Floats:
        """Return the logarithm of `predict_proba`."""
        check_is_fitted(self)
        return self.model_.log_proba(self._checked(X))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the label of the most probable class of each row, shape (n,)."""
        places = self._logits(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[places]
        return labels

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the fraction of rows whose label is predicted, by weights where they are given.

        To the bit what scikit-learn's `accuracy_score` gives, whose checks take longer than the
        prediction: a search asks for this thousands of times.
        """
        labels = column_or_1d(y)
        check_consistent_length(X, labels, sample_weight)
        weights = None if sample_weight is None else np.asarray(sample_weight)
        if weights is not None and not weights.any():
            raise ValueError("sample_weight is zero for every row; at least one must count.")
        return float(np.average(self.predict(X) == labels, weights=weights))

    def _logits(self, X: ArrayLike) -> Floats:
        check_is_fitted(self)
        return self.model_.logits(self._checked(X))

    def _checked(self, X: ArrayLike) -> NDArray[Any]:
        found: NDArray[Any] = validate_data(self, X, reset=False, dtype="numeric")
        return found

    def _check(self) -> None:
        """Refuse values that cannot be, with the name, the value and the rule."""
        for name, least in (("batch_size", 1), ("epochs", 1)):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} is {value!r}; it must be a whole number from {least}.")
        given: Any = self.learning_rate  # an array is not text, and equal to none
        if not (isinstance(given, str) and given == "auto") and not _is_number(given, above=0.0):
            raise ValueError(
                f"learning_rate is {self.learning_rate!r}; it must be a positive number, or 'auto'."
            )
        if not (_is_number(self.alpha, above=0.0) or self.alpha == 0):
            raise ValueError(f"alpha is {self.alpha!r}; it must be a number from 0.")
        if self.features not in (RAW, UNIT, STANDARDIZED):
            raise ValueError(
                f"features is {self.features!r}; it must be 'standardized', 'unit' or 'raw'."
            )
        for name in ("average", "warm_start"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be True or False.")
        seed: Any = self.random_state
        is_seed = isinstance(seed, int | np.integer) and not isinstance(seed, bool) and seed >= 0
        known = seed is None or seed is np.random or isinstance(seed, np.random.RandomState)
        if not (is_seed or known):
            raise ValueError(
                f"random_state is {seed!r}; it must be a whole number from 0, a RandomState or "
                "None."
            )


def check_weighted(labels: NDArray[Any], weights: NDArray[np.float64] | None) -> None:
    """Refuse weights that leave rows of one class alone."""
    if weights is not None and len(np.unique(labels[weights > 0])) < 2:
        raise ValueError(
            "SoftmaxClassifier needs rows of at least two classes; by sample_weight all but one "
            "class have no weight."
        )


def _is_number(value: object, *, above: float) -> bool:
    number = isinstance(value, int | float | np.integer | np.floating)
    return number and not isinstance(value, bool) and above < float(value) < np.inf  # type: ignore[arg-type]


def _names(estimator: Any) -> Sequence[str]:
    return tuple(map(str, getattr(estimator, "feature_names_in_", ())))
