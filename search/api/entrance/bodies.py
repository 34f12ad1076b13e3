"""Bodies that are too large or mean two things, and headers that every answer has."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

from search.api.problems import problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CALLER = "packsweep.caller"
"""Where the scope of a request has its caller."""

MOST_BYTES = 2**20
"""Bytes of a body, but for data sets."""

BODY_SECONDS = 30.0
"""In which such a body must have come."""

DROPPED_SECONDS = 2.0
"""How long the body of who is refused may come, so that the answer is read."""

LAST = {"Connection": "close"}
"""The header of an answer behind which a connection is closed."""

# Letters of a name that are shown.
_LONGEST = 40

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


class Headers:
    """Adds headers to all answers.

    Parameters
    ----------
    app : callable
        The rest of the service, by ASGI.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message.get("headers", [])}
                more = [header for header in _HEADERS if header[0] not in given]
                message["headers"] = [*message.get("headers", []), *more]
            await send(message)

        await self._app(scope, receive, with_headers)


class Guard:
    """Refuses bodies that are too large before they are read.

    A body is read of a caller alone: nothing that is open to everybody needs one, and who sends
    half of one would keep a connection from making room for others.

    Parameters
    ----------
    app : callable
        The rest of the service, by ASGI.
    unlimited : str
        The beginning of the paths to which data sets are sent, which count their bytes themselves.
    """

    def __init__(self, app: App, unlimited: str) -> None:
        self._app, self._unlimited = app, unlimited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["path"].startswith(self._unlimited):
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > MOST_BYTES:
            await _refuse(scope, receive, send)
            return
        if CALLER not in scope:
            await self._app(scope, _giving(b"", receive), send)
            return
        await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body first, which is small, so that what is too large is refused whole."""
        try:
            body = await asyncio.wait_for(_body(receive), BODY_SECONDS)
        except TimeoutError:
            late = problem(408, f"The body has not come within {BODY_SECONDS:g} s.", LAST)
            await late(scope, receive, send)
            return
        if body is None:
            return  # the client has left
        if len(body) > MOST_BYTES:
            await _refuse(scope, receive, send)
            return
        await self._app(scope, _giving(body, receive), send)


def _giving(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body whole, and then whatever comes."""
    given = False

    async def give() -> Message:
        nonlocal given
        if given:
            return await receive()  # that the client leaves, some time
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give


async def _body(receive: Receive) -> bytes | None:
    """Return a body, or as much of it as is too much; None where the client leaves."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > MOST_BYTES or not message.get("more_body"):
            return bytes(body)


async def dropped(scope: Scope, receive: Receive) -> bool:
    """Take a body of whoever is refused, a moment long, and keep nothing of it.

    Its sender can read the answer then: one that is still sending may see no more than that the
    connection is gone.

    Returns
    -------
    bool
        Whether it has come whole; else the connection is to be closed behind the answer.
    """
    headers = dict(scope["headers"])
    if headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers:
        return True
    if b"expect" in headers:  # who waits to be told to go on has sent nothing
        return False
    try:
        return await asyncio.wait_for(_dropped(receive), DROPPED_SECONDS)
    except TimeoutError:
        return False


async def _dropped(receive: Receive) -> bool:
    size = 0
    while size <= MOST_BYTES:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            return True
    return False


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    answer = problem(413, f"The body has more than {MOST_BYTES:,} bytes, which is the most.")
    await answer(scope, receive, send)


class OneMeaning(APIRoute):
    """A route that refuses a body in which a name stands twice, of which JSON takes the last."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def read_once(request: Request) -> Response:
            return await answer(_Request(request.scope, request.receive))

        return read_once


class _Request(Request):
    async def json(self) -> Any:
        body = await self.body()
        try:
            return json.loads(body, object_pairs_hook=_table)
        except (json.JSONDecodeError, HTTPException):
            raise
        except UnicodeDecodeError as error:
            raise HTTPException(400, "The body is not UTF-8 text, as JSON must be.") from error
        except RecursionError as error:
            raise HTTPException(400, "The body is nested too deeply to be read.") from error
        except ValueError as error:  # of an integer, the only one that is left
            raise HTTPException(
                400, "The body has a whole number with more digits than any setting takes."
            ) from error


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        shown = twice if len(twice) <= _LONGEST else f"{twice[:_LONGEST]}..."
        raise HTTPException(422, f"{shown!r} occurs twice in one table of the body: give it once.")
    return found
