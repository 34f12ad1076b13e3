"""The queues to which sweeps are submitted."""

import math

from search.errors import ConfigError
from search.ledger.database import Database
from search.queue import Queue

DEFAULT = "all"
"""The queue that is always there."""


class Queues:
    """Queues and their quotas.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        database.write("insert or ignore into queue (name, cores) values (?, 0)", (DEFAULT,))

    def all(self) -> list[Queue]:
        """Return all queues, by name."""
        rows = self._database.rows("select * from queue order by name")
        return [
            Queue(row["name"], row["cores"], math.inf if row["most"] is None else row["most"])
            for row in rows
        ]

    def check(self, name: str) -> None:
        """Refuse the name of a queue that there is not.

        Raises
        ------
        ConfigError
            Naming those that there are.
        """
        names = [queue.name for queue in self.all()]
        if name not in names:
            raise ConfigError(f"There is no queue {name!r}; queues are {', '.join(names)}.")

    def put(self, queue: Queue) -> None:
        """Make a queue, or change its quota."""
        most = None if math.isinf(queue.most) else queue.most
        self._database.write(
            "insert into queue values (?, ?, ?)"
            " on conflict (name) do update set cores = excluded.cores, most = excluded.most",
            (queue.name, queue.cores, most),
        )

    def remove(self, name: str) -> None:
        """Remove a queue that no sweep was submitted to.

        Raises
        ------
        ConfigError
            If there are such sweeps, or if it is the queue that is always there.
        """
        self.check(name)
        used = self._database.row("select 1 from sweep where queue = ?", (name,))
        if used or name == DEFAULT:
            why = "sweeps were submitted to it" if used else "it is always there"
            raise ConfigError(f"The queue {name} cannot be removed: {why}.")
        self._database.write("delete from queue where name = ?", (name,))
