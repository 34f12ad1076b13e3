"""The tasks of a worker for any trainer: a link of a pack, the final training, a measurement."""

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.examples import LAST, Examples, Sample
from model.results import LegResult, LegTask, LinkResult
from model.scoring import Scores
from model.thread_limits import limited_threads
from model.trainers.columns import Columns, Failure, attempt, checked, train_alone
from model.trainers.final_state import FinalState
from model.trainers.reference import TrainerName
from model.trainers.rows import Rows
from model.trainers.states import States, dumped, loaded
from model.trainers.trainer import Params, Trainer

I64 = NDArray[np.int64]


@dataclass(frozen=True)
class TrainerTasks:
    """The tasks of a worker for one trainer.

    Attributes
    ----------
    named : TrainerName
    threads : int
        Cores that a task has.
    metrics : tuple of str
        What the sweep asks for beside the trainer's own metrics, as `model.metrics` knows it.
    """

    named: TrainerName
    threads: int = 1
    metrics: tuple[str, ...] = ()

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
            seed = state.seed
            training = self._rows(examples.training(replicate), examples, seed)
            scoring = self._rows(examples.validation(replicate), examples, seed)
            results = []
            current = Columns(trainer, state)
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
        """Load the trainer, and keep its libraries to its cores: links fill the others already."""
        trainer = self.named.load()
        with limited_threads(self.threads):  # of what is loaded by now
            yield trainer

    def _rows(self, sample: Sample, examples: Examples, seed: int) -> Rows:
        rows = rows_of(sample, examples.n_classes, seed, self.threads)
        return replace(rows, metrics=self.metrics)

    def failed_link(
        self,
        state: States,
        columns: I64,
        legs: Sequence[LegTask],
        reason: str,
    ) -> LinkResult:
        """Return the result of a link that no worker has brought to its end."""
        results, now, first = [], time.time(), state.epoch
        for leg in legs:
            state = state.take(np.searchsorted(columns, leg.columns))
            columns, k = leg.columns, len(leg.scored)
            nothing = Scores(np.full(k, np.nan), np.full(k, np.nan))
            names = _others(self.named.load(), self.metrics)
            none = {name: np.full(k, np.nan) for name in names}
            found = {LAST: nothing} if k else {}
            results.append(LegResult(found, 0.0, metrics=none, errors=(reason,) * k))
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
            training = self._rows(examples.all(), examples, seed)

            def train() -> FinalState:
                state = train_alone(trainer, params, range(epochs), training)
                content = dumped(trainer, state)
                figures: dict[str, float] = {}
                if test is not None:
                    seen = replace(test, X=examples.features.apply(np.asarray(test.X)))
                    # What is told is what the saved model does, not what was in memory.
                    saved = loaded(trainer, content)
                    found = trainer.score(saved, self._rows(seen, examples, seed))
                    figures = checked(trainer, found, self.metrics)
                return replace(none, content=content, figures=figures)

            none = FinalState(
                self.named.name, trainer.version, dict(params), epochs, seed, examples.features,
                b"", n_features=training.X.shape[1],
            )  # fmt: skip
            found = attempt(train, "the final training")
            return replace(none, error=found.reason) if isinstance(found, Failure) else found

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
            training = self._rows(examples.training(0), examples, seed)
            scoring = self._rows(examples.validation(0), examples, seed)
            seconds = math.inf
            # The first one also loads libraries. Each begins again: a state may be cut only at the
            # grain, and so many epochs would take as long as a small sweep.
            for epochs in _MEASURED:
                state = States.start(params, np.full(len(params), epochs), seed)
                current, began = Columns(trainer, state), time.perf_counter()
                current.advance(epochs, training)
                seconds = min(seconds, (time.perf_counter() - began) / epochs)
                if seconds > _ENOUGH:
                    break
            began = time.perf_counter()
            _, _, errors = _scores(current, np.arange(len(params)), current.epoch, scoring)
            scored = time.perf_counter() - began
            if any(errors):
                return None
            return seconds / len(training.y), scored / len(scoring.y)


_MEASURED = (1, 3)
"""Epochs that are trained to see how long one takes."""

_ENOUGH = 2.0
"""Seconds of an epoch from which one tells enough."""


def rows_of(sample: Sample, n_classes: int, seed: int, threads: int = 1) -> Rows:
    """Return a sample as a trainer gets it."""
    X, y, weights = np.asarray(sample.X), sample.y, sample.weights
    if sample.rows is not None:
        X, y = X[sample.rows], y[sample.rows]
        weights = None if weights is None else weights[sample.rows]
    return Rows(X, y, n_classes, weights, seed, threads)


def _others(trainer: Trainer, asked: Sequence[str]) -> list[str]:
    names = dict.fromkeys((*trainer.metrics, *asked))
    return [name for name in names if name not in {"cost", "accuracy"}]


def _scores(
    current: Columns, places: NDArray[np.integer], epoch: int, scoring: Rows
) -> tuple[Scores, dict[str, NDArray[np.float64]], tuple[str | None, ...]]:
    """Return the scores of some columns, their other metrics, and why they have none."""
    others = _others(current.trainer, scoring.metrics)
    names = ("cost", "accuracy", *others)
    table = np.full((len(names), len(places)), np.nan)
    errors: list[str | None] = []
    for k, found in enumerate(current.scores(places.tolist(), epoch, scoring)):
        if isinstance(found, Failure):
            errors.append(found.reason)
        else:
            errors.append(None)
            table[:, k] = [found[name] for name in names]
    by_name = dict(zip(names, table, strict=True))
    scores = Scores(by_name["cost"], by_name["accuracy"])
    return scores, {name: by_name[name] for name in others}, tuple(errors)
