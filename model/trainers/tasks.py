"""What a worker does for any trainer: one link of a pack, the final training, a measurement."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from model.pack import Scores
from model.tasks import LAST, Examples, LegResult, LegTask, LinkResult, Sample
from model.trainers.final_state import FinalState
from model.trainers.quiet import quietly
from model.trainers.reference import TrainerName
from model.trainers.rows import Rows
from model.trainers.states import States, dumped, loaded
from model.trainers.trainer import KeepsPast, Packs, Params, State, Trainer

I64 = NDArray[np.int64]

_LONGEST = 2000
"""Characters of a reason that are kept."""


@dataclass(frozen=True)
class TrainerTasks:
    """The tasks of a worker for one trainer.

    Attributes
    ----------
    named : TrainerName
    """

    named: TrainerName

    def run_link(
        self,
        examples: Examples,
        state: States,
        columns: I64,
        legs: Sequence[LegTask],
        replicate: int = 0,
    ) -> LinkResult:
        """Train a pack leg by leg, as `model.tasks.run_link` does for the softmax trainer.

        A column whose trainer fails is trained no further; the others are not touched.
        """
        started_at, first = time.time(), state.epoch
        began = before = time.perf_counter()
        with self._at_work() as trainer:
            training = rows_of(examples.training(replicate), examples.n_classes, state.seed)
            scoring = rows_of(examples.validation(replicate), examples.n_classes, state.seed)
            results = []
            current = _Current(trainer, state)
            for leg in legs:
                current.keep(np.searchsorted(columns, leg.columns))
                columns = leg.columns
                current.advance(leg.epoch, training)
                places = np.searchsorted(columns, leg.scored)
                scores, metrics, errors = _scores(current, places, leg.epoch, scoring)
                now = time.perf_counter()
                found = {LAST: scores} if len(places) else {}
                results.append(LegResult(found, now - before, metrics=metrics, errors=errors))
                before = now
            after = current.written()
            finished_at = started_at + (time.perf_counter() - began)
            return LinkResult(after, tuple(results), started_at, finished_at, after.epoch - first)

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[Trainer]:
        """Load the trainer, and keep its libraries to one thread: links fill the cores already."""
        trainer = self.named.load()
        with threadpool_limits(1):  # of what is loaded by now
            yield trainer

    def failed_link(
        self, state: States, columns: I64, legs: Sequence[LegTask], reason: str
    ) -> LinkResult:
        """Return the result of a link that no worker has brought to its end."""
        results, now, first = [], time.time(), state.epoch
        for leg in legs:
            state = state.take(np.searchsorted(columns, leg.columns))
            columns, k = leg.columns, len(leg.scored)
            nothing = Scores(np.full(k, np.nan), np.full(k, np.nan))
            names = _others(self.named.load())
            metrics = {name: np.full(k, np.nan) for name in names}
            found = {LAST: nothing} if k else {}
            results.append(LegResult(found, 0.0, metrics=metrics, errors=(reason,) * k))
        after = state.all_failed(legs[-1].epoch, reason)
        return LinkResult(after, tuple(results), now, now, after.epoch - first)

    def run_refit(
        self, examples: Examples, params: Params, epochs: int, seed: int, test: Sample | None
    ) -> FinalState:
        """Train the winner on all rows, and score it on the test rows.

        Parameters
        ----------
        examples : Examples
        params : mapping
            The winner's hyperparameters, but for the epochs.
        epochs : int
        seed : int
        test : Sample or None
            The test rows as they are in their source, if there are any.
        """
        with self._at_work() as trainer:
            training = rows_of(examples.all(), examples.n_classes, seed)

            def train() -> FinalState:
                state = trainer.advance(None, dict(params), range(epochs), training)
                figures: dict[str, float] = {}
                if test is not None:
                    seen = replace(test, X=examples.features.apply(test.X))
                    figures = _checked(
                        trainer, trainer.score(state, rows_of(seen, training.n_classes, seed))
                    )
                return replace(none, content=dumped(trainer, state), figures=figures)

            none = FinalState(
                self.named.name, trainer.version, dict(params), epochs, seed, examples.features, b""
            )
            found = _or_failure(train, "the final training")
            return replace(none, error=found.reason) if isinstance(found, _Failure) else found

    def measure(
        self, examples: Examples, params: Sequence[Params], seed: int
    ) -> tuple[float, float] | None:
        """Measure an epoch of a pack and its scoring; None where its trainer fails.

        Returns
        -------
        training, scoring : float
            Seconds of a row, for the whole pack.
        """
        with self._at_work() as trainer:
            training = rows_of(examples.training(0), examples.n_classes, seed)
            scoring = rows_of(examples.validation(0), examples.n_classes, seed)
            epochs = trainer.grain if isinstance(trainer, KeepsPast) else 1
            state = States.start(params, np.full(len(params), 2 * epochs), seed)
            current, seconds = _Current(trainer, state), 0.0
            for until in (epochs, 2 * epochs):
                began = time.perf_counter()
                current.advance(until, training)
                seconds = (time.perf_counter() - began) / epochs
                if seconds > _ENOUGH:  # the first one also loads libraries
                    break
            began = time.perf_counter()
            _, _, errors = _scores(current, np.arange(len(params)), current.epoch, scoring)
            scored = time.perf_counter() - began
            if any(errors):
                return None
            return seconds / len(training.y), scored / len(scoring.y)


_ENOUGH = 2.0


def rows_of(sample: Sample, n_classes: int, seed: int) -> Rows:
    """Return a sample as a trainer gets it."""
    X, y, weights = sample.X, sample.y, sample.weights
    if sample.rows is not None:
        X, y = X[sample.rows], y[sample.rows]
        weights = None if weights is None else weights[sample.rows]
    return Rows(X, y, n_classes, weights, seed)


class _Current:
    """The states of a pack while a link is under way."""

    def __init__(self, trainer: Trainer, states: States) -> None:
        self.trainer, self.epoch = trainer, states.epoch
        self._states, self._params = states, states.column_params
        # The state of each column: what its trainer has returned, or the reason why there is none.
        self._live: list[State | _Failure | None] = [
            _Failure(part.decode()) if failed else None if not trained else loaded(trainer, part)
            for part, trained, failed in zip(
                states.parts, states.trained.tolist(), states.failed.tolist(), strict=True
            )
        ]
        self._trained = states.trained.tolist()

    def keep(self, places: NDArray[np.integer]) -> None:
        """Forget all other columns."""
        chosen = places.tolist()
        self._states = self._states.take(places)
        self._live = [self._live[i] for i in chosen]
        self._params = [self._params[i] for i in chosen]
        self._trained = [self._trained[i] for i in chosen]

    def advance(self, until: int, training: Rows) -> None:
        """Train every column that is well up to an epoch."""
        self.epoch = until
        due = {i: self._goal(i, until) for i in range(len(self._live)) if self._is_due(i, until)}
        if isinstance(self.trainer, Packs) and len(due) > 1:
            due = self._advance_pack(self.trainer, due, training)
        for i, goal in due.items():
            epochs = range(self._trained[i], goal)
            call = _call(self.trainer, self._live[i], self._params[i], epochs, training)
            self._live[i] = _or_failure(call, f"epochs {epochs.start + 1} to {epochs.stop}")
            self._trained[i] = goal

    def _is_due(self, i: int, until: int) -> bool:
        return not isinstance(self._live[i], _Failure) and self._trained[i] < until

    def _goal(self, i: int, until: int) -> int:
        """Return how far a column is trained: where states may be cut, or where the column ends."""
        if not isinstance(self.trainer, KeepsPast):
            return until
        grain = self.trainer.grain
        return min(-(-until // grain) * grain, max(until, int(self._states.lasts[i])))

    def _advance_pack(
        self, trainer: Packs, due: Mapping[int, int], training: Rows
    ) -> dict[int, int]:
        """Train columns together; return those that are left, where that has failed."""
        places, (goal, *_) = list(due), due.values()
        epochs = range(self._trained[places[0]], goal)
        params = [self._params[i] for i in places]
        written = [None if s is None else dumped(trainer, s) for s in self._of(places)]
        states = _or_failure(
            lambda: list(trainer.advance_pack(self._of(places), params, epochs, training)), ""
        )
        if isinstance(states, _Failure) or len(states) != len(places):
            # One after the other, from what they were before, to see whose fault it is.
            for i, content in zip(places, written, strict=True):
                self._live[i] = None if content is None else loaded(trainer, content)
            return dict(due)
        for i, state in zip(places, states, strict=True):
            self._live[i], self._trained[i] = state, goal
        return {}

    def _of(self, places: Sequence[int]) -> list[State | None]:
        return [self._live[i] for i in places]

    def score(self, i: int, epoch: int, scoring: Rows) -> "Mapping[str, float] | _Failure":
        """Return the metrics of a column at an epoch, or why there are none."""
        state, trainer = self._live[i], self.trainer
        if isinstance(state, _Failure):
            return state
        if isinstance(trainer, KeepsPast) and self._trained[i] > epoch:
            keeper = trainer
            metrics = _or_failure(lambda: keeper.score_at(state, epoch, scoring), "scoring")
        else:
            metrics = _or_failure(lambda: trainer.score(state, scoring), "scoring")
        if isinstance(metrics, _Failure):
            return metrics
        found: Mapping[str, float] | _Failure = _or_failure(
            lambda: _checked(trainer, metrics), "scoring"
        )
        return found

    def fail(self, i: int, failure: "_Failure") -> None:
        """Train a column no further."""
        self._live[i] = failure

    def written(self) -> States:
        """Return the states, written down."""
        parts = []
        for i in range(len(self._live)):
            content = self._content(i)
            if isinstance(content, _Failure):
                self._live[i] = content
                content = content.reason.encode()
            parts.append(content)
        failed = np.array([isinstance(state, _Failure) for state in self._live], bool)
        return replace(
            self._states.with_parts(parts),
            epoch=self.epoch,
            trained=np.array(self._trained, np.int64),
            failed=failed,
        )

    def _content(self, i: int) -> "bytes | _Failure":
        state = self._live[i]
        if isinstance(state, _Failure):
            return state
        found: bytes | _Failure = _or_failure(
            lambda: dumped(self.trainer, state), "writing its state"
        )
        return found


@dataclass(frozen=True)
class _Failure:
    reason: str


def _call(
    trainer: Trainer, state: State, params: Params, epochs: range, training: Rows
) -> Callable[[], State]:
    return lambda: trainer.advance(state, params, epochs, training)


def _or_failure(call: Callable[[], Any], doing: str) -> Any:
    """Return what a call of a trainer returns, or why it does not."""
    try:
        with quietly():
            return call()
    except (Exception, SystemExit) as error:  # a trainer may raise anything
        text = str(error)
        shown = f"{type(error).__name__}: {text[:_LONGEST]}"
        cut = f" ... ({len(text)} characters)" if len(text) > _LONGEST else ""
        return _Failure(f"{shown}{cut}, {doing}" if doing else f"{shown}{cut}")


def _checked(trainer: Trainer, metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics as numbers, if they are those that the trainer has announced."""
    if set(metrics) != set(trainer.metrics):
        raise ValueError(
            f"score has returned {', '.join(map(str, metrics)) or 'nothing'}, and the trainer's "
            f"metrics are {', '.join(trainer.metrics)}"
        )
    return {name: float(metrics[name]) for name in trainer.metrics}


def _others(trainer: Trainer) -> list[str]:
    return [name for name in trainer.metrics if name not in {"cost", "accuracy"}]


def _scores(
    current: _Current, places: NDArray[np.integer], epoch: int, scoring: Rows
) -> tuple[Scores, dict[str, NDArray[np.float64]], tuple[str | None, ...]]:
    """Return the scores of some columns, their other metrics, and why they have none."""
    names = current.trainer.metrics
    table = np.full((len(names), len(places)), np.nan)
    errors: list[str | None] = []
    for k, i in enumerate(places.tolist()):
        found = current.score(i, epoch, scoring)
        if isinstance(found, _Failure):
            errors.append(found.reason)
            current.fail(i, found)
        else:
            errors.append(None)
            table[:, k] = [found[name] for name in names]
    by_name = dict(zip(names, table, strict=True))
    scores = Scores(by_name["cost"], by_name["accuracy"])
    return scores, {name: by_name[name] for name in _others(current.trainer)}, tuple(errors)
