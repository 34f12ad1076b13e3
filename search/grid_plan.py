"""The plan of a whole grid."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from search.config.config import SweepConfig
from search.planner import Plan, make_plan
from search.replicates import workers_each
from search.width import choose_widths


def grid_widths(config: SweepConfig, workers: int) -> dict[int, int]:
    """Return the columns per pack for each batch size of a grid."""
    columns = len(config.space.learning_rate) * len(config.space.alpha)
    return choose_widths(
        dict.fromkeys(config.space.batch_size, columns), workers_each(config, workers)
    )


def grid_plan(
    config: SweepConfig,
    widths: Mapping[int, int],
    numbers: NDArray[np.int64] | None = None,
    rungs: Sequence[int] = (),
) -> Plan:
    """Return the packs of a grid's trials.

    Parameters
    ----------
    config : SweepConfig
    widths : mapping of int to int
        Of `grid_widths`.
    numbers : ndarray of int64, optional
        Which trials are trained; all where left out.
    rungs : sequence of int
        Epochs at which they are reported to a pruner.
    """
    if numbers is None:
        numbers = np.arange(len(config.space))
    return make_plan(numbers, config.space.columns(numbers), widths, rungs)
