"""Which candidates a search has, and when it asks for them: all at once, in rungs, in waves."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from sklearn.model_selection import ParameterGrid, ParameterSampler
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import validate_parameter_constraints

from search.estimators.result_book import ResultBook

GRID, RANDOM, HALVING = "grid", "random", "halving"
SAMPLERS = ("tpe", "qmc", "gp", "cmaes")

WAVE = 8
"""Trials that a sampler is asked for at once: they share trainings, and keep workers busy."""

_TRIALS = 32


class Strategy(Protocol):
    """Decides what is evaluated; `PackSweepSearchCV.fit` calls it once.

    Attributes
    ----------
    identity : object
        What says which candidates there will be, by which a folder knows the search.
    draws : bool
        Whether it needs random numbers.
    """

    identity: object
    draws: bool

    def run(self, book: ResultBook, random_state: Any, metric: Any) -> dict[str, Any]:
        """Have candidates evaluated; return attributes that the search has besides its results.

        Parameters
        ----------
        book : ResultBook
        random_state : int, RandomState or None
        metric : str
            Name of the scores by which candidates are told apart.

        Raises
        ------
        ValueError
            If there is no candidate, or the strategy does not fit.
        """

    def check_names(self, refit: Any) -> None:
        """Refuse several scores by name where candidates are told apart by one.

        Parameters
        ----------
        refit : object
            As the search has it: among others, the name of one of them.

        Raises
        ------
        ValueError
            If it does not say which one.
        """

    def best_index(self, results: Mapping[str, Any]) -> int | None:
        """Return the place of the best candidate; None for that of the highest score."""


def strategy_of(search: Any, cv: Any, given: tuple[Any, Any, Any]) -> Strategy:
    """Return the strategy of a search.

    Parameters
    ----------
    search : PackSweepSearchCV
    cv : splitter
    given : tuple
        X, y and the parameters of the split.

    Raises
    ------
    ValueError
        If there is none of that name, or it does not fit the space or the resource.
    """
    named = search.strategy
    _check_space(search.space)
    if isinstance(named, str) and named in (GRID, RANDOM):
        return Listed(search.space, None if named == GRID else search.n_trials or 10)
    if isinstance(named, str) and named == HALVING:
        return Halving(search, cv, given)
    if not _is_sampler(named):
        known = ", ".join(map(repr, (GRID, RANDOM, HALVING, *SAMPLERS)))
        raise ValueError(
            f"strategy is {named!r}; it must be {known} or a sampler of Optuna, such as "
            "TPESampler()."
        )
    return Sampled(search.space, named, search.n_trials or _TRIALS)


def _is_sampler(named: Any) -> bool:
    if isinstance(named, str):
        return named in SAMPLERS
    # Known without Optuna; a class has all methods too, and cannot be asked.
    return hasattr(named, "sample_relative") and not isinstance(named, type)


def _check_space(space: Any) -> None:
    listed = [space] if isinstance(space, Mapping) else space
    several = isinstance(listed, Sequence) and not isinstance(listed, str)
    if not several or not all(isinstance(table, Mapping) for table in listed):
        raise ValueError(
            f"space is {space!r}; it must be a dict of the values of each parameter, or a list "
            "of such dicts."
        )
    if wrong := [name for table in listed for name in table if not isinstance(name, str)]:
        raise ValueError(f"space has the key {wrong[0]!r}; each must be the name of a parameter.")


def seed_of(random_state: Any) -> int:
    """Return a number for a seed, drawn where the user gives none."""
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


class Listed:
    """All candidates at once: every combination, or as many as are drawn.

    Parameters
    ----------
    space : mapping or sequence of mapping
    n_trials : int or None
        None for every combination.
    """

    def __init__(self, space: Any, n_trials: int | None) -> None:
        self._space, self._n_trials = space, n_trials
        self.draws = n_trials is not None
        self.identity: object = (
            list(_grid(space)) if n_trials is None else (RANDOM, n_trials, known_space(space))
        )

    def run(self, book: ResultBook, random_state: Any, metric: Any) -> dict[str, Any]:
        """Evaluate all."""
        del metric
        candidates = self.candidates(random_state)
        with book.callbacks.searching(len(candidates) * book.n_splits) as context:
            book(candidates, callback_ctx=context)
        return {}

    def candidates(self, random_state: Any) -> list[dict[str, Any]]:
        """Return the candidates."""
        if self._n_trials is None:
            return list(_grid(self._space))
        return list(ParameterSampler(self._space, self._n_trials, random_state=random_state))

    def check_names(self, refit: Any) -> None:
        """Refuse nothing: all are evaluated, whatever they score."""

    def best_index(self, results: Mapping[str, Any]) -> int | None:
        """Return none: the highest score is the best."""
        del results
        return None


class Halving:
    """Successive halving, by the very rules of scikit-learn's HalvingGridSearchCV.

    Which candidates go on, with how much of the resource and in how many rungs, is decided by the
    class of scikit-learn that is installed; here they go on from where they are.

    Parameters
    ----------
    search : PackSweepSearchCV
    cv : splitter
    given : tuple
        X, y and the parameters of the split.
    """

    _ATTRIBUTES = (
        "n_resources_", "n_candidates_", "n_remaining_candidates_", "min_resources_",
        "max_resources_", "n_iterations_", "n_required_iterations_", "n_possible_iterations_",
    )  # fmt: skip

    def __init__(self, search: Any, cv: Any, given: tuple[Any, Any, Any]) -> None:
        # Experimental in scikit-learn, and needed by those who ask for it alone.
        from sklearn.model_selection._search_successive_halving import HalvingGridSearchCV

        class Rungs(HalvingGridSearchCV):  # type: ignore[misc]
            candidates: Sequence[Mapping[str, Any]] = ()

            def _generate_candidate_params(self) -> Sequence[Mapping[str, Any]]:
                return self.candidates

        _check_resource(search)
        self._listed, self._given = Listed(search.space, search.n_trials), given
        self.draws = self._listed.draws
        most = search.max_resources
        if most == "auto":
            most = search.estimator.get_params()[search.resource]
        how = {
            "factor": search.factor, "max_resources": most, "min_resources": search.min_resources,
            "aggressive_elimination": search.aggressive_elimination,
        }  # fmt: skip
        self.identity: object = (HALVING, self._listed.identity, tuple(how.items()))
        self._rungs = Rungs(search.estimator, {}, resource=search.resource, cv=search.cv, **how)
        # Under the name of the search that the user knows, which has these parameters too.
        validate_parameter_constraints(
            self._rungs._parameter_constraints,
            self._rungs.get_params(deep=False),
            caller_name=type(search).__name__,
        )
        self._rungs._checked_cv_orig = cv

    def run(self, book: ResultBook, random_state: Any, metric: Any) -> dict[str, Any]:
        """Evaluate rung by rung."""
        if metric != "score":
            self.check_names(metric)
        rungs = self._rungs
        rungs.n_splits_ = book.n_splits
        rungs._check_input_parameters(*self._given)
        rungs.candidates = self._listed.candidates(random_state)
        rungs._run_search(book.keeping, **book.callbacks.root)
        return {name: getattr(rungs, name) for name in self._ATTRIBUTES}

    def check_names(self, refit: Any) -> None:
        """Refuse several scores: scikit-learn's rules take one."""
        del refit
        raise ValueError("strategy='halving' compares by one score; give one as scoring.")

    def best_index(self, results: Mapping[str, Any]) -> int | None:
        """Return the place of the best candidate of the last rung."""
        return int(self._rungs._select_best_index(None, None, results))


