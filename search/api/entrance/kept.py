"""Answers that are kept, because many people look at the same."""

import asyncio
import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from model.errors import PacksweepError
from search.api.entrance.bodies import App, Message, Receive, Scope, Send
from search.api.entrance.door import WHO
from search.api.problems import problem
from search.service import Desk

# What every token may see: how sweeps stand, and their trials. It is the same for all, but for who
# a token is, and for lists of its person's own.
_LISTS = re.compile(r"/v1/(sweeps|events/past|people|queues|(me))")
_SWEEP = re.compile(r"/v1/sweeps/([0-9a-f]{10})(?:/status|(/trials|/bins))?")

_SECONDS = 1.0
"""How long an answer is believed: a command may have written to a run without the service."""

# What was asked for, and by whom where each gets their own answer.
_Key = tuple[str, str]

# Answers, and bytes of them, that are kept.
_MOST, _MOST_BYTES = 1000, 2**25


@dataclass(frozen=True)
class Answer:
    """An answer as it travels.

    Attributes
    ----------
    status : int
    headers : sequence of pairs of bytes
    body : bytes
    tag : bytes
        Its ``ETag``: two answers with the same are the same, byte by byte.
    """

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    tag: bytes


class Kept:
    """Works an answer out once for all who ask for it, and again when anything of it may differ.

    Whoever shows the ``ETag`` of what it has is told that it has it (304).

    Parameters
    ----------
    app : callable
        The rest of the service, by ASGI.
    desk : Desk
    now : callable
        Returns seconds by a clock that nobody sets.
    """

    def __init__(self, app: App, desk: Desk, now: Callable[[], float] = time.monotonic) -> None:
        self._app, self._desk, self._now = app, desk, now
        # By what was asked for: of which version, until when, and the answer; used last comes last.
        self._kept: OrderedDict[_Key, tuple[object, float, Answer]] = OrderedDict()
        self._bytes = 0
        # What is being worked out, by what was asked for and of which version.
        self._coming: dict[tuple[_Key, object], asyncio.Task[Answer]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        try:
            version = self._version(scope["path"])
        except PacksweepError as error:
            await problem(503, str(error))(scope, receive, send)
            return
        if version is None:
            await self._app(scope, receive, send)
            return
        answer = await self._answer(scope, self._key(scope), version)
        shown = dict(scope["headers"]).get(b"if-none-match", b"")
        if answer.status == 200 and answer.tag in [tag.strip() for tag in shown.split(b",")]:
            answer = Answer(304, [(b"etag", answer.tag)], b"", answer.tag)
        start = {"status": answer.status, "headers": list(answer.headers)}
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": answer.body})

    def _version(self, path: str) -> object:
        """Return what is another when an answer may be; None where it is not kept."""
        found = _SWEEP.fullmatch(path)
        if found and found[2]:
            progress = self._desk.board.progress.get(found[1])
            return progress.version if progress else -1
        if found or _LISTS.fullmatch(path):
            return self._desk.ledger.version, self._desk.board.version
        return None

    def _key(self, scope: Scope) -> _Key:
        """Return what an answer is kept under: what was asked, and by whom where that matters."""
        query = scope["query_string"].decode("latin-1")
        found = _LISTS.fullmatch(scope["path"])
        # Decoded as the routes do: `mine` may be written in many ways.
        own = found and (found[2] or "mine" in parse_qs(query, keep_blank_values=True))
        return f"{scope['path']}?{query}", scope[WHO] if own else ""

    async def _answer(self, scope: Scope, key: _Key, version: object) -> Answer:
        of, until, kept = self._kept.get(key, (None, 0.0, None))
        if kept is not None and of == version and self._now() < until:
            self._kept.move_to_end(key)
            return kept
        coming = self._coming.get((key, version))
        if coming is None:
            coming = asyncio.create_task(self._work_out(dict(scope), key, version))
            self._coming[key, version] = coming
            coming.add_done_callback(lambda _: self._coming.pop((key, version), None))
        # Whoever leaves takes it from nobody else.
        return await asyncio.shield(coming)

    async def _work_out(self, scope: Scope, key: _Key, version: object) -> Answer:
        start: Message = {}
        body: list[bytes] = []

        async def nothing() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def take(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.append(message.get("body", b""))

        until = self._now() + _SECONDS
        try:
            await self._app(scope, nothing, take)
        except Exception:
            if not start:
                raise
            # It was logged and answered (500); whoever is around it is told so too.
        content = b"".join(body)
        tag = b'"' + hashlib.blake2b(content, digest_size=12).hexdigest().encode() + b'"'
        headers = [*start.get("headers", []), (b"etag", tag)]
        answer = Answer(start["status"], headers, content, tag)
        if answer.status == 200:
            self._keep(key, version, until, answer)
        return answer

    def _keep(self, key: _Key, version: object, until: float, answer: Answer) -> None:
        self._drop(key)
        self._kept[key] = version, until, answer
        self._bytes += len(answer.body)
        while len(self._kept) > _MOST or self._bytes > _MOST_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: _Key) -> None:
        if key in self._kept:
            self._bytes -= len(self._kept.pop(key)[2].body)
