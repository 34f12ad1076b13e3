"""One command, from its options to its summary.

It knows in which order the other rooms are asked, and what the user is told on the way. It never
computes, decides or writes what another room can.
"""

from search.sweep.options import Options
from search.sweep.session import sweep

__all__ = [
    "Options",
    "sweep",
]
