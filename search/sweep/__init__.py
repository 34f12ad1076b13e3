"""One command, from its options to its summary.

It knows in which order the other rooms are asked, and what the user is told on the way. It never
computes, decides or writes what another room can.
"""

from search.sweep.datasets import load, suited_grid
from search.sweep.dry_run import dry_run_text
from search.sweep.options import DEFAULT_GRID, Options, resolve_config, with_options
from search.sweep.preparation import resources_of
from search.sweep.session import check, run_sweep, sweep
from search.sweep.surroundings import Surroundings
from search.sweep.trainer_checks import check_rows
from search.sweep.trainers import with_trainer

__all__ = [
    "DEFAULT_GRID",
    "Options",
    "Surroundings",
    "check",
    "check_rows",
    "dry_run_text",
    "load",
    "resolve_config",
    "resources_of",
    "run_sweep",
    "suited_grid",
    "sweep",
    "with_options",
    "with_trainer",
]
