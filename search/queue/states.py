"""The states of a sweep: what somebody wants of it, and what it is."""

RUN, PAUSE, STOP, CANCEL = "run", "pause", "stop", "cancel"
"""What can be wanted: `STOP` keeps results and finishes them, `CANCEL` keeps them as they are."""

QUEUED, RUNNING, PAUSING, PAUSED = "queued", "running", "pausing", "paused"
STOPPING, CANCELLED, DONE, FAILED = "stopping", "cancelled", "done", "failed"

ENDED = frozenset({CANCELLED, DONE, FAILED})
"""The states that a sweep does not leave."""


def actual_state(wanted: str, leases: int, ended: str | None = None) -> str:
    """Return what a sweep is: a function of facts, so that no transition can be missed.

    Parameters
    ----------
    wanted : str
        What was asked for last; see `wanted_after`.
    leases : int
        Links of it that run, or may still be running.
    ended : str, optional
        How it has ended, once that is written down.

    Examples
    --------
    >>> actual_state(PAUSE, leases=2), actual_state(PAUSE, leases=0)
    ('pausing', 'paused')
    """
    if ended is not None:
        return ended
    if wanted == CANCEL:
        return STOPPING if leases else CANCELLED
    if wanted == STOP:
        return STOPPING
    if wanted == PAUSE:
        return PAUSING if leases else PAUSED
    return RUNNING if leases else QUEUED


def wanted_after(wanted: str, asked: str, ended: str | None = None) -> str:
    """Return what is wanted of a sweep after somebody has asked for something.

    The same twice is the same once. Who has cancelled cannot go on, and who has stopped can only
    cancel.

    Parameters
    ----------
    wanted, asked : str
        What was wanted before, and what is asked for now.
    ended : str, optional
        How it has ended.

    Raises
    ------
    ValueError
        If that cannot be any more; the message is for the user.
    """
    if asked == wanted:
        return wanted
    if ended is not None:
        raise ValueError(f"The sweep has ended ({ended}); it cannot {asked}.")
    if wanted == CANCEL or (wanted == STOP and asked != CANCEL):
        ending = "cancelled" if wanted == CANCEL else "being stopped"
        raise ValueError(f"The sweep is {ending}; it cannot {asked}. Clone it to go on.")
    return asked
