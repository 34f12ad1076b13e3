"""Which trials stand for the whole grid, and what their time says about it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from peers.task import Outcome, Trial
from search.config import Params, SearchSpace

SEED = 0
PAIRS = 2  # of trials, for each batch size


def pairs_of_epochs(space: SearchSpace) -> list[Trial]:
    """Draw trials in which every batch size has its share of the grid's epochs.

    Each batch size gets values of epochs in pairs from both ends, such as 5
    with 40 and 10 with 35: the mean of a pair is the mean of the grid. The next
    batch size goes on with the next pair. Learning rates and alphas are drawn
    without replacement, and again from the start when none is left.
    """
    rng = np.random.default_rng(SEED)
    columns = [
        (rate, alpha) for rate in space.axes["learning_rate"] for alpha in space.axes["alpha"]
    ]
    order = iter(
        np.resize(rng.permutation(len(columns)), len(space.axes["batch_size"]) * 2 * PAIRS)
    )
    half = len(space.axes["epochs"]) // 2
    trials = []
    for i, batch_size in enumerate(space.axes["batch_size"]):
        for j in range(PAIRS):
            k = (i * PAIRS + j) % half
            for epochs in (space.axes["epochs"][k], space.axes["epochs"][-1 - k]):
                rate, alpha = columns[next(order)]
                trials.append(_trial(space, batch_size, rate, epochs, alpha))
    return longest_first(trials)


def shortest_stacks(space: SearchSpace) -> list[Trial]:
    """Take, of every batch size, all trials with the fewest epochs."""
    fewest = min(space.axes["epochs"])
    return longest_first(
        [
            _trial(space, batch_size, rate, fewest, alpha)
            for batch_size in space.axes["batch_size"]
            for rate in space.axes["learning_rate"]
            for alpha in space.axes["alpha"]
        ]
    )


def _trial(space, batch_size, rate, epochs, alpha) -> Trial:
    params = Params(batch_size=batch_size, learning_rate=rate, epochs=epochs, alpha=alpha)
    return Trial(number_of(space, params), params)


def number_of(space: SearchSpace, params: Params) -> int:
    """Return the number of a grid's trial: the inverse of ``space[number]``."""
    number = 0
    for name, values in space.axes.items():
        number = number * len(values) + values.index(params[name])
    return number


def longest_first(trials: list[Trial]) -> list[Trial]:
    """Order by the time that one core takes: an epoch has a part per image and one per update."""
    return sorted(trials, key=lambda trial: -_work(trial))


def _work(trial: Trial) -> float:
    return trial.params.epochs * (1 + 32 / trial.params["batch_size"])


def largest_curvature(X: NDArray[np.generic]) -> float:
    """Return a bound L of the cost's second derivative, from the images of shape (n, D).

    The Hessian is the mean of (diag(p) - p p^T) (x) x x^T, and the first factor has no
    eigenvalue above 1/2, so L is half the largest eigenvalue of X^T X / n.
    """
    X = X.astype(np.float32, copy=False)
    return float(np.linalg.eigvalsh(X.T @ X / len(X))[-1]) / 2


def is_stable(params: Params, curvature: float) -> bool:
    """Tell whether descent contracts, so that differences in rounding die out, not grow."""
    return params["learning_rate"] * (curvature + params["alpha"]) < 2


def grid_over_sample(space: SearchSpace, trials: list[Trial], *, prefixes: bool = False) -> float:
    """Return how many times the sample's work the whole grid is.

    With `prefixes` a column is trained once, for the most epochs, and scored on its way.
    The time of an epoch depends on the batch size, so a plain ratio of epochs is
    right only where it is the same for every batch size, which is checked.
    """
    columns = len(space.axes["learning_rate"]) * len(space.axes["alpha"])
    epochs = (max if prefixes else sum)(space.axes["epochs"])
    ratios = {
        columns * epochs
        / sum(t.params.epochs for t in trials if t.params["batch_size"] == batch_size)
        for batch_size in space.axes["batch_size"]
    }  # fmt: skip
    if len(ratios) != 1:
        raise ValueError(f"the batch sizes have unequal shares in the sample: {sorted(ratios)}")
    return ratios.pop()


@dataclass(frozen=True)
class Estimate:
    """What a sample's times say: seconds of all cores for the whole grid, and between two trials.

    Attributes
    ----------
    grid_s : float
    between_s : float
        From the end of a trial to the start of the next on the same core, 0 where none had two.
    """

    grid_s: float
    between_s: float


def estimate(
    outcomes: list[Outcome],
    trials: list[Trial],
    space: SearchSpace,
    cores: int,
    *,
    prefixes: bool = False,
) -> Estimate:
    """Scale the time inside trials by their work, the time between them by their number.

    The wait of a core that has no trial left does not count: in the whole grid it
    is next to nothing.
    """
    # Trials of one stack share their times, and count once.
    intervals = {(outcome.started, outcome.finished) for outcome in outcomes}
    busy = sum(finished - started for started, finished in intervals)
    first = sorted(started for started, _ in intervals)[:cores]
    last = sorted(finished for _, finished in intervals)[-cores:]
    seconds_between = sum(last) - sum(first) - busy
    times_between = len(intervals) - len(first)
    between = seconds_between / times_between if times_between else 0.0
    number = len(space) * len(intervals) / len(outcomes)
    if prefixes:
        number /= len(space.axes["epochs"])
    times = grid_over_sample(space, trials, prefixes=prefixes)
    return Estimate((busy * times + between * number) / cores, between)
