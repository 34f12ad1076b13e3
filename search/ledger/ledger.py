"""All tables of a service's file together."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from search.ledger.database import Database
from search.ledger.events import Events
from search.ledger.hooks import Hooks
from search.ledger.leases import Leases
from search.ledger.people import People
from search.ledger.queues import Queues
from search.ledger.sweeps import Sweeps


class Ledger:
    """The memory of a service.

    Parameters
    ----------
    path : Path
        The SQLite file, made where it is missing.
    now : callable
        Returns the seconds since 1970.

    Raises
    ------
    LedgerError
        If it is not a ledger, or one of another version.

    Attributes
    ----------
    people : People
    queues : Queues
    sweeps : Sweeps
    leases : Leases
    hooks : Hooks
    events : Events
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._database = Database(path)
        self.now = now
        self.people = People(self._database, now)
        self.queues = Queues(self._database)
        self.sweeps = Sweeps(self._database, now)
        self.leases = Leases(self._database, self.people, now)
        self.hooks = Hooks(self._database, now)
        self.events = Events(self._database, now, self.hooks)

    def transaction(self) -> AbstractContextManager[None]:
        """Let all that is written inside be there, or nothing of it."""
        return self._database.transaction()

    @property
    def version(self) -> int:
        """What is another after each transaction, by this process or another one."""
        return self._database.version

    def close(self) -> None:
        """Close the file."""
        self._database.close()
