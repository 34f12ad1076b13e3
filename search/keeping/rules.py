"""Rules of keeping: which of some runs go, and why the others stay."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from search.storage import Place, Writer

StateName = Literal["finished", "unfinished", "running", "unreadable"]

FINISHED: StateName = "finished"
UNFINISHED: StateName = "unfinished"
RUNNING: StateName = "running"
UNREADABLE: StateName = "unreadable"


@dataclass(frozen=True)
class KeptRun:
    """A run, as the rules and their user see it.

    Attributes
    ----------
    path : Path or RemotePath
    state : str
        `FINISHED`, `UNFINISHED`, `RUNNING`, or `UNREADABLE` where nothing else is known of it.
    changed_at : float
        When a file of it was last changed, in seconds since 1970.
    size : int
        Bytes that it takes on its disk, which are free when it is deleted.
    writer : Writer or None
        Who writes to it now.
    problem : str
        Why it stays whatever the rules say.
    """

    path: Place
    state: StateName
    changed_at: float
    size: int
    writer: Writer | None = None
    problem: str = ""


@dataclass(frozen=True)
class Rules:
    """What is deleted: runs to which all of these apply.

    Attributes
    ----------
    older_than : float or None
        Seconds since a run was last changed, at least; None where its age does not matter.
    keep_last : int
        How many stay of those that could go, the newest ones.
    unfinished : bool
        Whether runs go too that have no result yet. One that is running never goes.
    """

    older_than: float | None = None
    keep_last: int = 0
    unfinished: bool = False


def why_kept(runs: Sequence[KeptRun], rules: Rules, now: float) -> list[str]:
    """Return why each run stays, in the order given; an empty text where it goes.

    Examples
    --------
    >>> from pathlib import Path
    >>> runs = [KeptRun(Path(name), FINISHED, at, 0) for name, at in [("a", 0.0), ("b", 90.0)]]
    >>> why_kept(runs, Rules(older_than=60), now=100.0)
    ['', 'was changed since']
    """
    kept = [_state_keeps(run, rules) for run in runs]
    able = [k for k, reason in enumerate(kept) if not reason]
    # The later one of two that were changed in the same moment counts as the newer.
    newest = sorted(able, key=lambda k: (runs[k].changed_at, k))[::-1][: rules.keep_last]
    for k in able:
        if k in newest:
            kept[k] = "the newest" if rules.keep_last == 1 else f"of the newest {rules.keep_last}"
        elif rules.older_than is not None and now - runs[k].changed_at < rules.older_than:
            kept[k] = "was changed since"
    return kept


def _state_keeps(run: KeptRun, rules: Rules) -> str:
    if run.problem:
        return run.problem
    if run.state == RUNNING:
        return "is running"
    if run.state == UNFINISHED and not rules.unfinished:
        return "has no result yet"
    return ""
