"""The time that a sweep should take: its links in their order, run without the work."""

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from model.block import ALIKE_ROWS, block_rows
from model.bootstrap import RESAMPLES
from model.data.dataset import Dataset
from model.features import RAW
from model.metrics import kept_bytes
from model.products import row_type, work_bytes
from model.seen_rows import stays_in_place
from search.config import Params, SweepConfig
from search.plan.links import Chain, Link, Speed
from search.plan.packs import SOFTMAX_PACKS, kind_of
from search.plan.waiting import WaitingLinks

# Measured where a plan is made: 100 and more, and a log is read and joined besides.
_TRIAL_BYTES = 200


@dataclass(frozen=True)
class Simulated:
    """The outcome of a plan that was run without the work.

    Attributes
    ----------
    makespan : float
        Seconds from the first link's start to the last one's end.
    busy : float
        Fraction of the workers' time in which they worked.
    driver : float
        Fraction of the time in which the driver was handling links.
    """

    makespan: float
    busy: float
    driver: float


def simulate(
    chains: Iterable[Sequence[Link]],
    workers: int,
    *,
    transfer: float = 0.0,
    handling: float = 0.0,
) -> Simulated:
    """Run the links of a plan on idle workers in the order in which they wait.

    A discrete-event simulation: a worker takes a link's seconds and the
    transfers, and the driver handles one finished link after the other before
    it hands out new ones.

    Parameters
    ----------
    chains : iterable of sequence of Link
        The links of each pack.
    workers : int
        Number of workers, all idle at first.
    transfer : float
        Seconds that a state is on its way, there and back.
    handling : float
        Seconds of the driver for one link: submitting it and logging its result.
    """
    waiting = WaitingLinks(chains)
    running: list[tuple[float, int, Link]] = []
    driver_free = worked = handled = 0.0
    count = 0
    while len(waiting) or running:
        while len(waiting) and len(running) < workers:
            link = waiting.pop()
            count += 1
            heapq.heappush(running, (driver_free + transfer + link.seconds, count, link))
            worked += link.seconds
        ended, _, link = heapq.heappop(running)
        driver_free = max(ended, driver_free) + handling
        handled += handling
        waiting.done(link)
    makespan = driver_free or 1.0
    return Simulated(driver_free, worked / makespan / workers, handled / makespan)


@dataclass(frozen=True)
class Prediction:
    """The time that links should take.

    Attributes
    ----------
    training_s : float
        Seconds from the start of the first link to the end of the last.
    compute_s : float
        Compute time of all links together, in seconds.
    busy : float
        Fraction of the workers' time in which they work.
    by_kind : dict of value to float
        Compute time of the packs of each `Pack.kind`, in seconds.
    """

    training_s: float
    compute_s: float
    busy: float
    by_kind: dict[Any, float]


def predict(chains: Sequence[Chain], workers: int) -> Prediction:
    """Return the time that links should take, by running its links without the work."""
    simulated = simulate(chains, workers)
    by_kind: defaultdict[Any, float] = defaultdict(float)
    for chain in chains:
        for link in chain:
            by_kind[link.pack.kind] += link.seconds
    return Prediction(simulated.makespan, sum(by_kind.values()), simulated.busy, dict(by_kind))


def refit_seconds(
    speed: Speed, params: Params, n_rows: int, pack_by: Sequence[str] = SOFTMAX_PACKS
) -> float:
    """Seconds of the final training on `n_rows` rows."""
    return params.epochs * n_rows * speed.training_row(kind_of(params, pack_by), 1)


def optimum_seconds(n_rows: int, n_features: int, n_classes: int) -> float:
    """Seconds that the optimum of an alpha should take.

    Eight Newton steps; each is in the main the Hessian of all weights, at 50 GFLOP/s.
    """
    return 8 * n_rows * (n_features * n_classes) ** 2 / 50e9


def trials_bytes(config: SweepConfig) -> int:
    """Bytes that what is known of all trials takes at least: their params, states and figures."""
    return _TRIAL_BYTES * config.total * config.replicates


def laid_out_bytes(config: SweepConfig, data: Dataset) -> int:
    """Bytes of all rows as they are trained on; with folds there are as many scaled copies."""
    n, n_features = data.X.shape
    n += 0 if data.y_val is None else len(data.y_val)
    copies = config.folds + 1 if config.folds and config.features != RAW else 1
    itemsize = row_type(config.products)().itemsize
    return itemsize * copies * int(n) * int(n_features)


