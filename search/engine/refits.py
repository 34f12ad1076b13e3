"""The final trainings of a run: the winner on all training rows, once with each seed."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np

from cluster.executor import Executor
from model.data.dataset import Dataset
from model.errors import TrainerError
from model.examples import LAST, Sample
from model.metrics import metrics_of_parts
from model.pack import PackState
from model.results import FinalScore, FinalScores
from model.seal import Seal
from model.softmax import SoftmaxRegression, log_softmax
from model.speed import TYPICAL
from model.tasks import Refit, run_refit
from model.trainers.final_state import FinalState
from model.trainers.tasks import TrainerTasks
from search.config import EPOCHS, Params, SweepConfig
from search.engine.attempts import Task, run_tasks
from search.plan import refit_seconds
from search.record import RunFolder
from search.storage import json_content, parse_json, read_whole, write_whole

log = logging.getLogger(__name__)

_WAY_OUT = "The log is complete; give the same command to try again."


def refit(
    training: "FinalTraining",
    seeds: Sequence[int],
    executor: Executor,
    interrupted: Callable[[], bool],
    seconds: float = 0.0,
) -> Iterator[tuple[int, Any]]:
    """Train the winner on training and validation rows together, once with each seed.

    Parameters
    ----------
    training : FinalTraining
    seeds : sequence of int
        Seeds of the shuffles. Two trainings share no mini-batch, so each is a separate task.
    executor : Executor
    interrupted : callable
    seconds : float
        Seconds that one training should take; 0 where nobody knows.

    Yields
    ------
    seed : int
    value : object
        What its training gives, as soon as it is done.

    Raises
    ------
    InterruptedSweepError
        If `interrupted` says so.
    ClusterError
        If one is lost again and again.
    """
    tasks = [
        Task(
            seed, f"{training.name}: seed {seed}", f"The final training with seed {seed}",
            training.function, training.arguments(seed), seconds,
        )
        for seed in seeds
    ]  # fmt: skip
    yield from run_tasks(executor, tasks, interrupted, _WAY_OUT)


class FinalTraining(Protocol):
    """How a trainer trains the winner; `Refits` calls it."""

    @property
    def name(self) -> str:
        """What is trained, for people to read, as `Executor.submit` takes it."""

    @property
    def function(self) -> Callable[..., Any]:
        """What a worker calls."""

    def arguments(self, seed: int) -> tuple[Any, ...]:
        """Return the arguments of the training with a seed."""

    def outcome(self, value: Any, seal: Seal) -> tuple[bytes, FinalScores]:
        """Return the file of the final model, and its test figures.

        Raises
        ------
        TrainerError
            If the trainer has failed.
        """


@dataclass(frozen=True)
class SoftmaxTraining:
    """The final training of the softmax trainer.

    Attributes
    ----------
    params : Params
    data : Dataset
    select : str
        The readout whose weights become the final model.
    examples : object
        The `Examples` as the executor's `share` has returned them.
    metrics : sequence of str
        What is wanted beside cost and accuracy.
    """

    params: Params
    data: Dataset
    select: str
    examples: Any
    metrics: Sequence[str] = ()

    @property
    def name(self) -> str:
        """What is trained."""
        return f"refit batch={self.params['batch_size']} epochs 0-{self.params.epochs}"

    @property
    def function(self) -> Callable[..., Any]:
        """What a worker calls."""
        return run_refit

    def arguments(self, seed: int) -> tuple[Any, ...]:
        """Return the arguments of `run_refit`."""
        return (self.examples, dict(self.params), seed)

    def outcome(self, value: Refit, seal: Seal) -> tuple[bytes, FinalScores]:
        """Return the file of the final model, and its test figures by each readout."""
        models = final_models(value, self.params, self.data)
        scores = final_scores(models, self.data, self.metrics)
        return models[self.select].sealed(seal), scores


@dataclass(frozen=True)
class TrainerTraining:
    """The final training of any other trainer.

    Attributes
    ----------
    tasks : TrainerTasks
    params : Params
    data : Dataset
    examples, test : object
        The `Examples` and the test rows as the executor's `share` has returned them.
    """

    tasks: TrainerTasks
    params: Params
    data: Dataset
    examples: Any
    test: Any

    @property
    def name(self) -> str:
        """What is trained."""
        return f"refit epochs 0-{self.params.epochs}"

    @property
    def function(self) -> Callable[..., Any]:
        """What a worker calls."""
        return self.tasks.run_refit

    def arguments(self, seed: int) -> tuple[Any, ...]:
        """Return the arguments of `TrainerTasks.run_refit`."""
        others = {name: value for name, value in self.params.items() if name != EPOCHS}
        return (self.examples, others, self.params.epochs, seed, self.test)

    def outcome(self, value: FinalState, seal: Seal) -> tuple[bytes, FinalScores]:
        """Return the file of the final state, and its test figures."""
        if value.error is not None:
            raise TrainerError(f"The final training has failed: {value.error}. {_WAY_OUT}")
        figures, scores = dict(value.figures), {}
        if figures:
            cost, accuracy = figures.pop("cost"), figures.pop("accuracy")
            scores = {LAST: FinalScore(cost, accuracy, _known(figures))}
        data = self.data
        state = replace(
            value, classes=tuple(data.classes), feature_names=data.features, fill=data.fill,
            columns=data.columns,
        )  # fmt: skip
        return state.sealed(seal), scores


def final_training(refits: "Refits", examples: Any, executor: Executor) -> FinalTraining:
    """Return how the trainer of a run trains its winner.

    Parameters
    ----------
    refits : Refits
    examples : object
        The `Examples` as the executor's `share` has returned them.
    executor : Executor
    """
    params, data, tasks = refits.params, refits.data, refits.tasks
    if tasks is None:
        config = refits.config
        return SoftmaxTraining(params, data, config.select, examples, config.asked_metrics)
    test = None
    if data.X_test is not None and data.y_test is not None:
        test = executor.share(Sample(data.X_test, data.y_test, data.weights_test))
    return TrainerTraining(tasks, params, data, examples, test)


def final_models(refit: Refit, params: Params, data: Dataset) -> dict[str, SoftmaxRegression]:
    """Return the result of a final training as plain models, by readout."""
    return {name: _model(state, refit, params, data) for name, state in refit.states.items()}


def _model(state: PackState, refit: Refit, params: Params, data: Dataset) -> SoftmaxRegression:
    named: dict[str, Any] = dict(params)
    model = SoftmaxRegression(
        **named, seed=state.seed, features=refit.features, classes=data.classes,
        feature_names=data.features, fill=data.fill, columns=data.columns,
    )  # fmt: skip
    model.W, model.b = state.weights(0)
    return model


def final_scores(
    models: Mapping[str, SoftmaxRegression], data: Dataset, metrics: Sequence[str] = ()
) -> dict[str, FinalScore]:
    """Score each model on the test rows; none where the data set has no such rows.

    By the very functions that a user of the saved model calls.
    """
    X, y = data.X_test, data.y_test
    if X is None or y is None:
        return {}
    labels, weights = np.asarray(data.classes)[y], data.weights_test

    def score(model: SoftmaxRegression) -> FinalScore:
        cost, accuracy = model.evaluate(X, labels, weights)
        if not metrics:
            return FinalScore(cost, accuracy)
        parts = ((rows, np.exp(log_softmax(Z))) for rows, Z in model.logits_by_part(X))
        others = metrics_of_parts(parts, y, weights, metrics)
        return FinalScore(cost, accuracy, _known(others))

    return {name: score(model) for name, model in models.items()}


def _known(metrics: Mapping[str, float]) -> dict[str, float] | None:
    """Return the metrics that have a value; None where none has."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)} or None


