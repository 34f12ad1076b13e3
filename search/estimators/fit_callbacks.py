"""Callbacks of scikit-learn, from the version on that has them; before it, nothing happens."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Place = tuple[int, int]
"""The place of a candidate in an evaluation, and a split."""


class Contexts:
    """The contexts of the candidates of one evaluation, each told of once.

    Parameters
    ----------
    search : PackSweepSearchCV
    contexts : mapping of Place to CallbackContext
        Empty where nobody is told.
    """

    def __init__(self, search: Any = None, contexts: Mapping[Place, Any] | None = None) -> None:
        self._search, self._contexts = search, dict(contexts or {})

    def handed_on(self, place: Place) -> tuple[Any, Any] | None:
        """Return the search and the context for who trains a candidate alone, and tells of it."""
        context = self._contexts.pop(place, None)
        return None if context is None else (self._search, context)

    def tell(self, place: Place) -> None:
        """Tell that a candidate has begun and ended, unless its context was handed on."""
        context = self._contexts.pop(place, None)
        if context is not None:
            context.call_on_fit_task_begin(estimator=self._search)
            context.call_on_fit_task_end(estimator=self._search)


class FitCallbacks:
    """Tells the callbacks of a search what `GridSearchCV` tells its own.

    A candidate that shares its training has begun and ended when its scores are there. One that is
    trained alone hands those callbacks on that scikit-learn hands on.

    Parameters
    ----------
    search : PackSweepSearchCV
    X, y
        All rows.
    params : mapping
        What `fit` was given besides.
    """

    def __init__(self, search: Any, X: Any, y: Any, params: Mapping[str, Any]) -> None:
        weights = params.get("sample_weight")
        metadata = None if weights is None else {"sample_weight": weights}
        self._search, self._given = search, {"X": X, "y": y, "metadata": metadata}
        self._root: Any = None
        if hasattr(search, "_init_callback_context"):
            root = search._init_callback_context(max_subtasks=1 + (search.refit is not False))
            self._root = root.call_on_fit_task_begin(estimator=search, **self._given)

    @property
    def root(self) -> dict[str, Any]:
        """The context of the whole fit, as scikit-learn's searches take it."""
        return {} if self._root is None else {"callback_ctx": self._root}

    @contextmanager
    def searching(self, subtasks: int) -> Iterator[Any]:
        """Tell that the search begins, with so many candidates on splits, and that it has ended."""
        if self._root is None:
            yield None
            return
        context = self._root.subcontext(
            task_name="search", max_subtasks=subtasks, sequential_subtasks=False
        ).call_on_fit_task_begin(estimator=self._search)
        yield context
        context.call_on_fit_task_end(estimator=self._search)

    def contexts(self, parent: Any, candidates: int, splits: int) -> Contexts:
        """Return a context for each candidate on each split, by their places."""
        told = hasattr(self._search, "_skl_callbacks")
        if parent is None or not (told or hasattr(self._search.estimator, "_skl_callbacks")):
            return Contexts()
        # In later waves the places continue.
        begun = len(parent._children_map)
        made = {
            (k, split): parent.subcontext(
                task_name="candidate-split-evaluation", task_id=begun + k * splits + split
            )
            for k in range(candidates)
            for split in range(splits)
        }
        return Contexts(self._search, made)

    @contextmanager
    def refitting(self, best: Any) -> Iterator[None]:
        """Tell that the best candidate is trained on all rows, and hand callbacks on to it."""
        if self._root is None:
            yield
            return
        context = self._root.subcontext(task_name="refit-with-best-params")
        with context.propagate_callback_context(best):
            context.call_on_fit_task_begin(estimator=self._search, **self._given)
            yield
        context.call_on_fit_task_end(estimator=self._search, **self._given)

    def finish(self) -> None:
        """Tell that the fit has ended."""
        if self._root is not None:
            self._root.call_on_fit_task_end(estimator=self._search, **self._given)
