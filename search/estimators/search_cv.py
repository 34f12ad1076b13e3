"""GridSearchCV with shared training: same candidates, same results, a part of the work."""

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any, Self

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone, is_classifier
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import (
    _insert_error_scores,
    _warn_or_raise_about_fit_failures,
)
from sklearn.utils.validation import _check_method_params, indexable

from search.estimators.kept_results import KeptResults, identity_of
from search.estimators.shared_fits import Params, Split, Unit, Work, made
from search.estimators.sharing import family_of


class SharesNothingWarning(UserWarning):
    """Every candidate is trained from its beginning."""


class PackSweepSearchCV(BaseSearchCV):  # type: ignore[misc]
    """Search over a grid of parameters by cross-validation, with shared training.

    Candidates that differ in the number of epochs, rounds or trees alone are trained once, and
    scored on the way: eight values of ``n_estimators`` cost what the largest one does. Softmax
    regressions of one batch size are trained side by side besides. All else is `GridSearchCV`:
    parameters, ``cv_results_``, refit, scorers, splitters, metadata.

    Parameters
    ----------
    estimator : estimator
    space : dict or list of dicts
        As the ``param_grid`` of `GridSearchCV`.
    resource : str, optional
        Parameter along which training is shared: ``n_estimators`` of forests, gradient boosting,
        XGBoost and LightGBM; ``max_iter`` of the histogram ensembles; ``epochs`` of
        `SoftmaxClassifier` and `EpochTrained`; of a pipeline that of its last step, as
        ``model__epochs``. An estimator that cannot go on is trained anew for each candidate, and a
        `SharesNothingWarning` says so.
    folder : str or Path, optional
        Where results are kept as soon as they are there: the same `fit` in another process goes on
        with them, whatever ended the first.
    scoring, n_jobs, refit, cv, verbose, pre_dispatch, error_score, return_train_score
        As in `GridSearchCV`.

    Attributes
    ----------
    cv_results_, best_estimator_, best_params_, best_score_, best_index_, scorer_, n_splits_
        As in `GridSearchCV`. ``mean_fit_time`` is a candidate's part of the training that it
        shares.
    n_trainings_ : int
        Trainings that were begun or taken from `folder`, in place of candidates times splits.

    Notes
    -----
    What is cut from a longer training has the bits of a shorter one. Softmax regressions side by
    side add float32 numbers in another order than alone: their probabilities agree to 1e-4.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> space = {"n_estimators": [5, 10, 20], "max_depth": [2, 4]}
    >>> model = RandomForestClassifier(random_state=0)
    >>> search = PackSweepSearchCV(model, space, resource="n_estimators", cv=3).fit(X, y)
    >>> len(search.cv_results_["params"]), search.n_trainings_
    (6, 6)
    """

    def __init__(  # noqa: PLR0913 - what scikit-learn sets and copies by name
        self,
        estimator: Any,
        space: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Sequence[Any]]],
        *,
        resource: str | None = None,
        folder: str | Path | None = None,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
    ) -> None:
        super().__init__(
            estimator=estimator, scoring=scoring, n_jobs=n_jobs, refit=refit, cv=cv,
            verbose=verbose, pre_dispatch=pre_dispatch, error_score=error_score,
            return_train_score=return_train_score,
        )  # fmt: skip
        self.space = space
        self.resource = resource
        self.folder = folder

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Train and score all candidates on all splits, then the best one on all rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n, D)
        y : array-like of shape (n,), optional
        **params
            For the estimator's fit, the scorers and the splitter, such as ``sample_weight`` and
            ``groups``; see scikit-learn's metadata routing.

        Raises
        ------
        ValueError
            If the space or the folder does not fit, or every training has failed.
        """
        self._validate_params()
        scorers, metric = self._get_scorers()
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splits = list(cv.split(X, y, **routed.splitter.split))
        self.n_splits_ = len(splits)
        candidates = list(ParameterGrid(self.space))
        if not (candidates and splits):
            raise ValueError("No fits were performed: there is no candidate, or no split.")
        if self.verbose > 0:
            print(  # noqa: T201 - where GridSearchCV has it
                f"Fitting {len(splits)} folds for each of {len(candidates)} candidates, totalling "
                f"{len(candidates) * len(splits)} fits"
            )
        how = {
            "scorer": scorers,
            "fit_params": routed.estimator.fit,
            "score_params": routed.scorer.score,
            "return_train_score": self.return_train_score,
            "error_score": self.error_score,
        }
        work = Work(self.estimator, self.resource, X, y, how)
        out = self._evaluate(work, splits, candidates)
        _warn_or_raise_about_fit_failures(out, self.error_score)
        if callable(self.scoring):
            _insert_error_scores(out, self.error_score)
        self.cv_results_ = self._format_results(candidates, len(splits), out)
        self.multimetric_ = isinstance(out[0]["test_scores"], dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(out[0]["test_scores"])
            metric = self.refit
        self._choose(metric)
        if self.refit:
            self._refit(X, y, routed.estimator.fit)
        multi = isinstance(scorers, _MultimetricScorer)
        self.scorer_ = scorers._scorers if multi else scorers
        return self

    def _choose(self, metric: Any) -> None:
        if not self.refit and self.multimetric_:
            return
        self.best_index_ = self._select_best_index(self.refit, metric, self.cv_results_)
        if not callable(self.refit):
            self.best_score_ = self.cv_results_[f"mean_test_{metric}"][self.best_index_]
        self.best_params_ = self.cv_results_["params"][self.best_index_]

    def _refit(self, X: Any, y: Any, fit_params: Mapping[str, Any]) -> None:
        best = clone(clone(self.estimator).set_params(**clone(self.best_params_, safe=False)))
        began = time.time()
        self.best_estimator_ = best.fit(*_given(X, y), **fit_params)
        self.refit_time_ = time.time() - began
        if hasattr(best, "feature_names_in_"):
            self.feature_names_in_ = best.feature_names_in_

    def _evaluate(
        self, work: Work, splits: Sequence[Split], candidates: Sequence[Params]
    ) -> list[dict[str, Any]]:
        """Return what each candidate gives on each split, as scikit-learn's own search has it."""
        rows = max(len(train) for train, _ in splits)
        given = frozenset(work.how["fit_params"] or ())
        units = list(self._units(candidates, len(splits), rows, given))
        self.n_trainings_ = len(units)
        found: dict[tuple[int, int], dict[str, Any]] = {}
        with ExitStack() as stack:
            kept = None
            if self.folder is not None:
                about = identity_of(work, candidates, splits)
                kept = stack.enter_context(KeptResults.opened(Path(self.folder), about))
                for unit in units:
                    found |= kept.read(unit.split, unit.candidates)
            left = [u for u in units if not all((u.split, k) in found for k in u.candidates)]
            parallel = Parallel(
                n_jobs=self.n_jobs, pre_dispatch=self.pre_dispatch, return_as="generator_unordered"
            )
            ended = parallel(
                delayed(work.results)(
                    unit, splits[unit.split], [candidates[k] for k in unit.candidates]
                )
                for unit in left
            )
            for unit, results in ended:
                mine = {(unit.split, k): r for k, r in zip(unit.candidates, results, strict=True)}
                if kept is not None:
                    kept.write(unit.split, unit.candidates, mine)
                found |= mine
        return [found[split, k] for k, split in product(range(len(candidates)), range(len(splits)))]

    def _units(
        self, candidates: Sequence[Params], splits: int, rows: int, given: frozenset[str]
    ) -> Iterator[Unit]:
        """Yield what is trained together; the same whatever the machine."""
        groups: dict[Any, list[int]] = {}
        shares = 0
        for k, params in enumerate(candidates):
            model = made(self.estimator, params)
            family = None if model is None else family_of(model, self.resource)
            if family is None or family.stops(model, rows) or given - {family.weights}:
                groups[k] = [k]
                continue
            shares += 1
            apart = {self.resource, *family.side}
            fixed = [(n, _known_by(v)) for n, v in sorted(params.items()) if n not in apart]
            groups.setdefault((type(model), *fixed), []).append(k)
        if not shares:
            self._tell_that_nothing_is_shared(candidates, splits)
        for split in range(splits):
            for group in groups.values():
                yield Unit(split, tuple(group))

    def _tell_that_nothing_is_shared(self, candidates: Sequence[Params], splits: int) -> None:
        name = type(self.estimator).__name__
        along = "no resource is named" if self.resource is None else f"resource={self.resource!r}"
        hint = ""
        if hasattr(self.estimator, "partial_fit"):
            hint = f" {name} has partial_fit: EpochTrained({name}(...)) with resource='epochs' can."
        warnings.warn(
            f"{name} is trained anew for each of the {len(candidates)} candidates on each of the "
            f"{splits} splits: {along}, and it is not known to go on along that.{hint}",
            SharesNothingWarning,
            stacklevel=4,
        )


def _known_by(value: object) -> object:
    """Return what tells a value of a grid from others; most need not be hashable or comparable.

    All candidates hold the very objects of the grid, so that one of these is known by where it is.
    """
    plain = isinstance(value, bool | int | float | str | None)
    return (type(value), repr(value)) if plain else id(value)


def _given(X: Any, y: Any) -> tuple[Any, ...]:
    return (X,) if y is None else (X, y)
