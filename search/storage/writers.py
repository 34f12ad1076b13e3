"""The writer of a run, according to its lock."""

import json
import math
import os
import socket
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Self

from search.text import utc_now


@dataclass(frozen=True)
class Writer:
    """The process that holds a run's lock; as text, a part of a sentence.

    Attributes
    ----------
    process : int
        Its number on its host.
    host : str
        The host's name.
    since : str
        When it took the lock: UTC, ISO 8601.
    words : str
        All that a lock of an earlier version says, else empty.

    Examples
    --------
    >>> text = Writer(12, "node-1", "2026-01-02T03:04:05+00:00").to_json()
    >>> print(text)
    {"process": 12, "host": "node-1", "since": "2026-01-02T03:04:05+00:00"}
    >>> print(Writer.read(text))
    process 12 on node-1 since 2026-01-02T03:04:05+00:00
    >>> print(Writer.read("process 7 of an earlier version"))
    process 7 of an earlier version
    """

    process: int = 0
    host: str = ""
    since: str = ""
    words: str = ""

    @classmethod
    def this_process(cls) -> Self:
        """Return this process, as the writer from now on."""
        return cls(os.getpid(), socket.gethostname(), utc_now())

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the writer that a lock names, whatever is written there."""
        try:
            entries = json.loads(text)
            return cls(int(entries["process"]), str(entries["host"]), str(entries["since"]))
        except (ValueError, TypeError, KeyError):
            return cls(words=text.strip() or "another process")

    def to_json(self) -> str:
        """Return what a lock says of it."""
        entries = asdict(self)
        del entries["words"]
        return json.dumps(entries)

    def __str__(self) -> str:
        return self.words or f"process {self.process} on {self.host} since {self.since}"

    @property
    def started_at(self) -> float:
        """When it took the lock, in seconds since 1970; minus infinity where that is not known."""
        try:
            return datetime.fromisoformat(self.since).timestamp()
        except ValueError:
            return -math.inf
