"""What other sweeps have trained already, which need not be trained again."""

from collections.abc import Iterable
from pathlib import Path

from model.data.dataset import Dataset
from model.errors import PacksweepError
from search.config import Axis, Range, SweepConfig
from search.record import REUSE_KEY, RunFolder, new_manifest
from search.watch import RunState

MOST = 20
"""Runs that one sweep takes trials from at most: the newest that have any."""


def reusable_runs(config: SweepConfig, data: Dataset, folders: Iterable[Path]) -> list[Path]:
    """Return the runs some of whose trials a sweep would train to the same result.

    Parameters
    ----------
    config : SweepConfig
    data : Dataset
    folders : iterable of Path
        Run folders, those that are asked first come first.
    """
    mine = new_manifest(config, data).settings()
    found: list[Path] = []
    for folder in folders:
        if len(found) == MOST:
            break
        try:
            manifest = RunFolder(folder).read_manifest()
        except PacksweepError:
            continue  # nothing of it can be believed
        if manifest is None:
            continue
        theirs = manifest.settings()
        same = all(mine[name] == theirs[name] for name in REUSE_KEY)
        if same and _overlap(config, manifest.sweep_config) and _can_be_read(folder):
            found.append(folder)
    return found


def _can_be_read(folder: Path) -> bool:
    """Whether the log of another run can be believed: its damage is not this sweep's."""
    try:
        RunState.read(folder).columns("number")
    except PacksweepError:
        return False
    return True


def _overlap(mine: SweepConfig, theirs: SweepConfig) -> bool:
    """Whether two sweeps may have a trial in common."""
    ours, others = mine.axes_by_name, theirs.axes_by_name
    return ours.keys() == others.keys() and all(
        _meet(axis, others[name]) for name, axis in ours.items()
    )


def _meet(mine: Axis, theirs: Axis) -> bool:
    if isinstance(mine, Range) or isinstance(theirs, Range):
        return True
    return any(value in theirs for value in mine)
