"""The sweeps that were submitted: what was asked for, what is wanted, how they have ended."""

import json
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from model.errors import UsageError
from search.ledger.database import Database
from search.queue import RUN, wanted_after


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What somebody submits, checked.

    Attributes
    ----------
    person : str
    queue : str
    priority : int
    name : str
        The grid's name.
    settings : dict
        The settings of `SweepConfig`, as JSON takes them.
    options : dict
        What else the command would be given: final trainings, optima, runs to reuse.
    dataset : dict
        Name and fingerprint of the data set.
    total : int
        Trials.
    folder : callable
        Returns the path of the run's folder for the sweep's identity.
    request_digest : bytes
        The digest of the whole request, to tell a retry from another request with its key.
    idempotency_key : str or None
        Two requests with the same key make one sweep.
    """

    person: str
    queue: str
    priority: int
    name: str
    settings: Mapping[str, Any]
    options: Mapping[str, Any]
    dataset: Mapping[str, Any]
    total: int
    folder: Callable[[str], str]
    request_digest: bytes
    idempotency_key: str | None = None


@dataclass(frozen=True)
class SweepRow:
    """A sweep as it is in the ledger.

    Attributes
    ----------
    place : int
        The number of its submission.
    id : str
    person, queue : str
    priority : int
    name : str
    settings, options, dataset : dict
        As of `Submission`.
    total : int
    folder : str
    wanted : str
        What was asked for last; see `search.queue.wanted_after`.
    ended : str or None
        How it has ended; None before that.
    reason : str
        Why it has ended, or why it cannot go on now.
    result : dict
        What an ended sweep has come to, in few figures: whoever lists sweeps reads no run folder.
    submitted_at : float
        Seconds since 1970.
    started_at, ended_at : float or None
        When its first task started, and when it ended.
    """

    place: int
    id: str
    person: str
    queue: str
    priority: int
    name: str
    settings: dict[str, Any]
    options: dict[str, Any]
    dataset: dict[str, Any]
    total: int
    folder: str
    wanted: str
    ended: str | None
    reason: str
    result: dict[str, Any]
    submitted_at: float
    started_at: float | None
    ended_at: float | None


_COLUMNS = (
    "place, id, person, queue, priority, name, settings, options, dataset, total, folder, wanted,"
    " ended, reason, result, submitted_at, started_at, ended_at"
)


Which = Literal["live", "ended"]

# How pages go on behind a place: who is chosen, what comes behind it, and in which order.
_PAGES: dict[Which | None, tuple[str, str, str]] = {
    None: ("true", "place < ?", "place desc"),
    "live": ("ended is null", "place < ?", "place desc"),
    "ended": (
        "ended is not null",
        "(ended_at, place) < (select ended_at, place from sweep where place = ?)",
        "ended_at desc, place desc",
    ),
}


class RepeatedKeyError(UsageError):
    """An idempotency key was used before, for something else."""


class Sweeps:
    """All sweeps that were ever submitted.

    Parameters
    ----------
    database : Database
    now : callable
        Returns the seconds since 1970.
    """

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database, self._now = database, now

    def submit(self, submission: Submission) -> tuple[SweepRow, bool]:
        """Write a sweep down, unless the same request has done so before.

        Returns
        -------
        row : SweepRow
        is_new : bool

        Raises
        ------
        RepeatedKeyError
            If the idempotency key was used for another request.
        """
        with self._database.transaction():
            known = self.repeated(
                submission.person, submission.idempotency_key, submission.request_digest
            )
            if known:
                return known, False
            return self._insert(submission), True

    def repeated(self, person: str, key: str | None, digest: bytes) -> SweepRow | None:
        """Return the sweep that a request has submitted before; None where it is a new one.

        Raises
        ------
        RepeatedKeyError
            If the idempotency key was used for another request.
        """
        if key is None:
            return None
        row = self._database.row(
            f"select request_digest, {_COLUMNS} from sweep"  # noqa: S608 - names of columns
            " where person = ? and idempotency_key = ?",
            (person, key),
        )
        if row is None:
            return None
        if row["request_digest"] != digest:
            raise RepeatedKeyError(
                f"The idempotency key {key!r} was used for another request. Give each request "
                "its own key."
            )
        return _sweep(row)

    def _insert(self, sub: Submission) -> SweepRow:
        sweep = secrets.token_hex(5)
        columns = {
            "id": sweep, "person": sub.person, "queue": sub.queue, "priority": sub.priority,
            "name": sub.name, "settings": json.dumps(sub.settings),
            "options": json.dumps(sub.options), "dataset": json.dumps(sub.dataset),
            "total": sub.total, "folder": sub.folder(sweep),
            "idempotency_key": sub.idempotency_key, "request_digest": sub.request_digest,
            "wanted": RUN, "submitted_at": self._now(),
        }  # fmt: skip
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        self._database.write(
            f"insert into sweep ({names}) values ({marks})",  # noqa: S608 - names of columns
            tuple(columns.values()),
        )
        return self.get(sweep)

    def get(self, sweep: str) -> SweepRow:
        """Return a sweep.

        Raises
        ------
        KeyError
            If there is none, or it was removed.
        """
        row = self._database.row(
            f"select {_COLUMNS} from sweep where id = ? and removed_at is null",  # noqa: S608
            (sweep,),
        )
        if row is None:
            raise KeyError(sweep)
        return _sweep(row)

    def find(self, sweep: str) -> SweepRow | None:
        """Return a sweep; None where there is none any more."""
        try:
            return self.get(sweep)
        except KeyError:
            return None

    def live(self) -> list[SweepRow]:
        """Return the sweeps that have not ended, in the order of their submission."""
        return self._select("ended is null and removed_at is null order by place")

    def ended_before(self, moment: float) -> list[SweepRow]:
        """Return the sweeps that ended before a moment, in seconds since 1970."""
        return self._select("ended_at < ? and removed_at is null order by place", (moment,))

    def page(
        self, before: int | None = None, limit: int = 50, person: str | None = None,
        which: Which | None = None,
    ) -> list[SweepRow]:  # fmt: skip
        """Return sweeps, a page at a time.

        Parameters
        ----------
        before : int, optional
            The place of the last one of the page before this one; it may have been removed since.
        limit : int
        person : str, optional
            Whose they are.
        which : {"live", "ended"}, optional
            Those that have not ended, or those that have; all where it is left out.

        Returns
        -------
        list of SweepRow
            The newest first; of those that have ended the last that did so.
        """
        chosen, goes_on, order = _PAGES[which]
        return self._select(
            f"removed_at is null and {chosen} and (? is null or {goes_on})"
            f" and (? is null or person = ?) order by {order} limit ?",
            (before, before, person, person, limit),
        )

    def _select(self, where: str, values: tuple[Any, ...] = ()) -> list[SweepRow]:
        rows = self._database.rows(
            f"select {_COLUMNS} from sweep where {where}",  # noqa: S608 - texts of this file
            values,
        )
        return [_sweep(row) for row in rows]

    def want(self, sweep: str, asked: str) -> SweepRow:
        """Write down what is asked of a sweep.

        Raises
        ------
        KeyError
            If there is none.
        ValueError
            If that cannot be any more; the message is for the user.
        """
        with self._database.transaction():
            row = self.get(sweep)
            wanted = wanted_after(row.wanted, asked, row.ended)
            # Who asks again has read why it could not go on.
            self._database.write(
                "update sweep set wanted = ?, reason = case when ended is null then '' else reason"
                " end where id = ?",
                (wanted, sweep),
            )
            return self.get(sweep)

    def move(
        self, sweep: str, *, priority: int | None = None, queue: str | None = None,
        name: str | None = None,
    ) -> SweepRow:  # fmt: skip
        """Give a sweep another priority, another queue or another name."""
        with self._database.transaction():
            self.get(sweep)
            self._database.write(
                "update sweep set priority = coalesce(?, priority), queue = coalesce(?, queue),"
                " name = coalesce(?, name) where id = ?",
                (priority, queue, name, sweep),
            )
            return self.get(sweep)

    def started(self, sweep: str) -> None:
        """Write down that its first task has started; later ones change nothing."""
        self._database.write(
            "update sweep set started_at = coalesce(started_at, ?) where id = ?",
            (self._now(), sweep),
        )

    def busy_seconds(self, sweep: str) -> float:
        """Return the seconds, until now, in which a task of a sweep was running."""
        row = self._database.row(
            "select busy_seconds + max(0.0, ? - coalesce(busy_since, ?)) from sweep where id = ?",
            (now := self._now(), now, sweep),
        )
        return float(row[0]) if row else 0.0

    def held_up(self, sweep: str, reason: str) -> None:
        """Write down why a sweep cannot go on now; it is tried again."""
        self._database.write(
            "update sweep set reason = ? where id = ? and ended is null", (reason, sweep)
        )

    def end(
        self, sweep: str, how: str, reason: str = "", result: Mapping[str, Any] | None = None
    ) -> bool:
        """Write down how a sweep has ended, once.

        Returns
        -------
        bool
            False where that stood there before.
        """
        changed = self._database.write(
            "update sweep set ended = ?, reason = ?, result = ?, ended_at = ?"
            " where id = ? and ended is null",
            (how, reason, json.dumps(result or {}), self._now(), sweep),
        )
        return bool(changed.rowcount)

    def remove(self, sweep: str) -> None:
        """Let a sweep be seen no more; its place and its idempotency key stay taken."""
        self._database.write("update sweep set removed_at = ? where id = ?", (self._now(), sweep))


def _sweep(row: sqlite3.Row) -> SweepRow:
    values = {name: row[name] for name in _COLUMNS.replace(" ", "").split(",")}
    for name in ("settings", "options", "dataset", "result"):
        values[name] = json.loads(values[name])
    return SweepRow(**values)
