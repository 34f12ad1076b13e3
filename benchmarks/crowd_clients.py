"""Clients of a service for `crowd.py`, as a process of their own: what many open pages ask.

A page of a sweep asks as the one in `search/api/page` does: at first for all that it shows, then
for charts and table where its progress has come, at most once in four seconds and in twenty times
as long as that took, and for the rest at each event that is not progress. A page of the list asks
again at each such event. Both keep a stream open. Whoever floods asks again as soon as there is an
answer, whatever the answer says. Submitters submit a small sweep every five seconds and cancel it.

    python benchmarks/crowd_clients.py URL SWEEP SECONDS PAGES LISTS FLOOD SUBMITTERS < tokens

prints one line of JSON.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

PAUSE, TIMES = 4.0, 20.0
LIST_PAUSE, LIST_TIMES = 0.2, 10.0
SUBMIT_SECONDS = 5.0


@dataclass
class Seen:
    """What all clients have seen."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    events: int = 0


class Connection:
    """Requests one after the other over one connection."""

    def __init__(self, url: str, token: str, seen: Seen) -> None:
        parts = urlsplit(url)
        self._place, self._seen = (parts.hostname, parts.port), seen
        self._headers = f"Host: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._etags: dict[str, str] = {}

    async def ask(self, method: str, path: str, body: Any = None, name: str = "") -> Any:
        """Ask once; return what JSON the answer holds, None where it is not a success."""
        began = time.monotonic()
        try:
            status, content = await self._ask(method, path, body)
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            self._streams = None
            self._seen.errors.append(f"{name} {path}: {type(error).__name__} {error}")
            return None
        self._seen.statuses[status] += 1
        self._seen.seconds.setdefault(name, []).append(time.monotonic() - began)
        if status >= 400 and status != 429:
            self._seen.errors.append(f"{name} {path}: {status} {content[:200]!r}")
        return json.loads(content) if status < 300 and content else None

    async def _ask(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        if self._streams and self._streams[0].at_eof():
            self._streams = None  # the service closes what is idle for long
        reader, writer = await self.open()
        content = b"" if body is None else json.dumps(body).encode()
        length = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        head = f"{method} /v1/{path} HTTP/1.1\r\n{self._headers}{length if content else ''}\r\n"
        writer.write(head.encode() + content)
        status, headers = await self.head(reader)
        if "content-length" in headers:
            return status, await reader.readexactly(int(headers["content-length"]))
        if status in {204, 304}:
            return status, b""
        parts = []
        while size := int((await reader.readline()).split(b";")[0], 16):
            parts.append((await reader.readexactly(size + 2))[:-2])
        await reader.readline()
        return status, b"".join(parts)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._place, limit=2**22)
        return self._streams

    @staticmethod
    async def head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = (line.split(":", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), {name.lower(): text.strip() for name, text in headers}

    async def events(self, path: str, last: int, tell: Any) -> None:
        """Follow a stream of events for ever."""
        reader, writer = await self.open()
        head = f"GET /v1/{path} HTTP/1.1\r\n{self._headers}Last-Event-ID: {last}\r\n\r\n"
        writer.write(head.encode())
        status, _ = await self.head(reader)
        self._seen.statuses[status] += 1
        if status != 200:
            self._seen.errors.append(f"events: {status}")
            return
        while line := await reader.readline():
            if line.startswith(b"event: "):
                self._seen.events += 1
                tell(line[7:].decode().strip())
        self._seen.errors.append("a stream has ended")

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()


@dataclass
class Crowd:
    """All clients."""

    url: str
    sweep: str
    tokens: list[str]
    seen: Seen = field(default_factory=Seen)

    def connect(self, number: int) -> Connection:
        return Connection(self.url, self.tokens[number % len(self.tokens)], self.seen)

    async def page(self, number: int) -> None:
        """Be a page of the sweep."""
        http = self.connect(number)
        columns = "number,state,batch_size,learning_rate,epochs,alpha,val_cost,val_accuracy"
        rest, knows_past = 0.0, False

        async def load(progress: bool, other: bool) -> None:
            nonlocal rest, knows_past
            if other:
                await http.ask("GET", f"sweeps/{self.sweep}", name="sweep")
            if not knows_past:
                past = f"events/past?sweep={self.sweep}&limit=200&newest=true"
                await http.ask("GET", past, name="past")
                knows_past = True
            if progress and time.monotonic() >= rest:
                began = time.monotonic()
                await http.ask("GET", f"sweeps/{self.sweep}/bins?ranges=", name="bins")
                await http.ask(
                    "GET", f"sweeps/{self.sweep}/trials?limit=50&order=val_cost&columns={columns}",
                    name="trials",
                )  # fmt: skip
                rest = time.monotonic() + max(PAUSE, TIMES * (time.monotonic() - began))

        await self._follow(number, http, f"events?sweep={self.sweep}", load)

    async def list(self, number: int) -> None:
        """Be a page of the list."""
        http, took = self.connect(number), 0.0

        async def load(_: bool, other: bool) -> None:
            nonlocal took
            if other:
                await asyncio.sleep(max(LIST_PAUSE, LIST_TIMES * took))
                began = time.monotonic()
                await http.ask("GET", "sweeps?state=live&limit=200", name="live")
                await http.ask("GET", "sweeps?state=ended&limit=50", name="sweeps")
                await http.ask("GET", "queues", name="queues")
                await http.ask("GET", "people", name="people")
                took = time.monotonic() - began

        await self._follow(number, http, "events", load)

    async def _follow(self, number: int, http: Connection, path: str, load: Any) -> None:
        await asyncio.sleep(number % 50 / 50 * 3)  # people do not come in the same moment
        me = await http.ask("GET", "me", name="me")
        news, kinds = asyncio.Event(), set[str]()
        await load(True, True)

        def tell(kind: str) -> None:
            nonlocal kinds
            kinds.add(kind)
            news.set()

        stream = self.connect(number)
        following = asyncio.create_task(stream.events(path, me["event"] if me else 0, tell))
        try:
            while True:
                await news.wait()
                news.clear()
                came, kinds = kinds, set[str]()
                await load("progress" in came, came != {"progress"})
        finally:
            following.cancel()
            stream.close()
            http.close()

    async def flood(self, number: int) -> None:
        """Ask without a pause."""
        http = self.connect(number)
        while True:
            await http.ask("GET", f"sweeps/{self.sweep}", name="flood")

    async def submitter(self, number: int) -> None:
        """Submit small sweeps, and cancel them."""
        http = self.connect(number)
        await asyncio.sleep(number)
        while True:
            body = {"grid": "smoke", "priority": -5, "seed": number}
            made = await http.ask("POST", "sweeps", body, name="submit")
            if made:
                wanted = {"wanted": "cancel"}
                await http.ask("PATCH", f"sweeps/{made['id']}", wanted, name="cancel")
            await asyncio.sleep(SUBMIT_SECONDS)

    async def run(self, seconds: float, counts: dict[str, int]) -> dict[str, Any]:
        """Have so many clients of each kind for so long; return what they have seen."""
        tasks = [
            asyncio.create_task(getattr(self, kind)(number))
            for kind, count in counts.items()
            for number in range(count)
        ]
        await asyncio.sleep(seconds)
        for task in tasks:
            if task.done() and task.exception():
                self.seen.errors.append(repr(task.exception()))
            task.cancel()
        seen = self.seen
        every = sorted(s for name, found in seen.seconds.items() for s in found)
        return {
            "answers": len(every), "events": seen.events,
            "errors": len(seen.errors), "first_errors": seen.errors[:5],
            "statuses": {str(status): count for status, count in seen.statuses.items()},
            "answer_p50_ms": 1000 * every[len(every) // 2] if every else None,
            "answer_p95_ms": 1000 * every[int(0.95 * len(every))] if every else None,
            "clients_cpu_s": time.process_time(),
        }  # fmt: skip


if __name__ == "__main__":
    url, sweep, seconds, *counts = sys.argv[1:]
    crowd = Crowd(url, sweep, sys.stdin.read().split())
    kinds = dict(zip(("page", "list", "flood", "submitter"), map(int, counts), strict=True))
    print(json.dumps(asyncio.run(crowd.run(float(seconds), kinds))))
