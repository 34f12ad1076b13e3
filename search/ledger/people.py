"""People, what they have used, and the tokens by which they are known."""

import hashlib
import secrets
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from search.errors import ConfigError
from search.ledger.database import Database
from search.queue import Person, decayed, entered

VIEWER, SUBMITTER, ADMIN = "viewer", "submitter", "admin"
"""What a token allows: to look, to submit and change your own sweeps, to change everybody's."""

ROLES = (VIEWER, SUBMITTER, ADMIN)

_BEGINNING = "packsweep_"


@dataclass(frozen=True)
class Caller:
    """Who asks, by the token that was shown.

    Attributes
    ----------
    person : str
    role : str
    token : int
        The token's number, for the audit.
    """

    person: str
    role: str
    token: int

    def may(self, role: str) -> bool:
        """Whether the token allows at least what a role does."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True)
class TokenRow:
    """A token, without what is secret of it.

    Attributes
    ----------
    id : int
    person, role : str
    created_at : float
        Seconds since 1970.
    expires_at, revoked_at : float or None
    """

    id: int
    person: str
    role: str
    created_at: float
    expires_at: float | None
    revoked_at: float | None

    def is_valid(self, now: float) -> bool:
        """Whether it opens anything at a time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class People:
    """Accounts and tokens.

    Parameters
    ----------
    database : Database
    now : callable
        Returns the seconds since 1970.
    """

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database, self._now = database, now

    def add(self, name: str) -> None:
        """Make an account, where there is none of this name."""
        self._database.write(
            "insert or ignore into person (name, used_at) values (?, ?)", (name, self._now())
        )

    def all(self) -> list[Person]:
        """Return everybody, by name, with the use that is left now."""
        now = self._now()
        return [
            _person(row, now) for row in self._database.rows("select * from person order by name")
        ]

    def set_weight(self, name: str, weight: float) -> None:
        """Change somebody's weight.

        Raises
        ------
        ConfigError
            If there is nobody of this name.
        """
        if not self._database.write(
            "update person set weight = ? where name = ?", (weight, name)
        ).rowcount:
            raise ConfigError(f"There is nobody called {name}.")

    def charge(self, name: str, core_seconds: float) -> None:
        """Count core-seconds to somebody; less than none gives back what was counted too much."""
        now = self._now()
        row = self._database.row("select * from person where name = ?", (name,))
        if row is not None:
            self._set_use(name, max(0.0, _person(row, now).use + core_seconds), now)

    def enter(self, name: str, active: Iterable[str]) -> None:
        """Count to somebody who comes back what others have used meanwhile; see `entered`.

        Parameters
        ----------
        name : str
        active : iterable of str
            Who has links to run or running.
        """
        people = {person.name: person for person in self.all()}
        use = entered(people[name], [people[other] for other in active])
        self._set_use(name, use, self._now())

    def _set_use(self, name: str, use: float, now: float) -> None:
        self._database.write(
            "update person set use = ?, used_at = ? where name = ?", (use, now, name)
        )

    def add_token(self, person: str, role: str, expires_at: float | None = None) -> str:
        """Make a token and return it: it is shown this once, and only its digest is kept.

        Raises
        ------
        ConfigError
            If there is no such role.
        """
        if role not in ROLES:
            raise ConfigError(f"There is no role {role!r}; roles are {', '.join(ROLES)}.")
        token = _BEGINNING + secrets.token_urlsafe(32)
        with self._database.transaction():
            self.add(person)
            self._database.write(
                "insert into token (person, role, digest, created_at, expires_at)"
                " values (?, ?, ?, ?, ?)",
                (person, role, _digest(token), self._now(), expires_at),
            )
        return token

    def revoke(self, token: int) -> None:
        """Let a token open nothing any more; again is harmless.

        Raises
        ------
        ConfigError
            If there is none of this number.
        """
        if not self._database.write(
            "update token set revoked_at = coalesce(revoked_at, ?) where id = ?",
            (self._now(), token),
        ).rowcount:
            raise ConfigError(f"There is no token {token}.")

    def tokens(self) -> list[TokenRow]:
        """Return all tokens, the oldest first."""
        rows = self._database.rows(
            "select id, person, role, created_at, expires_at, revoked_at from token order by id"
        )
        return [TokenRow(*row) for row in rows]

    def valid(self) -> set[int]:
        """Return the numbers of the tokens that open something now."""
        now = self._now()
        return {token.id for token in self.tokens() if token.is_valid(now)}

    def caller(self, token: str) -> Caller | None:
        """Return who shows a token, waiting for nobody; None if unknown, revoked or expired."""
        row = self._database.look(
            "select id, person, role, created_at, expires_at, revoked_at from token"
            " where digest = ?",
            (_digest(token),),
        )
        if row is None or not TokenRow(*row).is_valid(self._now()):
            return None
        return Caller(row["person"], row["role"], row["id"])


def _person(row: sqlite3.Row, now: float) -> Person:
    return Person(row["name"], row["weight"], decayed(row["use"], now - row["used_at"]))


def _digest(token: str) -> bytes:
    # Random and long, so that a plain digest is enough: there is nothing to guess.
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
