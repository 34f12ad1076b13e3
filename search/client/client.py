"""Asks a service, and asks again where an answer was lost."""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import httpx2

from model.errors import PacksweepError, UsageError
from search.client.hooks import Hooks
from search.client.stream import Told, told_by
from search.command import program
from search.errors import ConfigError

TOKEN = "PACKSWEEP_TOKEN"  # noqa: S105 - the name of the variable
"""The variable of the environment that holds the token of a command."""

_ATTEMPTS = 5

# Before the second attempt; twice as long before each other one.
_PAUSE_SECONDS = 0.2

# What another attempt may fix.
_AGAIN = frozenset({429, 502, 503, 504})

_CHUNK = 2**20

ENDED = ("done", "failed", "cancelled")
"""The states that a sweep does not leave."""


class ServiceError(PacksweepError):
    """A service refuses, or cannot be reached.

    Parameters
    ----------
    message : str
    status : int
        The status of the answer; 0 if there was none.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
        if 400 <= status < 500:
            self.exit_code = UsageError.exit_code


class Client:
    """A service, by its address.

    Every request is safe to be sent again, so that a lost answer costs a moment and doubles
    nothing: what is submitted carries a key under which it is one sweep.

    Parameters
    ----------
    url : str
        Such as ``http://127.0.0.1:8741``.
    token : str
        As ``search.serve token add`` prints it.
    timeout : float
        Seconds to wait for an answer.
    transport : httpx2.BaseTransport, optional
        How requests travel, for tests.

    Raises
    ------
    ConfigError
        If the address is none.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = 60.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(
                f"{url!r} is not an address of a service; give one such as http://127.0.0.1:8741."
            )
        self.url = url.rstrip("/")
        # The sweep that was looked at last: its path, what tells one state from another, its JSON.
        self._newest = ("", "", b"")
        try:
            self._http = httpx2.Client(
                base_url=f"{self.url}/v1/", timeout=timeout, transport=transport,
                headers={"Authorization": f"Bearer {token}"},
            )  # fmt: skip
        except (httpx2.InvalidURL, UnicodeError, ValueError) as error:
            raise ConfigError(f"{url!r} or its token cannot be used: {error}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # --- Sweeps.

    @property
    def hooks(self) -> Hooks:
        """Addresses that get events."""
        return Hooks(self)

    def me(self) -> dict[str, Any]:
        """Return the owner of the token."""
        return self._json("GET", "me")

    def submit(
        self,
        grid: str | Mapping[str, Any] | None = None,
        *,
        toml: str | None = None,
        key: str | None = None,
        **settings: Any,
    ) -> dict[str, Any]:
        """Submit a sweep and return it.

        Parameters
        ----------
        grid : str or mapping, optional
            Name of a shipped grid, or a table as a grid file has it.
        toml : str, optional
            The text of a grid file, in place of `grid`.
        key : str, optional
            Key that makes it one sweep, however often it is submitted; by default a new one.
        **settings
            ``name``, ``dataset``, ``trainer``, ``seed``, ``seeds``, ``sampler``, ``trials``,
            ``objective``, ``metrics``, ``products``, ``pruner``, ``target``, ``weights``,
            ``missing``, ``keys``, ``refits``, ``optimum``, ``budget``, ``target_value``,
            ``patience``, ``queue`` and ``priority``, as the command line has them.

        Returns
        -------
        dict
            With ``id``, ``state``, ``reason``, ``position``, ``total``, ``finished``, ``best``.

        Raises
        ------
        ServiceError
            If the service refuses, with its message.
        """
        body = _body(grid, toml, settings)
        return self._json("POST", "sweeps", json=body, headers=_key(key))

    def plan(
        self,
        grid: str | Mapping[str, Any] | None = None,
        *,
        toml: str | None = None,
        **settings: Any,
    ) -> dict[str, Any]:
        """Return what a sweep would do, without submitting it."""
        return self._json("POST", "plan", json=_body(grid, toml, settings))

    def get(self, sweep: str) -> dict[str, Any]:
        """Return a sweep with its settings and its newest links."""
        path = f"sweeps/{sweep}"
        known, tag, content = self._newest
        asked = {"If-None-Match": tag} if known == path and tag else {}
        answer = self._send("GET", path, headers=asked)
        if answer.status_code != 304:  # it is another one than at the last look
            content = answer.content
            self._newest = path, answer.headers.get("ETag", ""), content
        found: dict[str, Any] = _read(content, self.url)
        return found

    def status(self, sweep: str) -> dict[str, Any]:
        """Return how a sweep stands, with the keys of ``packsweep schema status``."""
        return self._json("GET", f"sweeps/{sweep}/status")

    def sweeps(self, *, mine: bool = False) -> Iterator[dict[str, Any]]:
        """Yield all sweeps, the newest first."""
        before: int | None = None
        while True:
            asked = {"mine": mine, "limit": 200} | ({} if before is None else {"before": before})
            page = self._json("GET", "sweeps", params=asked)
            yield from page["sweeps"]
            before = page["before"]
            if before is None:
                return

    def change(self, sweep: str, **changes: Any) -> dict[str, Any]:
        """Change a sweep's requested state, priority, queue or name.

        The keys are ``wanted``, ``priority``, ``queue`` and ``name``.
        """
        return self._json("PATCH", f"sweeps/{sweep}", json=changes)

    def clone(self, sweep: str, *, key: str | None = None, **changes: Any) -> dict[str, Any]:
        """Submit a sweep again: with another ``space``, ``settings``, ``name`` and so on."""
        return self._json("POST", f"sweeps/{sweep}/clone", json=changes, headers=_key(key))

    def delete(self, sweep: str, *, dry_run: bool = False) -> int:
        """Delete a sweep that has ended, with its files; return the bytes that this frees.

        With ``dry_run`` they are only counted.
        """
        params = {"dry_run": dry_run}
        return int(self._json("DELETE", f"sweeps/{sweep}", params=params)["bytes"])

    def wait(self, sweep: str, seconds: float = 0.5) -> dict[str, Any]:
        """Return a sweep once it has ended, looking every so many seconds."""
        while (found := self.get(sweep))["state"] not in ENDED:
            time.sleep(seconds)
        return found

    # --- Results.

    def trials(
        self, sweep: str, *, order: str = "number", columns: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Yield the trials that have a row, in the order of a column.

        Parameters
        ----------
        sweep : str
        order : str
            A column; the greatest come first where it begins with a minus.
        columns : str
            Names with commas; all where left out.
        """
        after: str | None = None
        while True:
            asked = {"order": order, "columns": columns, "limit": 1000}
            page = self._json(
                "GET", f"sweeps/{sweep}/trials",
                params=asked | ({} if after is None else {"after": after}),
            )  # fmt: skip
            for row in page["rows"]:
                yield dict(zip(page["columns"], row, strict=True))
            after = page["after"]
            if after is None:
                return

    def log(self, sweep: str, form: str = "arrow") -> bytes:
        """Return the whole log as a stream of Arrow, or as ``csv``."""
        return self._send("GET", f"sweeps/{sweep}/log", params={"form": form}).content

    def file(self, sweep: str, name: str) -> bytes:
        """Return a file: model, report, summary, manifest, messages or links."""
        return self._send("GET", f"sweeps/{sweep}/files/{name}").content

    def folder(self, sweep: str) -> bytes:
        """Return the run folder as a tar archive, without what only goes on with it needs."""
        return self._send("GET", f"sweeps/{sweep}/folder").content

    def events(self, sweep: str | None = None, after: int | None = None) -> Iterator[Told]:
        """Yield what happens, as it happens, without end; a connection that breaks is made again.

        Parameters
        ----------
        sweep : str, optional
            The sweep; by default all.
        after : int, optional
            The number of an event: those after it come first.
        """
        params = {} if sweep is None else {"sweep": sweep}
        failures = 0
        while True:
            headers = {} if after is None else {"Last-Event-ID": str(after)}
            try:
                with self._http.stream(
                    "GET", "events", params=params, headers=headers, timeout=60.0
                ) as answer:
                    if answer.status_code != 200:
                        answer.read()
                        raise _refused(answer)
                    failures = 0
                    for told in told_by(answer.iter_lines()):
                        after = told.id if told.id is not None else after
                        yield told
            except httpx2.TransportError as error:
                failures += 1
                if failures == _ATTEMPTS:
                    raise self._unreachable(error) from error
                time.sleep(_PAUSE_SECONDS * 2**failures)

    # --- Data sets.

    def upload(self, path: Path) -> str:
        """Upload a data set and return the name by which sweeps name it; twice is once."""

        def parts() -> Iterator[bytes]:
            with path.open("rb") as file:
                while part := file.read(_CHUNK):
                    yield part

        return str(self._json("PUT", f"datasets/{_file_name(path)}", parts=parts)["name"])

    # --- How it is asked.

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Send a request to a path of the API, and return what the JSON of its answer says."""
        answer = self._send(method, path, **options)
        if answer.status_code == 204:
            return None
        return _read(answer.content, self.url)

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(method, path, **options)
        return found

    def _send(
        self,
        method: str,
        path: str,
        parts: Callable[[], Iterator[bytes]] | None = None,
        *,
        again: bool = True,
        **options: Any,
    ) -> httpx2.Response:
        if "json" in options:
            options = _encoded(options)
        attempts = _ATTEMPTS if again else 1
        for attempt in range(attempts):
            try:
                if parts:
                    options["content"] = parts()
                answer = self._http.request(method, path, **options)
            except httpx2.TransportError as error:
                if attempt == attempts - 1:
                    raise self._unreachable(error) from error
                time.sleep(_PAUSE_SECONDS * 2**attempt)
                continue
            if answer.status_code in _AGAIN and attempt < attempts - 1:
                time.sleep(_wait_of(answer, _PAUSE_SECONDS * 2**attempt))
                continue
            break
        if answer.is_error:
            raise _refused(answer)
        return answer

    def _unreachable(self, error: Exception) -> ServiceError:
        reason = " ".join(str(error).split()) or type(error).__name__
        return ServiceError(
            f"The service at {self.url} cannot be reached: {reason}. Check that it runs and that "
            "the address is right."
        )


def _encoded(options: dict[str, Any]) -> dict[str, Any]:
    """Return options of a request with a body that says all that Python does, NaN and half letters.

    Whether they are allowed there is the service's to say, in its words.
    """
    try:
        content = json.dumps(options["json"], separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"The request is not JSON: {error}. Send texts, numbers, lists and tables."
        ) from error
    others = {name: option for name, option in options.items() if name != "json"}
    headers = {**(options.get("headers") or {}), "Content-Type": "application/json"}
    return {**others, "content": content, "headers": headers}


def _read(content: bytes, url: str) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise ServiceError(f"{url} answers with no JSON; is it a service?") from error


def client_of(url: str) -> Client:
    """Return the client of a command, whose token is in the environment.

    Raises
    ------
    ConfigError
        If there is none.
    """
    token = os.environ.get(TOKEN)
    if not token:
        raise ConfigError(
            f"--server {url} needs a token: put it into the environment as {TOKEN}. An "
            f"administrator gives one with {program('serve')} token add."
        )
    return Client(url, token.strip())


def _key(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key or uuid.uuid4().hex}


def _body(
    grid: str | Mapping[str, Any] | None, toml: str | None, settings: Mapping[str, Any]
) -> dict[str, Any]:
    body = {"grid": grid, "toml": toml, **settings}
    return {name: value for name, value in body.items() if value is not None}


def _refused(answer: httpx2.Response) -> ServiceError:
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"The service answers {answer.status_code} {answer.reason_phrase}."
    return ServiceError(detail, answer.status_code)


def _wait_of(answer: httpx2.Response, least: float) -> float:
    text = answer.headers.get("Retry-After", "")
    return min(30.0, max(least, float(text))) if text.isdecimal() else least


def _file_name(path: Path) -> str:
    """Return a name that the service takes, with the ending of the file."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in path.name)
    return f"x{plain[-90:]}" if not plain[:1].isalnum() else plain[-90:]