class Sampled:
    """Waves of trials that a sampler of Optuna proposes, each told how the last one has done.

    Parameters
    ----------
    space : mapping
    sampler : str or BaseSampler
    n_trials : int
    """

    draws = True

    def __init__(self, space: Any, sampler: Any, n_trials: int) -> None:
        if not isinstance(space, Mapping):
            raise ValueError("A sampler takes one space: a dict, not a list of them.")
        self._space, self._sampler, self._n_trials = space, sampler, n_trials
        name = sampler if isinstance(sampler, str) else type(sampler).__qualname__
        self.identity: object = (name, n_trials, known_space(space))

    def run(self, book: ResultBook, random_state: Any, metric: Any) -> dict[str, Any]:
        """Evaluate wave by wave."""
        self.check_names(metric)
        # A second, and Optuna need not be installed.
        from search.tuning.parameter_spaces import ParameterTuner

        tuner = ParameterTuner(self._space, self._sampler, seed_of(random_state), WAVE)
        with book.callbacks.searching(self._n_trials * book.n_splits) as context:
            for index, start in enumerate(range(0, self._n_trials, WAVE)):
                wave = tuner.wave(index, min(WAVE, self._n_trials - start))
                results = book(wave, callback_ctx=context)
                if f"mean_test_{metric}" not in results:
                    # Your own scorer has given several by name.
                    metric = book.named
                tuner.tell(results[f"mean_test_{metric}"][start:].tolist())
        return {}

    def check_names(self, refit: Any) -> None:
        """Refuse several scores of which none is named."""
        if not isinstance(refit, str):
            raise ValueError("A sampler uses one score; name it in refit.")

    def best_index(self, results: Mapping[str, Any]) -> int | None:
        """Return none: the highest score is the best."""
        del results
        return None


def _grid(space: Any) -> ParameterGrid:
    for table in [space] if isinstance(space, Mapping) else space:
        for name, values in table.items():
            if hasattr(values, "rvs"):
                raise ValueError(
                    f"{name} is a distribution, of which a grid has no values. Give a list, or a "
                    "strategy that draws, with n_trials."
                )
    return ParameterGrid(space)


def known_space(space: Any) -> object:
    """Return a space with distributions as what they are made of, alike in every process."""
    if isinstance(space, Mapping):
        return {name: _known_values(values) for name, values in space.items()}
    return [known_space(table) for table in space]


def _known_values(values: Any) -> object:
    """Return a distribution of scipy as its class and parameters.

    It also holds the generator that it draws from by itself, which is in another state each time.
    """
    made_of = getattr(values, "dist", values)
    if not hasattr(made_of, "_updated_ctor_param"):
        return values
    own = {name: v for name, v in made_of._updated_ctor_param().items() if name != "seed"}
    return (type(made_of), own, getattr(values, "args", ()), getattr(values, "kwds", {}))


def _check_resource(search: Any) -> None:
    name = search.resource
    if name is None:
        raise ValueError("strategy='halving' needs a resource: what candidates get more of.")
    if name not in search.estimator.get_params():
        kind = type(search.estimator).__name__
        raise ValueError(f"resource is {name!r}, which is not a parameter of {kind}.")
    tables = [search.space] if isinstance(search.space, Mapping) else search.space
    if any(name in table for table in tables):
        raise ValueError(
            f"With strategy='halving' {name} is what candidates get more of from rung to rung. "
            "Take it out of the space, and say by max_resources how far it goes."
        )
