"""What every peer is given, what it gives back, and the textbook trial that most of them run."""

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cluster.executor import one_blas_thread
from model.examples import Examples
from model.softmax import SoftmaxRegression
from search.config import Params, SearchSpace


@dataclass(frozen=True)
class Trial:
    """One combination, by its number in the grid."""

    number: int
    params: Params


@dataclass(frozen=True)
class Outcome:
    """Validation cost of one trial, and when a core was busy with it, seconds since 1970."""

    number: int
    cost: float
    started: float
    finished: float


@dataclass(frozen=True)
class Task:
    """A sample of the grid to be run on some cores.

    Attributes
    ----------
    trials : tuple of Trial
        Longest first, so that all cores stay busy to the end.
    space : SearchSpace
        The grid that they are from.
    examples : Examples
        The split, training images first.
    seed : int
        Of the shuffles.
    cores : int
    """

    trials: tuple[Trial, ...]
    space: SearchSpace
    examples: Examples
    seed: int
    cores: int


class Run(Protocol):
    """A peer: runs the trials in the order given, and brings all of them back."""

    def __call__(self, task: Task) -> list[Outcome]: ...


def train(trial: Trial, examples: Examples, seed: int) -> Outcome:
    """Train one model alone, as in a textbook, and score it on the validation images."""
    started, n, p = time.time(), examples.n_train, trial.params
    model = SoftmaxRegression(p["batch_size"], p["learning_rate"], p.epochs, p["alpha"], seed)
    with one_blas_thread(), np.errstate(all="ignore"):  # some diverge; their cost says so
        model.fit(examples.X[:n], examples.y[:n], examples.n_classes)
        cost = model.cost(examples.X[n:], examples.y[n:])
    return Outcome(trial.number, cost, started, time.time())
