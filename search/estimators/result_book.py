"""What a search has found so far, in the form of scikit-learn's cv_results_."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.model_selection._validation import (
    _insert_error_scores,
    _warn_or_raise_about_fit_failures,
)

from search.estimators.evaluation import Evaluation
from search.estimators.fit_callbacks import FitCallbacks
from search.estimators.shared_fits import Params, Result


class ResultBook:
    """Evaluates what a strategy asks for, and adds it to what there is.

    Parameters
    ----------
    search : PackSweepSearchCV
    evaluation : Evaluation
    callbacks : FitCallbacks
    n_splits : int

    Attributes
    ----------
    results : dict
        As ``cv_results_``; empty before the first call.
    """

    def __init__(
        self, search: Any, evaluation: Evaluation, callbacks: FitCallbacks, n_splits: int
    ) -> None:
        self._search, self._evaluation = search, evaluation
        self.callbacks, self.n_splits = callbacks, n_splits
        self.results: dict[str, Any] = {}
        self._candidates: list[Params] = []
        self._out: list[Result] = []
        self._more: dict[str, list[Any]] = defaultdict(list)

    def __call__(
        self,
        candidate_params: Any,
        cv: Any = None,
        more_results: Mapping[str, Sequence[Any]] | None = None,
        callback_ctx: Any = None,
        *,
        keep: bool = False,
    ) -> dict[str, Any]:
        """Evaluate candidates and return all results so far.

        It takes what scikit-learn's searches give to the function of that kind; and ``keep``, for
        candidates that may be trained on in the next call. The splits are the same for all.

        Raises
        ------
        ValueError
            If there is no candidate, or every training has failed.
        """
        del cv
        candidates = list(candidate_params)
        if not candidates:
            raise ValueError("No fits were performed: there is no candidate.")
        contexts = self.callbacks.contexts(callback_ctx, len(candidates), self.n_splits)
        out = self._evaluation.results(candidates, keep=keep, contexts=contexts)
        search = self._search
        _warn_or_raise_about_fit_failures(out, search.error_score)
        if callable(search.scoring):
            _insert_error_scores(out, search.error_score)
        self._candidates += candidates
        self._out += out
        for key, values in (more_results or {}).items():
            self._more[key] += values
        self.results = search._format_results(
            self._candidates, self.n_splits, self._out, self._more
        )
        return self.results

    def keeping(self, *args: Any, **more: Any) -> dict[str, Any]:
        """Evaluate candidates that may be trained on in the next call."""
        return self(*args, **more, keep=True)

    @property
    def named(self) -> Any:
        """The name of the score by which the search refits, of several."""
        return self._search.refit

    @property
    def first_scores(self) -> Any:
        """The scores of the first candidate on the first split: a mapping if they have names."""
        return self._out[0]["test_scores"]
