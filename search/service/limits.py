"""What a service allows, where nobody has said otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """What people may ask of a service.

    Attributes
    ----------
    open_sweeps : int
        Sweeps that are worked on at a time; each holds its data and its log in memory.
    sweeps : int
        Sweeps of one person that have not ended.
    trials : int
        Trials of one sweep.
    upload_bytes : int
        Bytes of one data set that is uploaded.
    folders : sequence of Path
        Folders whose data sets may be named by their path.
    trainers : sequence of str
        Trainers that may be named beside those that come with the program: their code runs with
        the rights of the service.
    hooks : sequence of str
        Hosts that may be told of events, as ``host`` or ``host:port``.
    keep_seconds : float or None
        Seconds for which a sweep is kept after its end, with its files; None for ever.
    """

    open_sweeps: int = 8
    sweeps: int = 100
    trials: int = 1_000_000
    upload_bytes: int = 2**30
    folders: Sequence[Path] = field(default_factory=tuple)
    trainers: Sequence[str] = field(default_factory=tuple)
    hooks: Sequence[str] = field(default_factory=tuple)
    keep_seconds: float | None = None