def rows_stay(config: SweepConfig, data: Dataset) -> bool:
    """Whether the rows stay in their source, and links make what they need of them.

    The libraries of other trainers take whole arrays.
    """
    n_bytes = laid_out_bytes(config, data)
    return config.trainer.is_softmax and stays_in_place(n_bytes, data.X, data.X_val)


def rows_bytes(config: SweepConfig, data: Dataset) -> int:
    """Bytes of the rows as they are trained on, once on each machine: none where they stay."""
    return 0 if rows_stay(config, data) else laid_out_bytes(config, data)


def array_mib(*shape: int) -> float:
    """Memory of a float32 array in MiB."""
    return math.prod(shape) * 4 / 2**20


def link_mib(batch: int, block: int, n_features: int, width: int, n_classes: int) -> float:
    """Memory that a worker takes for a link beside the rows, in MiB.

    Five states: the one that came, that of the epoch before, the average, the new one, and what is
    returned. A block of rows with their logits, and what the mini-batches before add to these.

    Parameters
    ----------
    batch, block : int
        Rows of a mini-batch and of a block, which are not more than the data has.
    n_features, width, n_classes : int
        D, columns M, and K classes that are stored.
    """
    state = array_mib(n_features, n_classes, width)
    logits = array_mib(block + batch, n_classes, width)
    return 5 * state + array_mib(block, n_features) + logits


@dataclass(frozen=True)
class Memory:
    """What a sweep of the softmax trainer takes, in bytes of memory that cannot be given back.

    Attributes
    ----------
    rows : int
        Rows in float32, once on each machine; 0 where they stay in their source.
    resamples : int
        How often each validation row is in each resample, once on each machine.
    labels : int
        Labels and order of the rows, once on each machine.
    link : int
        What a worker takes for a link of the batch size that takes most.
    state : int
        The state of the widest pack.
    """

    rows: int
    resamples: int
    labels: int
    link: int
    state: int

    @property
    def shared(self) -> int:
        """What all workers of a machine have in common."""
        return self.rows + self.resamples + self.labels


def memory(config: SweepConfig, data: Dataset, width: int) -> Memory:
    """Return the memory that packs of a width take at most."""
    n, n_features, K = len(data.y), data.X.shape[1], data.n_classes - 1
    n_all = n + (0 if data.y_val is None else len(data.y_val))
    n_train, n_scoring = data.parts(config.scoring_fraction)
    resampled = config.replicates == 1 and config.compared_by.is_cost
    stay = rows_stay(config, data)
    # The order of an epoch, with folds beside the rows that train, and what metrics keep.
    others = 8 * n_train * (3 if config.folds else 1)
    others += kept_bytes(config.asked_metrics, n_scoring, data.n_classes)
    others += work_bytes(config.products, ALIKE_ROWS, n_features, K * width)
    alike = config.products in {"fixed", "auto"}  # which may become it
    batches = [min(batch_size, n_train) for batch_size in config.batch_sizes]
    ahead = block_rows(K, width, alike=alike)
    link = max(link_mib(b, max(b, ahead), n_features, width, K) for b in batches)
    return Memory(
        rows=rows_bytes(config, data),
        resamples=RESAMPLES * n_scoring if resampled else 0,
        labels=8 * n_all * (2 if stay else 1),
        link=round(link * 2**20) + others,
        state=round(array_mib(n_features, width, K) * 2**20),
    )


def training_flops(column_epochs: int, n_rows: int, n_features: int, n_classes: int) -> float:
    """Floating-point operations of the products X V and X^T delta.

    A multiplication and an addition for each of rows x features x stored
    classes, once forward and once backward, in every epoch of every column.
    """
    return 4.0 * column_epochs * n_rows * n_features * (n_classes - 1)


def epochs_flops(column_epochs: int, config: SweepConfig, data: Dataset) -> float:
    """Return the floating-point operations of some epochs of single trajectories."""
    n_train, _ = data.parts(config.scoring_fraction)
    return training_flops(column_epochs, n_train, data.X.shape[1], data.n_classes)
