"""What a sweep should take, before it is run."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from model.data.dataset import Dataset
from model.shuffle import validation_rows
from model.speed import CostModel
from search.config.config import SweepConfig
from search.config.space import Params
from search.links import Chain
from search.simulation import simulate


@dataclass(frozen=True)
class Prediction:
    """Times in seconds.

    Attributes
    ----------
    training_s : float
        From the start of the first link to the end of the last.
    compute_s : float
        Of all links together.
    busy : float
        Fraction of the workers' time in which they work.
    by_batch_size : dict of int to float
        Compute time of the packs of each batch size.
    """

    training_s: float
    compute_s: float
    busy: float
    by_batch_size: dict[int, float]


def predict(chains: Sequence[Chain], workers: int) -> Prediction:
    """Return what links should take, by running their schedule without doing the work."""
    simulated = simulate(chains, workers)
    by_batch_size: defaultdict[int, float] = defaultdict(float)
    for chain in chains:
        for link in chain:
            by_batch_size[link.pack.batch_size] += link.seconds
    return Prediction(
        simulated.makespan, sum(by_batch_size.values()), simulated.busy, dict(by_batch_size)
    )


def refit_seconds(cost: CostModel, params: Params, n_rows: int) -> float:
    """Seconds of the final training on `n_rows` images."""
    return params.epochs * n_rows * cost.training_row(params.batch_size, 1)


def array_mib(*shape: int) -> float:
    """Memory of a float32 array in MiB."""
    return math.prod(shape) * 4 / 2**20


def training_flops(column_epochs: int, n_rows: int, n_features: int, n_classes: int) -> float:
    """Floating-point operations of the products X V and X^T delta.

    A multiplication and an addition for each of rows x features x stored
    classes, once forward and once backward, in every epoch of every column.
    """
    return 4.0 * column_epochs * n_rows * n_features * (n_classes - 1)


def epochs_flops(column_epochs: int, config: SweepConfig, data: Dataset) -> float:
    """Return the floating-point operations of some epochs of single trajectories."""
    n_train = len(data.y) - validation_rows(len(data.y), config.scoring_fraction)
    return training_flops(column_epochs, n_train, data.X.shape[1], data.n_classes)
