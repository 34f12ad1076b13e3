"""What has happened to sweeps, and what people have done."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from search.ledger.database import Database
from search.ledger.hooks import Hooks
from search.ledger.people import Caller

_KEPT = 100_000
"""The newest events and acts that are kept, of each."""


@dataclass(frozen=True)
class Event:
    """Something that has happened to a sweep.

    Attributes
    ----------
    id : int
        Growing: who has seen one asks for those after it.
    at : float
        Seconds since 1970.
    sweep : str or None
    person : str
        The owner of the sweep.
    kind : str
    detail : dict
    """

    id: int
    at: float
    sweep: str | None
    person: str
    kind: str
    detail: dict[str, Any]


@dataclass(frozen=True)
class Act:
    """Something that somebody has done, or was not allowed to do.

    Attributes
    ----------
    id : int
    at : float
        Seconds since 1970.
    person : str
    token : int or None
    verb, target, outcome : str
    """

    id: int
    at: float
    person: str
    token: int | None
    verb: str
    target: str
    outcome: str


class Events:
    """Events and acts; they grow with what people do, never with trials.

    Parameters
    ----------
    database : Database
    now : callable
        Returns the seconds since 1970.
    hooks : Hooks
        Whoever wants to be told of events.
    """

    def __init__(self, database: Database, now: Callable[[], float], hooks: Hooks) -> None:
        self._database, self._now, self._hooks = database, now, hooks

    def add(self, sweep: str | None, person: str, kind: str, **detail: Any) -> None:
        """Write down an event, and who is to be told of it."""
        with self._database.transaction():
            cursor = self._database.write(
                "insert into event (at, sweep, person, kind, detail) values (?, ?, ?, ?, ?)",
                (self._now(), sweep, person, kind, json.dumps(detail)),
            )
            number = cursor.lastrowid or 0
            self._database.write("delete from event where id <= ?", (number - _KEPT,))
            told = {"sweep": sweep, "person": person, **detail}
            self._hooks.send(number, person, kind, told)

    def after(self, number: int, sweep: str | None = None, limit: int = 1000) -> list[Event]:
        """Return the events after one, the oldest first; of one sweep, where it is named."""
        rows = self._database.rows(
            "select * from event where id > ? and (? is null or sweep = ?) order by id limit ?",
            (number, sweep, sweep, limit),
        )
        return [_event(row) for row in rows]

    def before(
        self, number: int | None = None, sweep: str | None = None, limit: int = 1000
    ) -> list[Event]:
        """Return the newest events, those before one where it is named, the newest first."""
        most = 2**63 - 1 if number is None else number
        if sweep is None:
            rows = self._database.rows(
                "select * from event where id < ? order by id desc limit ?", (most, limit)
            )
        else:
            rows = self._database.rows(
                "select * from event where sweep = ? and id < ? order by id desc limit ?",
                (sweep, most, limit),
            )
        return [_event(row) for row in rows]

    @property
    def newest(self) -> int:
        """The number of the newest event; 0 before the first."""
        row = self._database.row("select coalesce(max(id), 0) from event")
        return int(row[0]) if row else 0

    def record(self, caller: Caller, verb: str, target: str, outcome: str = "done") -> None:
        """Write down what somebody has done."""
        cursor = self._database.write(
            "insert into act (at, person, token, verb, target, outcome) values (?, ?, ?, ?, ?, ?)",
            (self._now(), caller.person, caller.token, verb, target, outcome),
        )
        self._database.write("delete from act where id <= ?", ((cursor.lastrowid or 0) - _KEPT,))

    def acts(self, before: int | None = None, limit: int = 100) -> list[Act]:
        """Return the newest acts, those before one where it is named."""
        rows = self._database.rows(
            "select * from act where (? is null or id < ?) order by id desc limit ?",
            (before, before, limit),
        )
        return [Act(*row) for row in rows]


def _event(row: sqlite3.Row) -> Event:
    number, at, sweep, person, kind, detail = row
    return Event(number, at, sweep, person, kind, json.loads(detail))
