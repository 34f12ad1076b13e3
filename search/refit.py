"""The winner, trained again on all training images and tested once."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from cluster.errors import ClusterError
from cluster.executor import Executor, Lost
from model.data.dataset import Dataset
from model.pack import PackState, score
from model.softmax import SoftmaxRegression
from model.tasks import FinalScore, run_refit
from search.config.space import Params
from search.errors import InterruptedSweepError
from search.orchestrator import MAX_ATTEMPTS, WAIT_SECONDS


def refit(
    params: Params,
    seeds: Sequence[int],
    examples: Any,
    executor: Executor,
    interrupted: Callable[[], bool],
) -> Iterator[tuple[int, dict[str, PackState]]]:
    """Train the winner on training and validation images together, once with each seed.

    Parameters
    ----------
    params : Params
    seeds : sequence of int
        Of the shuffles. Trainings with different ones share no mini-batch, so each is a task.
    examples : object
        What the executor's `share` returned for the `Examples`.
    executor : Executor
    interrupted : callable

    Yields
    ------
    seed : int
    states : dict of str to PackState
        What its training gave, by readout, as soon as it is done.

    Raises
    ------
    InterruptedSweepError
        If `interrupted` said so.
    ClusterError
        If the worker of one is lost again and again.
    """
    waiting, running = deque((seed, 1) for seed in seeds), 0
    name = f"refit batch={params.batch_size} epochs 0-{params.epochs}"
    while waiting or running:
        while waiting and running < executor.workers:
            seed, attempt = waiting.popleft()
            detail = f"{name}: seed {seed}"
            executor.submit((seed, attempt), detail, run_refit, examples, asdict(params), seed)
            running += 1
        for task in executor.wait(WAIT_SECONDS):
            running -= 1
            if isinstance(task, Lost):
                waiting.append(_next_attempt(*task.key))
            else:
                yield task.key[0], task.value
        if (waiting or running) and interrupted():
            raise InterruptedSweepError("Interrupted.")


def _next_attempt(seed: int, attempt: int) -> tuple[int, int]:
    if attempt == MAX_ATTEMPTS:
        raise ClusterError(
            f"The final training lost its worker {MAX_ATTEMPTS} times. The log is complete; give "
            "the same command to try again."
        )
    return seed, attempt + 1


def final_model(state: PackState, params: Params) -> SoftmaxRegression:
    """Return a pack of one column as a plain model."""
    model = SoftmaxRegression(
        params.batch_size, params.learning_rate, params.epochs, params.alpha, seed=state.seed
    )
    model.W, model.b = state.weights(0)
    return model


def final_scores(states: Mapping[str, PackState], data: Dataset) -> dict[str, FinalScore]:
    """Score each readout on the test images; none where the data set has no such images."""
    if data.X_test is None or data.y_test is None:
        return {}
    X, y = data.X_test.astype(np.float32), data.y_test
    scores = {name: score(state, X, y) for name, state in states.items()}
    return {
        name: FinalScore(float(found.cost[0]), float(found.accuracy[0]))
        for name, found in scores.items()
    }
