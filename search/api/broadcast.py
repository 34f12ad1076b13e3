"""News for all streams: looked for once, encoded once, and handed to each."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool

from search.api.answers import EventOut, SweepNews
from search.service import Desk

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5

# Lest a proxy closes what says nothing.
_KEEP_ALIVE_SECONDS = 15.0

# Events that wait for a reader that is slow; with more its stream ends, and it comes back behind
# the last one that it has read.
_MOST_WAITING = 1000

# Past events that a stream begins with; where there are more it ends behind them.
_MOST_PAST = 1000


@dataclass(frozen=True)
class Part:
    """Something that is told, as it travels.

    Attributes
    ----------
    sweep : str or None
        The sweep that it is about.
    number : int
        The number of an event; 0 for progress, where a newer message replaces an older one.
    text : bytes
    version : int
        The version of the progress.
    """

    sweep: str | None
    number: int
    text: bytes
    version: int = 0


@dataclass(frozen=True)
class Past:
    """What somebody who comes back has missed.

    Attributes
    ----------
    text : bytes
        Its events, as they travel.
    seen : int
        The event up to which nothing is missing.
    is_whole : bool
        Whether there were no more.
    """

    text: bytes
    seen: int
    is_whole: bool


@dataclass(eq=False)
class _Stream:
    """Somebody who follows: of which sweep, by which token, and what waits to be read."""

    sweep: str | None
    token: int
    waiting: list[Part] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False

    def tell(self, parts: list[Part]) -> None:
        mine = [part for part in parts if self.sweep in {None, part.sweep}]
        if not mine:
            return
        told = {part.sweep for part in mine if not part.number}
        older = [part for part in self.waiting if part.number or part.sweep not in told]
        self.waiting = older + mine
        self.ended = self.ended or len(self.waiting) > _MOST_WAITING
        self.news.set()


class Broadcast:
    """Looks for what has happened, while somebody follows.

    All its methods are called in the thread of the server's loop.

    Parameters
    ----------
    desk : Desk
    most : int
        Streams that are open at a time.
    most_of_one : int
        Streams of one token that are open at a time.
    """

    def __init__(self, desk: Desk, most: int, most_of_one: int) -> None:
        self._desk, self.most, self.most_of_one = desk, most, most_of_one
        self._streams: set[_Stream] = set()
        self._looking: asyncio.Task[None] | None = None
        # The newest event that was told of, and the newest progress of each sweep.
        self._newest = 0
        self._told: dict[str, Part] = {}

    @property
    def is_full(self) -> bool:
        """Whether nobody else may follow."""
        return len(self._streams) >= self.most

    def is_full_of(self, token: int) -> bool:
        """Return whether a token has as many streams as it may."""
        return sum(stream.token == token for stream in self._streams) >= self.most_of_one

    def end(self) -> None:
        """End all streams."""
        for stream in self._streams:
            stream.ended = True
            stream.news.set()

    async def past(self, sweep: str | None, last: int) -> Past:
        """Return what has happened after an event.

        It is read before the answer begins, so that whoever asks for it pays for it.

        Parameters
        ----------
        sweep : str or None
            The sweep; None for all.
        last : int
            The last event that the reader has seen; one that there has not been yet is of another
            ledger, and nothing was missed then.
        """
        return await run_in_threadpool(self._past, sweep, last)

    def _past(self, sweep: str | None, last: int) -> Past:
        newest = self._desk.ledger.events.newest
        found = self._after(min(last, newest), sweep, _MOST_PAST)
        is_whole = len(found) < _MOST_PAST
        seen = max([newest if is_whole else 0, *(part.number for part in found)])
        return Past(b"".join(part.text for part in found), seen, is_whole)

    async def follow(
        self, sweep: str | None, past: Past | None, token: int
    ) -> AsyncIterator[bytes]:
        """Yield what happens, until the token ends or the reader falls behind.

        Parameters
        ----------
        sweep : str or None
            The sweep; None for all.
        past : Past or None
            What the reader has missed; None where it wants what happens from now on. Where that is
            not all, the stream ends behind it.
        token : int
        """
        with self._entered(_Stream(sweep, token)) as stream:
            # What happens from here on is told to the stream, so that nothing falls in between.
            seen = self._newest if past is None else past.seen
            stream.tell(list(self._told.values()))
            yield f"retry: 1000\n: from {seen}\n\n".encode() + (past.text if past else b"")
            if past is not None:
                # What has happened between that look and the stream's beginning: hardly anything.
                parts = await run_in_threadpool(self._after, seen, sweep) if past.is_whole else []
                if parts:
                    seen = parts[-1].number
                    yield b"".join(part.text for part in parts)
                stream.ended = stream.ended or not past.is_whole or len(parts) == _MOST_PAST
            while not stream.ended:
                parts, stream.waiting = stream.waiting, []
                stream.news.clear()
                fresh = [part for part in parts if not part.number or part.number > seen]
                seen = max([seen, *(part.number for part in fresh)])
                if fresh:
                    yield b"".join(part.text for part in fresh)
                    continue
                try:
                    await asyncio.wait_for(stream.news.wait(), _KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    yield b": still here\n\n"

    @contextmanager
    def _entered(self, stream: _Stream) -> Iterator[_Stream]:
        if not self._streams:
            self._newest, self._told = self._desk.ledger.events.newest, {}
            self._looking = asyncio.create_task(self._look())
        self._streams.add(stream)
        try:
            yield stream
        finally:
            self._streams.discard(stream)
            if not self._streams and self._looking is not None:
                self._looking.cancel()

    async def _look(self) -> None:
        while True:
            try:
                parts, valid = await run_in_threadpool(self._news, self._newest, dict(self._told))
            except Exception:  # the next look comes soon
                log.exception("a look for news has failed")
            else:
                self._hand_out(parts, valid)
            await asyncio.sleep(_LOOK_SECONDS)

    def _hand_out(self, parts: list[Part], valid: set[int]) -> None:
        self._newest = max([self._newest, *(part.number for part in parts)])
        self._told |= {part.sweep: part for part in parts if part.sweep and not part.number}
        for stream in self._streams:
            stream.tell(parts)
            if stream.token not in valid:
                stream.ended = True
                stream.news.set()

    def _news(self, newest: int, told: dict[str, Part]) -> tuple[list[Part], set[int]]:
        """Return what has happened since the last look, and the tokens that open something."""
        parts = self._after(newest, None)
        for sweep, progress in self._desk.board.progress.items():
            if sweep in told and told[sweep].version == progress.version:
                continue
            row = self._desk.ledger.sweeps.find(sweep)
            if row is not None:
                text = SweepNews.of(self._desk.see(row)).model_dump_json()
                encoded = f"event: progress\ndata: {text}\n\n".encode()
                parts.append(Part(sweep, 0, encoded, progress.version))
        return parts, self._desk.ledger.people.valid()

    def _after(self, number: int, sweep: str | None, most: int = _MOST_PAST) -> list[Part]:
        return [
            Part(event.sweep, event.id, _event_text(EventOut.of(event)))
            for event in self._desk.ledger.events.after(number, sweep, most)
        ]


def _event_text(event: EventOut) -> bytes:
    return f"id: {event.id}\nevent: {event.kind}\ndata: {event.model_dump_json()}\n\n".encode()
