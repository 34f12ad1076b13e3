"""How wide packs should be for the workers there are, and the plan of a whole grid."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.speed import TYPICAL
from search.config import EPOCHS, SweepConfig
from search.plan.packs import Plan, Widths, make_plan


def workers_each(config: SweepConfig, workers: int) -> int:
    """Return for how many workers the packs of one replicate are planned.

    The replicates share the workers. For fewer workers packs are wider, and do less
    work in all.
    """
    return max(1, workers // config.replicates)


# Wider packs gain nothing more and make links long.
WIDEST = 64

# A state travels to a worker and back, and to the disk, with each link.
_STATE_BYTES = 2**26


def widest_pack(n_features: int, n_classes: int) -> int:
    """Return how many columns a pack has at most, such that its state stays small.

    Many classes fill the processor with few columns: a product of 999 stored classes is as fast
    with one column as with 64.

    Examples
    --------
    >>> widest_pack(784, 10), widest_pack(2048, 1000)
    (64, 8)
    """
    column = 4 * n_features * max(1, n_classes - 1)
    return max(1, min(WIDEST, _STATE_BYTES // column))


def choose_widths(
    trajectories: Mapping[int, int], workers: int, widest: int = WIDEST
) -> dict[int, int]:
    """Columns per pack that finish the sweep soonest.

    Wide packs do less work in all, narrow ones occupy more workers. A pack is a
    chain of links that one worker after another takes up, so a sweep lasts as
    long as its work shared by all workers, or as its longest pack.

    The typical speed model decides, not one measured here: widths change the order
    of float32 additions, and the same command must give the same bits whatever
    else the machine was doing while it was measured.

    Parameters
    ----------
    trajectories : mapping of int to int
        Number of trajectories of each batch size.
    workers : int
    widest : int
        Columns of a pack at most; see `widest_pack`.

    Returns
    -------
    dict of int to int
        A width for each batch size.
    """
    candidates = range(widest, 0, -1)
    best = min(candidates, key=lambda width: _makespan(trajectories, width, workers))
    return {batch_size: _even(count, best) for batch_size, count in trajectories.items()}


def _even(count: int, width: int) -> int:
    """Return the width of the widest pack, if `count` columns are split evenly into few packs."""
    packs = math.ceil(count / width)
    return math.ceil(count / packs)


def _makespan(trajectories: Mapping[int, int], width: int, workers: int) -> float:
    total = longest = 0.0
    for batch_size, count in trajectories.items():
        even = _even(count, width)
        seconds = TYPICAL.training_row(batch_size, even)
        total += seconds * count / even
        longest = max(longest, seconds)
    return max(total / workers, longest)


def grid_widths(config: SweepConfig, workers: int, widest: int = WIDEST) -> dict[Any, int] | int:
    """Return the columns per pack of a grid: of the softmax trainer for each batch size.

    Parameters
    ----------
    config : SweepConfig
    workers : int
    widest : int
        Columns of a pack of the softmax trainer at most; see `widest_pack`.
    """
    if not config.trainer.is_softmax:
        return even_width(config, _packs_of_grid(config), workers_each(config, workers))
    axes = config.space.axes
    columns = math.prod(
        len(values) for name, values in axes.items() if name not in (EPOCHS, *config.pack_by)
    )
    trajectories = dict.fromkeys(axes["batch_size"], columns)
    return choose_widths(trajectories, workers_each(config, workers), widest)


def even_width(config: SweepConfig, kinds: Counter[Any], workers: int) -> int:
    """Return the columns per pack of a trainer of which it is not known what packs save.

    As wide as they may be, and narrow enough that every worker has one.

    Parameters
    ----------
    config : SweepConfig
    kinds : Counter
        Number of trajectories of each kind of pack.
    workers : int
    """
    if config.trainer.pack_by is None:
        return 1
    each = math.ceil(workers / len(kinds))
    most = math.ceil(max(kinds.values()) / each)
    return max(1, min(config.trainer.widest, most))


def _packs_of_grid(config: SweepConfig) -> Counter[Any]:
    """Return how many trajectories agree in what packs share, for each such value."""
    kinds: Counter[Any] = Counter()
    for table in config.space.tables:
        lengths = {name: len(values) for name, values in table.items() if name != EPOCHS}
        columns = math.prod(n for name, n in lengths.items() if name not in config.pack_by)
        shared = [table.get(name, (None,)) for name in config.pack_by]
        if config.trainer.pack_by is not None:
            kinds.update(dict.fromkeys(product(*shared), columns))
    return kinds


def grid_plan(
    config: SweepConfig,
    widths: Widths,
    numbers: NDArray[np.int64] | None = None,
    rungs: Sequence[int] = (),
) -> Plan:
    """Return the packs of a grid's trials.

    Parameters
    ----------
    config : SweepConfig
        The settings, whose space is a grid.
    widths : mapping of value to int, or int
        Columns per pack, as `grid_widths` returns them.
    numbers : ndarray of int64, optional
        The trials that are trained; all where left out.
    rungs : sequence of int
        Epochs at which they are reported to a pruner.
    """
    if numbers is None:
        numbers = np.arange(len(config.space))
    params = config.space.columns(numbers)
    return make_plan(numbers, params, widths, rungs, pack_by=config.pack_by, live=config.live)
