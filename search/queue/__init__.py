"""Who is next, where many people's sweeps share one cluster: decisions alone.

It knows rows: people, quotas, priorities and links. It never knows a clock, a file or a cluster, so
that every decision can be repeated from what it was made of. A sweep is preempted by not starting
its next link: links take seconds, and what runs ends.
"""

from search.queue.awaiting import Overlap, ends_sooner_by_waiting
from search.queue.opening import DRAIN, FINISH, GO, LEAVE, Asked, ends_with, mode_of, open_sweeps
from search.queue.order import Decision, Rank, Start, Wait, decide
from search.queue.rows import Lease, Person, Queue, Snapshot, Sweep
from search.queue.states import (
    CANCEL,
    CANCELLED,
    DONE,
    FAILED,
    PAUSE,
    PAUSED,
    PAUSING,
    QUEUED,
    RUN,
    RUNNING,
    STOP,
    STOPPING,
    actual_state,
    wanted_after,
)
from search.queue.use import HALF_LIFE, decayed, entered

__all__ = [
    "CANCEL",
    "CANCELLED",
    "DONE",
    "DRAIN",
    "FAILED",
    "FINISH",
    "GO",
    "HALF_LIFE",
    "LEAVE",
    "PAUSE",
    "PAUSED",
    "PAUSING",
    "QUEUED",
    "RUN",
    "RUNNING",
    "STOP",
    "STOPPING",
    "Asked",
    "Decision",
    "Lease",
    "Overlap",
    "Person",
    "Queue",
    "Rank",
    "Snapshot",
    "Start",
    "Sweep",
    "Wait",
    "actual_state",
    "decayed",
    "decide",
    "ends_sooner_by_waiting",
    "ends_with",
    "entered",
    "mode_of",
    "open_sweeps",
    "wanted_after",
]
