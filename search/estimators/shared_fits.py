"""What one task of a search does: some candidates trained on a split, and scored."""

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
        Their places in the grid.
    """

    split: int
    candidates: tuple[int, ...]


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

    def results(
        self, unit: Unit, split: Split, candidates: Sequence[Params]
    ) -> tuple[Unit, list[Result]]:
        """Return what the candidates of a unit give, in their order."""
        if len(candidates) > 1:
            # Else each alone, by scikit-learn's own code: what cannot be trained fails alone.
            with suppress(Exception):
                return unit, self._shared(split, candidates)
        return unit, [self._alone(split, params) for params in candidates]

    def _alone(self, split: Split, params: Params) -> Result:
        train, test = split
        result: Result = _fit_and_score(
            clone(self.estimator), self.X, self.y, train=train, test=test, parameters=dict(params),
            verbose=0, return_n_test_samples=True, return_times=True, **self.how,
        )  # fmt: skip
        return result

    def _shared(self, split: Split, candidates: Sequence[Params]) -> list[Result]:
        train, test = split
        models = [made(self.estimator, params) for params in candidates]
        family = family_of(models[0], self.resource)
        if family is None:
            raise ValueError("they share nothing")
        mine = _check_method_params(self.X, params=self.how["fit_params"] or {}, indices=train)
        X_train, y_train = _safe_split(self.estimator, self.X, self.y, train)
        parts = {"test": (test, *_safe_split(self.estimator, self.X, self.y, test, train))}
        if self.how["return_train_score"]:
            parts["train"] = (train, X_train, y_train)
        results = []
        for model, seconds in family.train(models, X_train, y_train, mine):
            if isinstance(model, Exception):
                raise model
            results.append(self._scored(model, seconds, parts))
        return results

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


def made(estimator: Any, params: Params) -> Any:
    """Return an estimator with its parameters; None where it refuses them, which fit tells."""
    try:
        return clone(estimator).set_params(**clone(dict(params), safe=False))
    except Exception:  # an estimator may raise anything
        return None
