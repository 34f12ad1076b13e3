"""Leases: links that run, or that a worker may still be running."""

from collections.abc import Callable
from dataclasses import dataclass

from search.ledger.database import Database
from search.ledger.people import People


@dataclass(frozen=True)
class LeaseRow:
    """A lease as it is in the ledger.

    Attributes
    ----------
    id : int
        Never given twice: what comes under another one is late, and is refused.
    sweep, queue, person : str
    cores : float
    name : str
        What runs, for people.
    seconds : float
        What it should take.
    started_at : float
        Seconds since 1970.
    """

    id: int
    sweep: str
    queue: str
    person: str
    cores: float
    name: str
    seconds: float
    started_at: float


class Leases:
    """What runs; what of a quota is used is the sum of these rows, and is kept nowhere else.

    Parameters
    ----------
    database : Database
    people : People
        Who is charged.
    now : callable
        Returns the seconds since 1970.
    """

    def __init__(self, database: Database, people: People, now: Callable[[], float]) -> None:
        self._database, self._people, self._now = database, people, now

    def start(self, sweep: str, cores: float, seconds: float, name: str) -> LeaseRow:
        """Write down that something starts, and count it to the sweep's person in full."""
        with self._database.transaction():
            row = self._database.row("select person, queue from sweep where id = ?", (sweep,))
            if row is None:
                raise ValueError(f"there is no sweep {sweep}")
            person, queue = row
            now = self._now()
            cursor = self._database.write(
                "insert into lease (sweep, queue, cores, name, seconds, started_at)"
                " values (?, ?, ?, ?, ?, ?)",
                (sweep, queue, cores, name, seconds, now),
            )
            self._people.charge(person, cores * seconds)
            self._database.write(
                "update sweep set busy_since = coalesce(busy_since, ?) where id = ?", (now, sweep)
            )
        lease = int(cursor.lastrowid or 0)
        return LeaseRow(lease, sweep, queue, person, cores, name, seconds, now)

    def end(self, lease: LeaseRow) -> bool:
        """Write down that a lease has ended, and count what it took instead of what it should.

        Returns
        -------
        bool
            False where it had ended before: what comes with it is late.
        """
        with self._database.transaction():
            gone = self._database.write("delete from lease where id = ?", (lease.id,)).rowcount
            if gone:
                now = self._now()
                took = max(0.0, now - lease.started_at)
                self._people.charge(lease.person, lease.cores * (took - lease.seconds))
                # Counted at each end, so that a kill costs the count one task at most.
                self._database.write(
                    "update sweep set busy_seconds = busy_seconds"
                    " + max(0.0, ? - coalesce(busy_since, ?)),"
                    " busy_since = iif("
                    "exists(select * from lease where lease.sweep = sweep.id), ?, null)"
                    " where id = ?",
                    (now, now, now, lease.sweep),
                )
        return bool(gone)

    def forget_all(self) -> int:
        """Forget what an earlier process has left, whose tasks died with it; return how many."""
        with self._database.transaction():
            self._database.write("update sweep set busy_since = null")
            return self._database.write("delete from lease").rowcount

    def all(self) -> list[LeaseRow]:
        """Return all leases, the oldest first."""
        rows = self._database.rows(
            "select lease.id, sweep, lease.queue, person, cores, lease.name, seconds,"
            " lease.started_at from lease join sweep on sweep.id = lease.sweep order by lease.id"
        )
        return [LeaseRow(*row) for row in rows]
