"""GridSearchCV with shared training: same candidates, same results, a part of the work."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context, clone, is_classifier
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_method_params, indexable

from search.by_arguments import told_by_arguments
from search.estimators.evaluation import Evaluation
from search.estimators.fit_callbacks import FitCallbacks
from search.estimators.places import place_of
from search.estimators.result_book import ResultBook
from search.estimators.shared_fits import Split, Work
from search.estimators.sharing import check_resource
from search.estimators.strategies import GRID, HALVING, Strategy, seed_of, strategy_of
from search.estimators.telling import telling

_ARGUMENTS = {
    "run-dir": "folder",
    "executor": "executor",
    "address": "address",
    "workers": "n_jobs",
}
"""The argument that stands for an option of the command, where a message names one."""

_OF_HALVING = {
    "factor": 3, "min_resources": "exhaust", "max_resources": "auto",
    "aggressive_elimination": False,
}  # fmt: skip
"""What halving alone takes, and what it is where nobody has said it."""

_PRE_DISPATCH = "2*n_jobs"


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
        As the ``param_grid`` of `GridSearchCV`, or the ``param_distributions`` of
        `RandomizedSearchCV`.
    resource : str, optional
        Parameter along which training is shared: ``n_estimators`` of forests, gradient boosting,
        XGBoost and LightGBM; ``max_iter`` of the histogram ensembles; ``epochs`` of
        `SoftmaxClassifier` and `EpochTrained`; of a pipeline that of its last step, as
        ``model__epochs``. An estimator that cannot go on is trained again for each candidate, and a
        `SharesNothingWarning` says so.
    strategy : str or optuna.samplers.BaseSampler
        ``"grid"``: every combination. ``"random"``: `n_trials` that are drawn, as
        `RandomizedSearchCV` draws them. ``"halving"``: rung by rung as `HalvingGridSearchCV`, or
        with `n_trials` as `HalvingRandomSearchCV`; candidates are trained on from rung to rung.
        Else a sampler of Optuna or its name (``"tpe"``, ``"qmc"``, ``"gp"``, ``"cmaes"``), which
        is asked for `n_trials`, eight at a time, and told their mean scores.
    n_trials : int, optional
        Candidates of all strategies but the grid, ``n_iter`` elsewhere. Left out, they are 10 with
        ``"random"``, every combination with ``"halving"``, and 32 of a sampler.
    folder : str or Path, optional
        Where results are kept as soon as they are there: the same `fit` in another process goes on
        with them, whatever ended the first. It is of one search on the same data.
    executor : "ray" or "serial", optional
        Where trainings run: on a Ray cluster, or one after the other as a worker would; left out,
        with joblib as in `GridSearchCV`. Either gives the same bits, each training with one
        thread of BLAS.
    address : str, optional
        The address of a Ray cluster. Without it, and without RAY_ADDRESS, ``executor="ray"`` starts
        a cluster here for the duration of `fit`.
    factor, min_resources, max_resources, aggressive_elimination
        Parameters of halving, as in `HalvingGridSearchCV`, also with `n_trials`, where
        `HalvingRandomSearchCV` has ``min_resources="smallest"``. ``max_resources="auto"`` is the
        estimator's own value of `resource`.
    random_state : int, RandomState or None
        Where the random numbers of candidates that are drawn come from; without effect where none
        are drawn.
    scoring, n_jobs, refit, cv, pre_dispatch, error_score, return_train_score
        As in `GridSearchCV`, but a `refit` that names another score than the only one is refused.
        With Ray, `n_jobs` is the most trainings at the same time.
    verbose : int
        From 1 how far the search is, drawn over itself in a terminal or a notebook and nowhere
        else; from 2 a line for each candidate and split.

    Attributes
    ----------
    cv_results_, best_estimator_, best_params_, best_score_, best_index_, scorer_, n_splits_
        As in `GridSearchCV`. ``mean_fit_time`` is a candidate's part of the training that it
        shares.
    n_trainings_ : int
        Trainings that were begun or taken from `folder`, in place of candidates times splits. A
        candidate that fails is trained once more, alone.
    n_resources_, n_candidates_, n_iterations_ and others
        Attributes of halving, as in `HalvingGridSearchCV`.

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

    _parameter_constraints: dict[str, Any] = {  # noqa: RUF012 - as its base has it
        **BaseSearchCV._parameter_constraints,
        "resource": [str, None],
        "folder": [str, PathLike, None],
        "address": [str, None],
        "n_trials": [Interval(Integral, 1, None, closed="left"), None],
        "executor": [StrOptions({"ray", "serial"}), None],
        "factor": [Interval(Real, 1, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(  # noqa: PLR0913 - what scikit-learn sets and copies by name
        self,
        estimator: Any,
        space: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        resource: str | None = None,
        strategy: Any = GRID,
        n_trials: int | None = None,
        folder: str | Path | None = None,
        executor: str | None = None,
        address: str | None = None,
        factor: float = 3,
        min_resources: int | str = "exhaust",
        max_resources: int | str = "auto",
        aggressive_elimination: bool = False,
        random_state: Any = None,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = _PRE_DISPATCH,
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
        self.strategy = strategy
        self.n_trials = n_trials
        self.folder = folder
        self.executor = executor
        self.address = address
        self.factor = factor
        self.min_resources = min_resources
        self.max_resources = max_resources
        self.aggressive_elimination = aggressive_elimination
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Train and score candidates on all splits, then the best one on all rows.

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
            If the space, the resource, the strategy or the folder does not fit, an argument would
            have no effect, or every training has failed.
        TypeError
            If the estimator is a class.
        MissingLibraryError
            If the strategy needs Optuna, or the executor Ray, and it is not installed.
        ClusterError
            If no cluster can be started or joined, or it fails.
        """
        self._refuse_what_has_no_effect()
        check_resource(self.estimator, self.space, self.resource)
        if self.folder == "":
            raise ValueError("folder is ''; give the name of a folder, or leave it out.")
        scorers, metric = self._get_scorers()
        self._check_refit_of_one()
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splits = list(cv.split(X, y, **routed.splitter.split))
        if not splits:
            raise ValueError(
                "No fits were performed: cv gives no split. A generator gives its splits once; "
                "give list(...) of it to fit again."
            )
        self.n_splits_ = len(splits)
        how = {
            "scorer": scorers,
            "fit_params": routed.estimator.fit,
            "score_params": routed.scorer.score,
            "return_train_score": self.return_train_score,
            "error_score": self.error_score,
        }
        work = Work(self.estimator, self.resource, X, y, how)
        strategy = strategy_of(self, cv, (X, y, routed.splitter.split))
        callbacks = FitCallbacks(self, X, y, params)
        with ExitStack() as at_last:
            with self._opened(work, splits, strategy, at_last) as (evaluation, random_state):
                book = ResultBook(self, evaluation, callbacks, len(splits))
                more = strategy.run(book, random_state, metric)
                self.n_trainings_ = evaluation.n_trainings
            for name, value in more.items():
                setattr(self, name, value)
            self.cv_results_ = book.results
            self.multimetric_ = isinstance(book.first_scores, dict)
            if callable(self.scoring) and self.multimetric_:
                self._check_refit_for_multimetric(book.first_scores)
                metric = self.refit
            self._choose(metric, strategy)
            if self.refit:
                self._refit(X, y, routed.estimator.fit, callbacks)
            self.scorer_ = scorers._scorers if isinstance(scorers, _MultimetricScorer) else scorers
            callbacks.finish()
        return self

    def _refuse_what_has_no_effect(self) -> None:
        """Refuse a class for an estimator, and arguments that others leave without a meaning."""
        if isinstance(self.estimator, type):
            kind = self.estimator.__name__
            raise TypeError(f"estimator is the class {kind}; give an estimator, such as {kind}().")
        named = self.strategy if isinstance(self.strategy, str) else None
        for name, default in _OF_HALVING.items():
            if named != HALVING and not _is_same(getattr(self, name), default):
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, which only strategy='halving' takes, and "
                    f"strategy is {self.strategy!r}. Leave {name} out, or name that strategy."
                )
        if named == GRID and self.n_trials is not None:
            raise ValueError(
                f"n_trials is {self.n_trials!r}, and strategy='grid' tries every combination. "
                "Leave n_trials out, or name a strategy that draws, such as 'random'."
            )
        if self.executor == "serial" and self.n_jobs not in (None, 1):
            raise ValueError(
                f"n_jobs is {self.n_jobs!r}, and executor='serial' trains one after the other. "
                "Leave one of them out."
            )
        on_ray = self.executor is not None or self.address is not None
        if on_ray and not _is_same(self.pre_dispatch, _PRE_DISPATCH):
            raise ValueError(
                f"pre_dispatch is {self.pre_dispatch!r}, which is for joblib, and an executor or "
                "an address is given. Leave pre_dispatch out."
            )

    def _check_refit_of_one(self) -> None:
        """Refuse a refit by the name of a score that is not the one by which all is compared.

        Where a function gives the one score, nobody knows its name.
        """
        known = {"score"} | ({self.scoring} if isinstance(self.scoring, str) else set())
        if self.scoring is None:
            known |= {"accuracy"} if is_classifier(self.estimator) else {"r2"}
        elif not isinstance(self.scoring, str):
            return
        if isinstance(self.refit, str) and self.refit not in known:
            raise ValueError(
                f"refit is {self.refit!r}, and scoring={self.scoring!r} gives one score, which is "
                f"not called that. Give refit=True, or scoring={self.refit!r} where that is meant."
            )

    @contextmanager
    def _opened(
        self, work: Work, splits: Sequence[Split], strategy: Strategy, at_last: ExitStack
    ) -> Iterator[tuple[Evaluation, Any]]:
        """Open the folder, the place where trainings run, and what tells how they go."""
        seed, safe = self.random_state, "Give a folder, and the same fit continues from there."
        with ExitStack() as stack:
            stack.enter_context(told_by_arguments(_ARGUMENTS))
            told = stack.enter_context(telling(self))
            kept = None
            if self.folder is not None:
                # Files and locks, which a search without a folder has no use for.
                from search.estimators.kept_results import KeptResults, code_of, identity_of

                fixed = seed if isinstance(seed, Integral) else None
                asked = (strategy.identity, fixed) if strategy.draws else strategy.identity
                about = identity_of(work, asked, splits)
                kept = stack.enter_context(KeptResults.opened(Path(self.folder), about))
                at_last.callback(kept.note_changed, partial(code_of, work, asked))
                if strategy.draws:
                    seed = kept.seed(lambda: seed_of(self.random_state))
                safe = f"What is done is kept in {self.folder}; the same fit continues from there."
            place = stack.enter_context(
                place_of(
                    work, executor=self.executor, address=self.address, n_jobs=self.n_jobs,
                    pre_dispatch=self.pre_dispatch, safe=safe,
                )
            )  # fmt: skip
            evaluation = Evaluation(work, splits, place, told, kept)
            if callable(self.scoring):
                evaluation.check = partial(self._check_scores, strategy)
            yield evaluation, seed
            evaluation.close()

    def _check_scores(self, strategy: Strategy, scores: Any) -> None:
        """Refuse what a scorer of the user's own returns as soon as it does, not after the search.

        Nobody knows before its first call whether it gives one score or several by name.
        """
        if isinstance(scores, Mapping):
            self._check_refit_for_multimetric(scores)
            strategy.check_names(self.refit)

    def _choose(self, metric: Any, strategy: Strategy) -> None:
        if not self.refit and self.multimetric_:
            return
        chosen = None if callable(self.refit) else strategy.best_index(self.cv_results_)
        if chosen is None:
            chosen = self._select_best_index(self.refit, metric, self.cv_results_)
        self.best_index_ = chosen
        if not callable(self.refit):
            self.best_score_ = self.cv_results_[f"mean_test_{metric}"][self.best_index_]
        self.best_params_ = self.cv_results_["params"][self.best_index_]

    def _refit(
        self, X: Any, y: Any, fit_params: Mapping[str, Any], callbacks: FitCallbacks
    ) -> None:
        best = clone(clone(self.estimator).set_params(**clone(self.best_params_, safe=False)))
        with callbacks.refitting(best):
            began = time.time()
            self.best_estimator_ = best.fit(*_given(X, y), **fit_params)
            self.refit_time_ = time.time() - began
        if hasattr(best, "feature_names_in_"):
            self.feature_names_in_ = best.feature_names_in_

    def _repr_html_inner(self) -> str:
        """Return what a notebook shows: after `fit` the candidates, and scikit-learn's diagram."""
        diagram: str = super()._repr_html_inner()
        if not hasattr(self, "cv_results_"):
            return diagram
        from search.estimators.showing import search_html

        return search_html(self, diagram)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """Return what IPython asks for first."""
        bundle: dict[str, str] = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] = self._repr_html_inner()
        return bundle


def _is_same(given: Any, default: object) -> bool:
    return isinstance(given, Real | str) and given == default


def _given(X: Any, y: Any) -> tuple[Any, ...]:
    return (X,) if y is None else (X, y)