def model_is_whole(folder: RunFolder) -> bool:
    """Whether the final model of a run is in its file.

    Raises
    ------
    StoreError
        If it cannot be fetched.
    """
    content = read_whole(folder.model)
    return content is not None and not folder.seal(folder.model).problem(content)


@dataclass(frozen=True)
class Refits:
    """Final trainings on all rows that differ only in the seed of their shuffles.

    The figures of each stand in refits.json as soon as it is done. A command that was interrupted,
    or a later one that asks for more, trains those that are missing.

    Attributes
    ----------
    folder : RunFolder
    data : Dataset
    params : Params
        Params of the winner; figures of another one do not count.
    config : SweepConfig
        Settings of the run: with its seed the final model is trained, and its `select` names the
        readout whose weights become that model.
    tasks : TrainerTasks or None
        What workers do for another trainer than the softmax trainer.
    """

    folder: RunFolder
    data: Dataset
    params: Params
    config: SweepConfig
    tasks: TrainerTasks | None = None

    def train(
        self, count: int, examples: Any, executor: Executor, interrupted: Callable[[], bool]
    ) -> list[FinalScores]:
        """Train what is missing of the first `count`, and return the test figures of each.

        Parameters
        ----------
        count : int
            Number of final trainings.
        examples : object
            The `Examples` as the executor's `share` has returned them.
        executor : Executor
        interrupted : callable

        Raises
        ------
        InterruptedSweepError
            If `interrupted` says so; what is done is kept.
        ClusterError
            If one is lost again and again.
        TrainerError
            If your own trainer fails.
        StoreError
            If the model or the figures cannot be written.
        """
        done, seeds = self.done(), self.config.refit_seeds(count)
        missing = [seed for seed in seeds if seed not in done]
        training = final_training(self, examples, executor)
        trainings = refit(training, missing, executor, interrupted, self._expected_seconds)
        for seed, trained in trainings:
            model, scores = training.outcome(trained, self.folder.seal(self.folder.model))
            if seed == self.config.seed:
                # Before the figures, which say that the model is there.
                write_whole(self.folder.model, model)
            done[seed] = scores
            self._write(done)
            log.info("final training done: seed %d", seed)
        return [done[seed] for seed in seeds]

    @property
    def _expected_seconds(self) -> float:
        """Seconds of one training on a typical core, whose arithmetic is that of 7840 weights.

        0 for another trainer, of which nobody knows.
        """
        if not self.config.trainer.is_softmax:
            return 0.0
        weights: int = self.data.X.shape[1] * self.data.n_classes
        n_rows = len(self.data.y) + (0 if self.data.y_val is None else len(self.data.y_val))
        return refit_seconds(TYPICAL, self.params, n_rows) * max(1.0, weights / 7840)

    def done(self) -> dict[int, FinalScores]:
        """Return the figures that are written down; what is damaged is trained again.

        Raises
        ------
        StoreError
            If they cannot be fetched.
        """
        content = read_whole(self.folder.refits)
        if content is None:
            return {}
        try:
            saved = parse_json(content, self.folder.seal(self.folder.refits))
            found: dict[int, FinalScores] = {
                int(seed): {name: FinalScore(**score) for name, score in tests.items()}
                for seed, tests in saved["tests"].items()
            }
            same = saved["params"] == dict(self.params)
        except (ValueError, KeyError, TypeError, AttributeError):
            return {}
        if not model_is_whole(self.folder):
            found.pop(self.config.seed, None)
        return found if same else {}

    def _write(self, done: Mapping[int, FinalScores]) -> None:
        tests = {
            str(seed): {name: asdict(score) for name, score in scores.items()}
            for seed, scores in sorted(done.items())
        }
        data = {"params": dict(self.params), "tests": tests}
        content = json_content(data, self.folder.seal(self.folder.refits))
        write_whole(self.folder.refits, content)
