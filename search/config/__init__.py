"""What may be asked for: grids, their rules, and what is said when one is broken.

It knows settings and hyperparameters as checked, frozen values. It never knows a data set, a
run or a worker, and it writes nothing.
"""

from search.config.config import SweepConfig, load_config, read_grid, read_reading
from search.config.messages import show
from search.config.replicates import Replicate, replicates_of, replicates_text
from search.config.schema import PRUNERS, SAMPLERS, Reference
from search.config.space import (
    AXES,
    COLUMN_AXES,
    DTYPES,
    LABELS,
    TRAJECTORY_AXES,
    Params,
    Range,
    SearchSpace,
)

__all__ = [
    "AXES",
    "COLUMN_AXES",
    "DTYPES",
    "LABELS",
    "PRUNERS",
    "SAMPLERS",
    "TRAJECTORY_AXES",
    "Params",
    "Range",
    "Reference",
    "Replicate",
    "SearchSpace",
    "SweepConfig",
    "load_config",
    "read_grid",
    "read_reading",
    "replicates_of",
    "replicates_text",
    "show",
]
