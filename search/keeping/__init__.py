"""Which runs stay, and how one is deleted.

It knows what a run takes on its disk, when it was last changed, and rules of keeping. It never
decides what is trained, and deletes nothing that is being written.
"""

from search.keeping.preview import Preview
from search.keeping.removal import leftovers, look, remove_leftover, remove_run
from search.keeping.rules import FINISHED, RUNNING, UNFINISHED, UNREADABLE, KeptRun, Rules, why_kept

__all__ = [
    "FINISHED",
    "RUNNING",
    "UNFINISHED",
    "UNREADABLE",
    "KeptRun",
    "Preview",
    "Rules",
    "leftovers",
    "look",
    "remove_leftover",
    "remove_run",
    "why_kept",
]
