"""What one task of a search does: some candidates trained on a split, and scored."""

import copy
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sklearn.base import clone
from sklearn.model_selection._validation import _fit_and_score, _score
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params, _num_samples

from search.estimators.sharing import family_of

Params = Mapping[str, Any]
"""The parameters of a candidate, by name."""

Split = tuple[Any, Any]
"""The rows that train, and those that score, as a splitter gives them."""

Result = dict[str, Any]
"""What a candidate gives on a split, in the form of scikit-learn's `_fit_and_score`."""


@dataclass(frozen=True)
class Unit:
    """Candidates that are trained together on one split.

    Attributes
    ----------
    split : int
    candidates : tuple of int
        Their numbers, counted over the whole search.
    """

    split: int
    candidates: tuple[int, ...]


@dataclass(frozen=True)
class Job:
    """What a task is asked for.

    Attributes
    ----------
    unit : Unit
    rows : Split
    params : tuple of Params
        The params of each candidate.
    going : tuple
        Their estimators, fitted with less of the resource; empty at the beginning.
    keep : bool
        Whether the fitted estimators are wanted, to be trained on later.
    context : object
        The context of scikit-learn's callbacks for a candidate that is trained alone, with the
        search that has them; None without.
    """

    unit: Unit
    rows: Split
    params: tuple[Params, ...]
    going: tuple[Any, ...] = ()
    keep: bool = False
    context: tuple[Any, Any] | None = None


@dataclass(frozen=True)
class Done:
    """What a task has returned.

    Attributes
    ----------
    unit : Unit
    results : list of Result
        The result of each candidate.
    fitted : tuple
        Their estimators, if wanted and able to continue; else empty.
    """

    unit: Unit
    results: list[Result]
    fitted: tuple[Any, ...] = ()


@dataclass(frozen=True, eq=False)
class Work:
    """What all tasks of a search have in common.

    Attributes
    ----------
    estimator : estimator
    resource : str or None
    X, y
        All rows, as `fit` got them.
    how : mapping
        ``scorer``, ``fit_params``, ``score_params``, ``return_train_score`` and ``error_score``, as
        scikit-learn's `_fit_and_score` takes them.
    """

    estimator: Any
    resource: str | None
    X: Any
    y: Any
    how: Mapping[str, Any]

    def done(self, job: Job) -> Done:
        """Return what the candidates of a job give, in their order."""
        if len(job.params) > 1 or job.keep or job.going:
            # Else each alone, by scikit-learn's own code: what cannot be trained fails alone.
            with suppress(Exception):
                return self._shared(job)
        return Done(job.unit, [self._alone(job, params) for params in job.params])

    def _alone(self, job: Job, params: Params) -> Result:
        train, test = job.rows
        told = (
            {}
            if job.context is None
            else {"caller": job.context[0], "callback_ctx": job.context[1]}
        )
        result: Result = _fit_and_score(
            clone(self.estimator), self.X, self.y, train=train, test=test, parameters=dict(params),
            verbose=0, return_n_test_samples=True, return_times=True, **self.how, **told,
        )  # fmt: skip
        return result

    def _shared(self, job: Job) -> Done:
        train, test = job.rows
        models = self._made(job.params)
        family = family_of(models[0], self.resource)
        if family is None or job.context is not None:
            raise ValueError("they share nothing")
        mine = _check_method_params(self.X, params=self.how["fit_params"] or {}, indices=train)
        X_train, y_train = _safe_split(self.estimator, self.X, self.y, train)
        parts = {"test": (test, *_safe_split(self.estimator, self.X, self.y, test, train))}
        if self.how["return_train_score"]:
            parts["train"] = (train, X_train, y_train)
        given = (models, X_train, y_train, mine)
        if job.going and family.grow is not None:
            trained = family.grow(job.going, *given)
        else:
            trained = family.train(*given)
        results, fitted = [], []
        for model, seconds in trained:
            if isinstance(model, Exception):
                raise model
            results.append(self._scored(model, seconds, parts))
            if job.keep:
                fitted.append(model)
        return Done(job.unit, results, tuple(fitted) if family.grows(models[0]) else ())

    def _made(self, candidates: Sequence[Params]) -> list[Any]:
        """Return an estimator for each; those that differ in the resource alone are copies.

        To read what an estimator takes from its signature, as clone does, takes milliseconds.
        """
        made_before: dict[Any, Any] = {}
        models = []
        for params in candidates:
            key = others_of(params, self.resource)
            if key in made_before and self.resource in params and "__" not in str(self.resource):
                model = copy.copy(made_before[key])
                setattr(model, str(self.resource), params[str(self.resource)])
            else:
                model = made_before[key] = made(self.estimator, params)
            models.append(model)
        return models

    def _scored(
        self, model: Any, seconds: float, parts: Mapping[str, tuple[Any, Any, Any]]
    ) -> Result:
        result: Result = {"fit_error": None, "fit_time": seconds}
        for part, (rows, X, y) in parts.items():
            began = time.time()
            given = self.how["score_params"] or {}
            mine = _check_method_params(self.X, params=given, indices=rows)
            result[f"{part}_scores"] = _score(
                model, X, y, self.how["scorer"], mine, self.how["error_score"]
            )
            if part == "test":
                result["score_time"] = time.time() - began
                result["n_test_samples"] = _num_samples(X)
        return result


def others_of(params: Params, resource: str | None) -> tuple[Any, ...]:
    """Return what candidates have in common that differ in the resource alone.

    Values are known by where they are: candidates of a grid hold the very objects of its lists.
    """
    return tuple((name, id(value)) for name, value in params.items() if name != resource)


def made(estimator: Any, params: Params) -> Any:
    """Return an estimator with its parameters; None where it refuses them, which fit tells."""
    try:
        return clone(estimator).set_params(**clone(dict(params), safe=False))
    except Exception:  # an estimator may raise anything
        return None
