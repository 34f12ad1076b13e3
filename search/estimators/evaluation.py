"""Candidates to results: which are trained together, what of it is kept already, what goes on."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, Protocol

from search.estimators.fit_callbacks import Contexts
from search.estimators.shared_fits import (
    Done,
    Job,
    Params,
    Result,
    Split,
    Unit,
    Work,
    made,
    others_of,
)
from search.estimators.sharing import family_of

if TYPE_CHECKING:
    from search.estimators.kept_results import KeptResults

Place = Callable[[Iterable[Job]], Iterator[Done]]
"""Where jobs are done: it yields what each has returned, in any order."""

Known = tuple[int, Any]
"""A split, and what tells a candidate from those that differ in more than the resource."""


class SharesNothingWarning(UserWarning):
    """Every candidate is trained from its beginning."""


class Told(Protocol):
    """Is told how an evaluation goes; it never decides anything."""

    def begins(self, params: Mapping[int, Params], splits: int, jobs: int) -> None:
        """Tell the candidates by their numbers, and in how many jobs they will be trained."""

    def ended(self, done: Done) -> None:
        """Tell that a job has ended, or was kept in the folder."""


class Evaluation:
    """Trains and scores candidates on all splits, as often as a strategy asks for some.

    Parameters
    ----------
    work : Work
    splits : sequence of Split
    place : Place
    told : Told
    kept : KeptResults, optional
        The folder, where there is one.

    Attributes
    ----------
    n_trainings : int
        Jobs so far, those of the folder among them.
    check : callable
        Gets the scores of each candidate on a split as soon as they are there, and may refuse them.
    """

    def __init__(
        self,
        work: Work,
        splits: Sequence[Split],
        place: Place,
        told: Told,
        kept: "KeptResults | None" = None,
    ) -> None:
        self._work, self._splits, self._place = work, splits, place
        self._told, self._kept = told, kept
        self.n_trainings = 0
        self.check: Callable[[Any], None] = _refuses_nothing
        # Candidates so far, and whether any of them shares a training, or may be trained on.
        self._asked, self._shares, self._goes_on = 0, False, False
        self._rows = max(len(train) for train, _ in splits)
        # The estimators of the last evaluation that were kept, and in which unit each one is.
        self._fitted: dict[Known, Any] = {}
        self._units_of: dict[Known, tuple[Unit, tuple[Params, ...], int]] = {}

    def results(
        self,
        candidates: Sequence[Params],
        *,
        keep: bool = False,
        contexts: Contexts | None = None,
    ) -> list[Result]:
        """Return what each candidate gives on each split, as scikit-learn's own search has it.

        Parameters
        ----------
        candidates : sequence of Params
        keep : bool
            Whether they may be trained on in the next call, with more of the resource.
        contexts : Contexts, optional
            The contexts of scikit-learn's callbacks.

        Raises
        ------
        StoreError
            If the folder cannot be written to.
        """
        params = dict(enumerate(candidates, start=self._asked))
        first, self._asked = self._asked, self._asked + len(candidates)
        contexts = contexts or Contexts()
        jobs = list(self._jobs(params, keep, contexts, first))
        if first == 0:
            self._warn(len(candidates), keep)
        self.n_trainings += len(jobs)
        self._told.begins(params, len(self._splits), len(jobs))
        found: dict[tuple[int, int], Result] = {}
        before = dict(self._units_of), self._fitted
        self._units_of, self._fitted = {}, {}
        for done in self._done(jobs, *before):
            for k, result in zip(done.unit.candidates, done.results, strict=True):
                self.check(result["test_scores"])
                found[done.unit.split, k] = result
                contexts.tell((k - first, done.unit.split))
        if self._kept is not None:
            for unit, given, _ in before[0].values():
                self._kept.forget_fitted(unit, given)
        return [found[split, k] for k, split in product(params, range(len(self._splits)))]

    def close(self) -> None:
        """Forget the estimators that were kept."""
        if self._kept is not None:
            for unit, given, _ in self._units_of.values():
                self._kept.forget_fitted(unit, given)
        self._units_of, self._fitted = {}, {}

    def _done(self, jobs: Sequence[Job], units_of: Any, fitted: Any) -> Iterator[Done]:
        """Yield what is kept of jobs, and then what is trained."""
        left = []
        for job in jobs:
            kept = None if self._kept is None else self._kept.read(job.unit, job.params)
            if kept is None:
                left.append(job)
            else:
                done = Done(job.unit, kept)
                self._take(job, done)
                yield done
        by_unit = {job.unit: job for job in left}
        for done in self._place(self._going(job, units_of, fitted) for job in left):
            job = by_unit[done.unit]
            if self._kept is not None:
                if done.fitted:
                    self._kept.write_fitted(done.unit, job.params, done.fitted)
                self._kept.write(done.unit, job.params, done.results)
            self._take(job, done)
            yield done

    def _take(self, job: Job, done: Done) -> None:
        if job.keep:
            for place, params in enumerate(job.params):
                known = (job.unit.split, self._fixed(params))
                self._units_of[known] = (job.unit, job.params, place)
                if done.fitted:
                    self._fitted[known] = done.fitted[place]
        self._told.ended(done)

    def _going(self, job: Job, units_of: Any, fitted: Any) -> Job:
        """Return a job with the estimators that it goes on from, where all of them are known."""
        if not job.keep:
            return job
        going = []
        for params in job.params:
            known = (job.unit.split, self._fixed(params))
            if known not in fitted and known in units_of and self._kept is not None:
                unit, given, _ = units_of[known]
                mine = self._kept.fitted(unit, given)
                fitted |= {k: mine[at] for k, (u, _, at) in units_of.items() if u == unit and mine}
            if known not in fitted:
                return job
            going.append(fitted[known])
        return Job(job.unit, job.rows, job.params, tuple(going), job.keep, job.context)

    def _jobs(
        self, params: Mapping[int, Params], keep: bool, contexts: Contexts, first: int
    ) -> Iterator[Job]:
        """Yield what is trained together; the same whatever the machine."""
        groups: dict[Any, list[int]] = {}
        known: dict[Any, Any] = {}
        for k, mine in params.items():
            groups.setdefault(self._group(k, mine, known), []).append(k)
        for split, rows in enumerate(self._splits):
            for key, group in groups.items():
                given = tuple(params[k] for k in group)
                alone = isinstance(key, int)
                context = contexts.handed_on((group[0] - first, split)) if alone else None
                # What shares nothing does not go on either: it is trained again in each rung.
                goes_on = keep and not alone
                yield Job(Unit(split, tuple(group)), rows, given, keep=goes_on, context=context)

    def _group(self, number: int, params: Params, known: dict[Any, Any]) -> Any:
        """Return what is the same of all candidates that share a training with this one.

        Parameters
        ----------
        number : int
        params : Params
        known : dict
            What was found of candidates that differ from others in the resource alone.
        """
        key = others_of(params, self._work.resource)
        if key not in known:
            known[key] = self._family(params)
        if known[key] is None:
            return number
        kind, side = known[key]
        return (kind, *self._fixed(params, side))

    def _family(self, params: Params) -> tuple[type, tuple[str, ...]] | None:
        """Return the class of a candidate that shares its training, and what is beside it."""
        work = self._work
        model = made(work.estimator, params)
        family = None if model is None else family_of(model, work.resource)
        # One that has callbacks of its own tells them of its own training.
        if family is None or hasattr(work.estimator, "_skl_callbacks"):
            return None
        given = frozenset(work.how["fit_params"] or ())
        if family.stops(model, self._rows) or given - {family.weights}:
            return None
        self._shares = True
        self._goes_on |= family.grow is not None and family.grows(model)
        return type(model), family.side

    def _warn(self, candidates: int, keep: bool) -> None:
        """Say it before the training if none of the first candidates shares anything."""
        if self._goes_on or (self._shares and not keep):
            return
        estimator, resource = self._work.estimator, self._work.resource
        name, splits = type(estimator).__name__, len(self._splits)
        if self._shares:
            why = "its random draws would differ if it continued"
        else:
            along = "no resource is named" if resource is None else f"resource={resource!r}"
            why = f"{along}, and it is not known to continue along that"
        hint = ""
        if hasattr(estimator, "partial_fit"):
            hint = f" {name} has partial_fit: EpochTrained({name}(...)) with resource='epochs' can."
        each = "in each rung" if keep else f"for each of the {candidates} candidates"
        text = f"{name} is trained again {each} on each of the {splits} splits: {why}.{hint}"
        # Where the user calls fit, by way of scikit-learn's wrapper of it.
        warnings.warn(text, SharesNothingWarning, stacklevel=7)

    def _fixed(self, params: Params, side: Sequence[str] = ()) -> tuple[Any, ...]:
        apart = {self._work.resource, *side}
        return tuple((n, _known_by(v)) for n, v in sorted(params.items()) if n not in apart)


def _refuses_nothing(scores: Any) -> None:
    del scores


def _known_by(value: object) -> object:
    """Return what tells a value of a grid from others; most need not be hashable or comparable.

    All candidates hold the very objects of the grid, so that one of these is known by where it is.
    """
    plain = isinstance(value, bool | int | float | str | None)
    return (type(value), repr(value)) if plain else id(value)
