"""Addresses that want to be told of events, and what was sent to them."""

import base64
import json
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from search.ledger.database import Database

# The newest deliveries of a hook that have come to their end and are kept, and those that wait.
_KEPT, _WAITING = 100, 1000


@dataclass(frozen=True)
class Hook:
    """An address that is told of the events of somebody's sweeps.

    Attributes
    ----------
    id : int
    person, url : str
    kinds : tuple of str
        The kinds of events that are sent.
    secret : str
        The secret that signs messages; it is kept in plain form, because signing needs it.
    created_at : float
        Seconds since 1970.
    """

    id: int
    person: str
    url: str
    kinds: tuple[str, ...]
    secret: str
    created_at: float


@dataclass(frozen=True)
class Delivery:
    """One event on its way to one hook.

    Attributes
    ----------
    id : str
        The same for every attempt, so that a receiver knows what it has had.
    hook : int
    kind : str
    body : str
        What is sent, as JSON.
    attempts : int
    due_at : float or None
        When it is tried next, in seconds since 1970; None where it has arrived or was given up.
    outcome : str
        How the last attempt has ended.
    """

    id: str
    hook: int
    kind: str
    body: str
    attempts: int
    due_at: float | None
    outcome: str


class Hooks:
    """Hooks, and deliveries: written in the transaction of their event, so that none is lost.

    Parameters
    ----------
    database : Database
    now : callable
        Returns the seconds since 1970.
    """

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database, self._now = database, now

    def add(self, person: str, url: str, kinds: Sequence[str]) -> Hook:
        """Write a hook down, with its own secret."""
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        cursor = self._database.write(
            "insert into hook (person, url, kinds, secret, created_at) values (?, ?, ?, ?, ?)",
            (person, url, json.dumps(list(kinds)), secret, self._now()),
        )
        return self.get(cursor.lastrowid or 0)

    def get(self, number: int) -> Hook:
        """Return a hook.

        Raises
        ------
        KeyError
            If there is none.
        """
        row = self._database.row("select * from hook where id = ?", (number,))
        if row is None:
            raise KeyError(number)
        return _hook(row)

    def all(self, person: str | None = None) -> list[Hook]:
        """Return the hooks of a person, or of everybody."""
        rows = self._database.rows(
            "select * from hook where ? is null or person = ? order by id", (person, person)
        )
        return [_hook(row) for row in rows]

    def remove(self, number: int) -> None:
        """Remove a hook with what is on its way to it."""
        self._database.write("delete from hook where id = ?", (number,))

    def send(self, event: int, person: str, kind: str, body: dict[str, Any]) -> None:
        """Have the hooks of a person that want it told of an event."""
        for hook in self.all(person):
            if kind in hook.kinds:
                self._insert(f"event_{event}_{hook.id}", hook.id, kind, body, self._now())
                self._give_up(hook.id)

    def _give_up(self, hook: int) -> None:
        """Give up the oldest deliveries of a hook, where more wait than may."""
        given_up = self._database.write(
            "update delivery set due_at = null, outcome = ? where hook = ? and due_at is not null"
            " and number <= (select number from delivery where hook = ? and due_at is not null"
            " order by number desc limit 1 offset ?)",
            (f"given up: {_WAITING:,} newer ones wait", hook, hook, _WAITING),
        )
        if given_up.rowcount:
            self._forget(hook)

    def _forget(self, hook: int) -> None:
        """Keep the newest deliveries of a hook alone, of those that have come to their end."""
        self._database.write(
            "delete from delivery where hook = ? and due_at is null and number <="
            " (select number from delivery where hook = ? and due_at is null"
            " order by number desc limit 1 offset ?)",
            (hook, hook, _KEPT),
        )

    def test(self, hook: Hook) -> Delivery:
        """Return a delivery that tells of nothing, for whoever asks to send it at once."""
        name = f"test_{hook.id}_{secrets.token_hex(5)}"
        self._insert(name, hook.id, "test", {"sweep": None, "person": hook.person}, None)
        return self.delivery(name)

    def _insert(
        self, name: str, hook: int, kind: str, data: dict[str, Any], due_at: float | None
    ) -> None:
        body = json.dumps({"type": kind, "timestamp": self._now(), "data": data})
        self._database.write(
            "insert into delivery (name, hook, kind, body, due_at) values (?, ?, ?, ?, ?)",
            (name, hook, kind, body, due_at),
        )

    def due(self) -> list[Delivery]:
        """Return the deliveries that are to be tried now, one of each hook, the oldest first."""
        rows = self._database.rows(
            "select delivery.* from hook join delivery on delivery.number ="
            " (select number from delivery as waits where waits.hook = hook.id"
            " and waits.due_at <= ? order by number limit 1) order by delivery.number",
            (self._now(),),
        )
        return [_delivery(row) for row in rows]

    def tried(self, delivery: Delivery, outcome: str, due_at: float | None) -> None:
        """Write down how an attempt has ended, and when the next one is; None where there is none.

        Only while nobody else has written down another attempt.
        """
        with self._database.transaction():
            self._database.write(
                "update delivery set attempts = ?, outcome = ?, due_at = ?"
                " where name = ? and attempts = ?",
                (delivery.attempts + 1, outcome, due_at, delivery.id, delivery.attempts),
            )
            self._forget(delivery.hook)

    def delivery(self, name: str) -> Delivery:
        """Return a delivery.

        Raises
        ------
        KeyError
            If there is none.
        """
        row = self._database.row("select * from delivery where name = ?", (name,))
        if row is None:
            raise KeyError(name)
        return _delivery(row)

    def deliveries(self, hook: int, limit: int = _KEPT) -> list[Delivery]:
        """Return the newest deliveries of a hook, the newest first."""
        rows = self._database.rows(
            "select * from delivery where hook = ? order by number desc limit ?", (hook, limit)
        )
        return [_delivery(row) for row in rows]


def _hook(row: sqlite3.Row) -> Hook:
    return Hook(
        row["id"], row["person"], row["url"], tuple(json.loads(row["kinds"])), row["secret"],
        row["created_at"],
    )  # fmt: skip


def _delivery(row: sqlite3.Row) -> Delivery:
    return Delivery(
        row["name"], row["hook"], row["kind"], row["body"], row["attempts"], row["due_at"],
        row["outcome"],
    )  # fmt: skip
