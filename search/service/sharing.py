"""What other sweeps have trained, or are training, which need not be trained again."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from model.data.dataset import Dataset
from model.errors import PacksweepError
from search.config import Axis, Range, SweepConfig
from search.ledger import SweepRow
from search.record import REUSE_KEY, RunFolder, metrics_text, new_manifest
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
        if same and may_share(config, manifest.sweep_config) and _can_be_read(folder):
            found.append(folder)
    return found


# The settings that two sweeps may have of their own and train the same trials to the same result.
_OWN = ("name", "space", "select", "reference", "objective", "metrics")

# What may end a sweep before all its trials are trained.
_LIMITS = ("budget", "target_value", "patience")


def trials_in_common(mine: SweepRow, theirs: SweepRow) -> int:
    """Return how many trials two sweeps both train to the same result.

    0 where that is not certain beforehand: a sampler may propose others, a pruner may end them, and
    spaces of several tables are not compared.
    """
    same = mine.dataset["fingerprint"] == theirs.dataset["fingerprint"]
    plain = _plain(mine.settings) and _plain(theirs.settings)
    whole = not any(theirs.options.get(name) for name in _LIMITS)
    if not (same and plain and whole and _settings(mine) == _settings(theirs)):
        return 0
    ours, others = mine.settings["space"], theirs.settings["space"]
    if ours.keys() != others.keys():
        return 0
    return math.prod(len(_texts(ours[name]) & _texts(others[name])) for name in ours)


def _settings(row: SweepRow) -> dict[str, Any]:
    settings = {name: value for name, value in row.settings.items() if name not in _OWN}
    return settings | {"metrics": metrics_text(row.settings)}


def _plain(settings: dict[str, Any]) -> bool:
    """Whether it is a grid of lists whose trials are all trained to their end."""
    space = settings["space"]
    methods = settings["sampler"]["name"], settings["pruner"]["name"]
    lists = isinstance(space, dict) and all(isinstance(axis, list) for axis in space.values())
    return methods == ("grid", "none") and lists


def _texts(axis: list[Any]) -> set[str]:
    return {json.dumps(value, sort_keys=True) for value in axis}


def _can_be_read(folder: Path) -> bool:
    """Whether the log of another run can be believed: its damage is not this sweep's."""
    try:
        RunState.read(folder).columns("number")
    except PacksweepError:
        return False
    return True


def may_share(mine: SweepConfig, theirs: SweepConfig) -> bool:
    """Whether two sweeps may have a trial in common."""
    ours, others = mine.axes_by_name, theirs.axes_by_name
    return ours.keys() == others.keys() and all(
        _meet(axis, others[name]) for name, axis in ours.items()
    )


def _meet(mine: Axis, theirs: Axis) -> bool:
    if isinstance(mine, Range) or isinstance(theirs, Range):
        return True
    # Of the same kind: 1 and 1.0 are equal in Python, and two trials.
    return bool({(type(value), value) for value in mine} & {(type(v), v) for v in theirs})
