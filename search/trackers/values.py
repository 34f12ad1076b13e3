"""What a tracker gets of a run and of its trials, in plain values."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from model.trainers import Value
from search.config import Axis
from search.record import Layout
from search.storage import Place

# Part of every mark: what is sent otherwise by a new version is sent again.
_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A trial that has ended.

    Attributes
    ----------
    number : int
    state : str
        ``COMPLETE``, ``PRUNED`` or ``FAIL``.
    value : float or None
        By which it is compared; None unless complete.
    params : mapping of str to Value
        Those that its part of the grid has.
    figures : mapping of str to float
        Costs, accuracies, other metrics and seconds, by the columns of the log. They need not be
        finite.
    facts : mapping of str to str or int
        What else the log says: node, pack, attempt, source, and the error of a failed trial.
    series : mapping of str to tuple of (int, float)
        Figures that come several times, with a step each: the costs at the rungs by epoch, those
        of the replicates by their number.
    last_epoch : int
        Epochs that were trained.
    started_at, finished_at : datetime
        The times of the link that finished it.
    """

    number: int
    state: str
    value: float | None
    params: Mapping[str, Value]
    figures: Mapping[str, float]
    facts: Mapping[str, str | int] = field(default_factory=dict)
    series: Mapping[str, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    last_epoch: int
    started_at: datetime
    finished_at: datetime

    @cached_property
    def mark(self) -> str:
        """A digest of everything exported: it changes if anything differs."""
        return digest(asdict(self))


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as it stands.

    Attributes
    ----------
    id : str
        Identity of the run, which its manifest has.
    name : str
        Name of its grid.
    name_there : str
        Name of the study, the experiment or the folder that it goes to.
    ended, total : int
        Trials that have ended, and all.
    finished : bool
        Whether it has its result.
    axes : mapping
        Values or range of each hyperparameter.
    layout : Layout
        The columns of its log that depend on the trainer.
    settings : mapping of str to str
        What it was started with.
    figures : mapping of str to float
        Counts of trials, the best cost, test figures.
    texts : mapping of str to str
        Data set, fingerprint, seed, command, versions.
    files : tuple of Path or RemotePath
        Summary and report, where there are any.
    started_at : datetime
    ended_at : datetime or None
        When its last trial ended; None as long as it has no result.
    """

    id: str
    name: str
    name_there: str
    ended: int
    total: int
    finished: bool
    axes: Mapping[str, Axis]
    layout: Layout
    settings: Mapping[str, str]
    figures: Mapping[str, float]
    texts: Mapping[str, str]
    files: tuple[Place, ...] = ()
    started_at: datetime
    ended_at: datetime | None = None

    @cached_property
    def contents(self) -> dict[str, bytes]:
        """What its files hold, by their names."""
        return {path.name: path.read_bytes() for path in self.files}

    @cached_property
    def mark(self) -> str:
        """A digest of all that is said of it, its files and its end included."""
        axes = {name: str(axis) for name, axis in self.axes.items()}
        said = [self.name, self.total, self.finished, axes, self.settings, self.figures, self.texts]
        return digest([*said, {name: hashed(content) for name, content in self.contents.items()}])


def digest(said: Any) -> str:
    """Return 16 hexadecimal digits that stand for a value made of plain ones."""
    # NaN is written as itself: JSON as Python has it, read by nobody.
    text = json.dumps([_FORMAT, said], sort_keys=True, default=str)
    return hashed(text.encode())


def hashed(content: bytes) -> str:
    """Return 16 hexadecimal digits that stand for some bytes."""
    return hashlib.sha256(content).hexdigest()[:16]
