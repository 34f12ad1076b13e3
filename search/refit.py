"""The winner, trained again on all training images and tested once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cluster.errors import ClusterError
from cluster.executor import Executor, Lost
from model.dataset import Dataset
from model.pack import PackState, score
from model.softmax import SoftmaxRegression
from search.errors import InterruptedSweepError
from search.link import run_refit
from search.orchestrator import MAX_ATTEMPTS, WAIT_SECONDS
from search.space import Params


@dataclass(frozen=True)
class FinalScore:
    """What the final model does on the test images.

    Attributes
    ----------
    cost : float
        Mean cross-entropy.
    accuracy : float
        Fraction classified correctly.
    """

    cost: float
    accuracy: float


def refit(
    params: Params,
    seed: int,
    examples: Any,
    executor: Executor,
    interrupted: Callable[[], bool],
) -> dict[str, PackState]:
    """Train the winner on training and validation images together; return each readout.

    Parameters
    ----------
    params : Params
    seed : int
        Of the shuffles.
    examples : object
        What the executor's `share` returned for the `Examples`.
    executor : Executor
    interrupted : callable

    Raises
    ------
    InterruptedSweepError
        If `interrupted` said so.
    ClusterError
        If its worker is lost again and again.
    """
    for attempt in range(MAX_ATTEMPTS):
        name = f"refit batch={params.batch_size} epochs 0-{params.epochs}"
        executor.submit(("refit", attempt), name, run_refit, examples, params, seed)
        states = _await(executor, interrupted)
        if states is not None:
            return states
    raise ClusterError(
        f"The final training lost its worker {MAX_ATTEMPTS} times. The log is complete; give the "
        "same command to try again."
    )


def _await(executor: Executor, interrupted: Callable[[], bool]) -> dict[str, PackState] | None:
    """Return the refitted states, or None where its worker was lost."""
    while True:
        for task in executor.wait(WAIT_SECONDS):
            if isinstance(task, Lost):
                return None
            states: dict[str, PackState] = task.value
            return states
        if interrupted():
            raise InterruptedSweepError("Interrupted.")


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
