"""The SQLite file: its tables, and transactions that are whole or absent."""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from search.errors import StoreError

VERSION = 4
"""Version of the tables; an earlier file gets what it lacks, a later one is refused."""

_TABLES = """
create table person (
    name text primary key,
    weight real not null default 1.0 check (weight > 0),
    use real not null default 0.0 check (use >= 0),  -- core-seconds, decayed until used_at
    used_at real not null
) strict;

create table token (
    id integer primary key,
    person text not null references person (name),
    role text not null check (role in ('viewer', 'submitter', 'admin')),
    digest blob not null unique,  -- SHA-256: the token itself is shown once and kept nowhere
    created_at real not null,
    expires_at real,
    revoked_at real
) strict;

create table queue (
    name text primary key,
    cores real not null check (cores >= 0),
    most real check (most > 0)  -- null: as many as there are
) strict;

create table sweep (
    place integer primary key autoincrement,
    id text not null unique,
    person text not null references person (name),
    queue text not null references queue (name),
    priority integer not null,
    name text not null,
    settings text not null,
    options text not null,
    dataset text not null,
    total integer not null,
    folder text not null,
    idempotency_key text,
    request_digest blob not null,
    wanted text not null check (wanted in ('run', 'pause', 'stop', 'cancel')),
    ended text check (ended in ('done', 'cancelled', 'failed')),
    reason text not null default '',
    result text not null default '{}',
    submitted_at real not null,
    started_at real,
    ended_at real,
    removed_at real,
    unique (person, idempotency_key)
) strict;
create index live on sweep (place) where ended is null;

create table lease (
    id integer primary key autoincrement,
    sweep text not null references sweep (id),
    queue text not null,
    cores real not null,
    name text not null,
    seconds real not null,  -- what it should take; counted to its person when it starts
    started_at real not null
) strict;

create table event (
    id integer primary key autoincrement,
    at real not null,
    sweep text,
    person text not null,
    kind text not null,
    detail text not null
) strict;
create index event_of_sweep on event (sweep, id);

create table act (
    id integer primary key autoincrement,
    at real not null,
    person text not null,
    token integer,
    verb text not null,
    target text not null,
    outcome text not null
) strict;
"""

# Since version 2.
_HOOKS = """
create table hook (
    id integer primary key autoincrement,
    person text not null references person (name),
    url text not null,
    kinds text not null,
    secret text not null,
    created_at real not null
) strict;

create table delivery (
    number integer primary key autoincrement,
    name text not null unique,
    hook integer not null references hook (id) on delete cascade,
    kind text not null,
    body text not null,
    attempts integer not null default 0,
    due_at real,  -- null: it has arrived, or was given up
    outcome text not null default ''
) strict;
create index due on delivery (due_at) where due_at is not null;
"""

# Since version 3: the seconds in which a sweep had a task running, and since when it has one now.
_BUSY = """
alter table sweep add column busy_seconds real not null default 0.0;
alter table sweep add column busy_since real;
"""

# Since version 4: of each hook what waits, in order, with when it is due; no body is read for it.
_DUE = """
drop index due;
create index due on delivery (hook, number, due_at) where due_at is not null;
"""

_STEPS = (_TABLES, _HOOKS, _BUSY, _DUE)
"""What makes a file of each version one of the next."""


class LedgerError(StoreError):
    """The ledger cannot be read or written."""


class Database:
    """One connection of a process to the file, for all of its threads, and one to look through.

    Parameters
    ----------
    path : Path
        Made where it is missing, for its owner alone.

    Raises
    ------
    LedgerError
        If it is not a ledger, or one of another version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Held in a transaction, and while a reader looks.
        self._lock = threading.RLock()
        # Held while `_looking` is used.
        self._look_lock = threading.Lock()
        # How many transactions of this thread are open, one in the other.
        self._depth = 0
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                self._open()
                # For what must not wait for a transaction, as the loop of a server; never written
                # through, so that it notices every change.
                self._looking = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
                self._looking.row_factory = sqlite3.Row
                self._looking.execute("pragma query_only = on")
            except BaseException:
                self._connection.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"The ledger {path} cannot be opened: {error}.") from error

    def _open(self) -> None:
        connection = self._connection
        connection.row_factory = sqlite3.Row
        connection.execute("pragma journal_mode = wal")
        # A transaction outlives the death of the process; that of the machine may take the newest.
        connection.execute("pragma synchronous = normal")
        connection.execute("pragma foreign_keys = on")
        if self._file_version() != VERSION:
            with self.transaction():
                # Again: another process may have made it one of this version meanwhile.
                self._step_up(self._file_version())

    def _file_version(self) -> int:
        return int(self._connection.execute("pragma user_version").fetchone()[0])

    def _step_up(self, version: int) -> None:
        if version > VERSION:
            raise LedgerError(
                f"The ledger {self.path} has version {version}, and this program reads {VERSION}. "
                "Use the program that wrote it, or start in another folder."
            )
        for step in _STEPS[version:]:
            for statement in step.split(";\n"):
                self.write(statement)
        self.write(f"pragma user_version = {VERSION}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Let all that is written inside be there, or nothing of it.

        Raises
        ------
        LedgerError
            If the disk refuses.
        """
        with self._lock:
            if self._depth == 0:
                self._run("begin immediate")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._connection.rollback()
                raise
            self._depth -= 1
            if self._depth == 0:
                self._run("commit")

    def write(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run a statement that changes rows."""
        with self._lock:
            return self._run(statement, values)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return the rows of a query."""
        with self._lock:
            return self._run(query, values).fetchall()

    def row(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Row | None:
        """Return the first row of a query; None where there is none."""
        with self._lock:
            found: sqlite3.Row | None = self._run(query, values).fetchone()
            return found

    def look(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Row | None:
        """Return the first row of a query as of the last transaction, and wait for none."""
        with self._look_lock:
            found: sqlite3.Row | None = self._run(query, values, self._looking).fetchone()
            return found

    @property
    def version(self) -> int:
        """What is another after each transaction, by this process or another one."""
        row = self.look("pragma data_version")
        return int(row[0]) if row else 0

    def _run(
        self,
        statement: str,
        values: Sequence[Any] = (),
        connection: sqlite3.Connection | None = None,
    ) -> sqlite3.Cursor:
        try:
            return (connection or self._connection).execute(statement, values)
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise LedgerError(
                f"The ledger {self.path} cannot be used: {error}. What was trained is safe in the "
                "run folders."
            ) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock, self._look_lock:
            self._looking.close()
            self._connection.close()
