"""The final trainings of a run: the winner on all training images, once with each seed."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cluster.executor import Executor
from model.data.dataset import Dataset
from model.pack import PackState
from model.softmax import SoftmaxRegression
from model.speed import TYPICAL
from model.tasks import FinalScore, FinalScores, Refit, run_refit
from search.config import Params, SweepConfig
from search.engine.attempts import Task, run_tasks
from search.plan import refit_seconds
from search.record import RunFolder
from search.storage import json_content, parse_json, read_whole, write_whole

log = logging.getLogger(__name__)

_WAY_OUT = "The log is complete; give the same command to try again."


def refit(  # noqa: PLR0913, PLR0917
    params: Params,
    seeds: Sequence[int],
    examples: Any,
    executor: Executor,
    interrupted: Callable[[], bool],
    seconds: float = 0.0,
) -> Iterator[tuple[int, Refit]]:
    """Train the winner on training and validation images together, once with each seed.

    Parameters
    ----------
    params : Params
    seeds : sequence of int
        Seeds of the shuffles. Two trainings share no mini-batch, so each is a task of its own.
    examples : object
        The `Examples` as the executor's `share` has returned them.
    executor : Executor
    interrupted : callable
    seconds : float
        Seconds that one training should take; 0 where nobody knows.

    Yields
    ------
    seed : int
    refit : Refit
        What its training gives, as soon as it is done.

    Raises
    ------
    InterruptedSweepError
        If `interrupted` says so.
    ClusterError
        If one is lost again and again.
    """
    name = f"refit batch={params.batch_size} epochs 0-{params.epochs}"
    tasks = [
        Task(
            seed, f"{name}: seed {seed}", f"The final training with seed {seed}",
            run_refit, (examples, asdict(params), seed), seconds,
        )
        for seed in seeds
    ]  # fmt: skip
    yield from run_tasks(executor, tasks, interrupted, _WAY_OUT)


def final_models(refit: Refit, params: Params, data: Dataset) -> dict[str, SoftmaxRegression]:
    """Return the result of a final training as plain models, by readout."""
    return {name: _model(state, refit, params, data) for name, state in refit.states.items()}


def _model(state: PackState, refit: Refit, params: Params, data: Dataset) -> SoftmaxRegression:
    model = SoftmaxRegression(
        params.batch_size, params.learning_rate, params.epochs, params.alpha, seed=state.seed,
        features=refit.features, classes=data.classes, feature_names=data.features, fill=data.fill,
    )  # fmt: skip
    model.W, model.b = state.weights(0)
    return model


def final_scores(models: Mapping[str, SoftmaxRegression], data: Dataset) -> dict[str, FinalScore]:
    """Score each model on the test rows; none where the data set has no such rows.

    By the very functions that a user of the saved model calls.
    """
    X, y = data.X_test, data.y_test
    if X is None or y is None:
        return {}
    labels, weights = np.asarray(data.classes)[y], data.weights_test
    return {name: FinalScore(*model.evaluate(X, labels, weights)) for name, model in models.items()}


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
    """Final trainings on all images that differ in their shuffles' seed alone.

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
    """

    folder: RunFolder
    data: Dataset
    params: Params
    config: SweepConfig

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
        StoreError
            If the model or the figures cannot be written.
        """
        done, seeds = self.done(), self.config.refit_seeds(count)
        missing = [seed for seed in seeds if seed not in done]
        trainings = refit(
            self.params, missing, examples, executor, interrupted, self._expected_seconds
        )
        for seed, trained in trainings:
            models = final_models(trained, self.params, self.data)
            if seed == self.config.seed:
                # Before the figures, which say that the model is there.
                self._write_model(models[self.config.select])
            done[seed] = final_scores(models, self.data)
            self._write(done)
            log.info("final training done: seed %d", seed)
        return [done[seed] for seed in seeds]

    @property
    def _expected_seconds(self) -> float:
        """Seconds of one training on a typical core, whose arithmetic is that of 7840 weights."""
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
            same = saved["params"] == asdict(self.params)
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
        data = {"params": asdict(self.params), "tests": tests}
        content = json_content(data, self.folder.seal(self.folder.refits))
        write_whole(self.folder.refits, content)

    def _write_model(self, model: SoftmaxRegression) -> None:
        content = model.sealed(self.folder.seal(self.folder.model))
        write_whole(self.folder.model, content)
