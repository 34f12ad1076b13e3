"""The plan of a whole grid."""

from collections.abc import Mapping

import numpy as np

from model.dataset import Dataset
from search.config import SweepConfig
from search.link import validation_rows
from search.planner import Plan, make_plan
from search.width import choose_widths


def grid_widths(config: SweepConfig, workers: int) -> dict[int, int]:
    """Return the columns per pack for each batch size of a grid."""
    columns = len(config.space.learning_rate) * len(config.space.alpha)
    return choose_widths(dict.fromkeys(config.space.batch_size, columns), workers)


def grid_plan(config: SweepConfig, widths: Mapping[int, int]) -> Plan:
    """Return the packs of all combinations, for the widths of `grid_widths`."""
    numbers = np.arange(len(config.space))
    return make_plan(numbers, config.space.columns(numbers), widths)


def training_flops(plan: Plan, config: SweepConfig, data: Dataset) -> float:
    """Return the floating-point operations of the plan's training products."""
    n = len(data.y)
    n_train = n - validation_rows(n, config.validation_fraction)
    return plan.flops(n_train, data.X.shape[1], data.n_classes)
