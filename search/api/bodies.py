"""Requests that are too large, and headers that every answer has."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from search.api.problems import problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_BYTES = 2**20
"""Bytes of a body, but for data sets."""

BODY_SECONDS = 30.0
"""In which such a body must have come."""

_LAST = {"Connection": "close"}

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


class Guard:
    """Refuses bodies that are too large before they are read, and adds headers to all answers.

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
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message.get("headers", [])}
                more = [header for header in _HEADERS if header[0] not in given]
                message["headers"] = [*message.get("headers", []), *more]
            await send(message)

        if scope["path"].startswith(self._unlimited):
            await self._app(scope, receive, with_headers)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > MOST_BYTES:
            await _refuse(scope, receive, with_headers)
            return
        await self._counted(scope, receive, with_headers)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body first, which is small, so that what is too large is refused whole."""
        try:
            body = await asyncio.wait_for(_body(receive), BODY_SECONDS)
        except TimeoutError:
            late = problem(408, f"The body has not come within {BODY_SECONDS:g} s.", _LAST)
            await late(scope, receive, send)
            return
        if body is None:
            return  # the client has left
        if len(body) > MOST_BYTES:
            await _refuse(scope, receive, send)
            return
        sent = False

        async def again() -> Message:
            nonlocal sent
            if sent:
                return await receive()  # that the client leaves, some time
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)


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


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    answer = problem(413, f"The body has more than {MOST_BYTES:,} bytes, which is the most.")
    await answer(scope, receive, send)
