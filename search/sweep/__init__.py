"""One command, from its options to its summary.

It knows in which order the other rooms are asked, and what the user is told on the way. It never
computes, decides or writes what another room can.
"""

from search.sweep.datasets import load
from search.sweep.options import Options, resolve_config
from search.sweep.session import sweep
from search.sweep.trainer_checks import check_rows

__all__ = [
    "Options",
    "check_rows",
    "load",
    "resolve_config",
    "sweep",
]
