"""What may be asked for: grids, their rules, and what is said when one is broken.

It knows settings and hyperparameters as checked, frozen values. It never knows a data set, a
run or a worker, and it writes nothing.
"""

from search.config.axes import AXES
from search.config.config import SweepConfig
from search.config.free_axes import RESERVED, FreeAxes
from search.config.grids import grid_of, known_grids, load_config, read_grid, read_reading
from search.config.labels import Label, in_order, label_of, short_text
from search.config.messages import show
from search.config.objective import (
    ACCURACY,
    BY_COST,
    COST,
    Objective,
    asked,
    check_target_cost,
    objective_of,
    title_of,
)
from search.config.own_code import is_own_method, is_own_trainer
from search.config.replicates import Replicate, replicates_of, replicates_text
from search.config.sample import params_to_try, some_params
from search.config.schema import (
    PRUNERS,
    SAMPLERS,
    SOFTMAX,
    ReadingSettings,
    Reference,
    TrainerSettings,
)
from search.config.settings_text import as_toml
from search.config.space import EPOCHS, Axis, Params, Range, SearchSpace
from search.config.toml_text import parse

__all__ = [
    "ACCURACY",
    "AXES",
    "BY_COST",
    "COST",
    "EPOCHS",
    "PRUNERS",
    "RESERVED",
    "SAMPLERS",
    "SOFTMAX",
    "Axis",
    "FreeAxes",
    "Label",
    "Objective",
    "Params",
    "Range",
    "ReadingSettings",
    "Reference",
    "Replicate",
    "SearchSpace",
    "SweepConfig",
    "TrainerSettings",
    "as_toml",
    "asked",
    "check_target_cost",
    "grid_of",
    "in_order",
    "is_own_method",
    "is_own_trainer",
    "known_grids",
    "label_of",
    "load_config",
    "objective_of",
    "params_to_try",
    "parse",
    "read_grid",
    "read_reading",
    "replicates_of",
    "replicates_text",
    "short_text",
    "show",
    "some_params",
    "title_of",
]
