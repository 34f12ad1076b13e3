"""One sweep, from its options to its summary.

It knows in which order the other rooms are asked, and what the user is told on the way. It never
computes, decides or writes what another room can.
"""

from search.session.call_checks import SweepOptions
from search.session.calling import sweep_from_python
from search.session.datasets import description, load, suited_grid
from search.session.dry_run import Planned, plan_of, plan_text, planned_run
from search.session.inspection import data_set_lines, data_set_of, inspect_data
from search.session.options import DEFAULT_GRID, Options, resolve_config, with_options
from search.session.preparation import resources_of
from search.session.session import check, run_sweep, sweep
from search.session.surroundings import Surroundings
from search.session.sweep_result import SweepEvent, SweepResult
from search.session.trainer_checks import check_rows
from search.session.trainers import with_trainer

__all__ = [
    "DEFAULT_GRID",
    "Options",
    "Planned",
    "Surroundings",
    "SweepEvent",
    "SweepOptions",
    "SweepResult",
    "check",
    "check_rows",
    "data_set_lines",
    "data_set_of",
    "description",
    "inspect_data",
    "load",
    "plan_of",
    "plan_text",
    "planned_run",
    "resolve_config",
    "resources_of",
    "run_sweep",
    "suited_grid",
    "sweep",
    "sweep_from_python",
    "with_options",
    "with_trainer",
]
