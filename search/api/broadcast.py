"""News for all streams: looked for once, encoded once, and handed to each."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from model.errors import PacksweepError
from search.api.answers import EventOut, SweepNews
from search.service import Desk, Seen

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5

# The ends of lines that JSON may have in a text, as it says them in letters.
_LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}

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
    seen : Seen or None
        The content of the progress, to know whether it has changed; None for an event.
    """

    sweep: str | None
    number: int
    text: bytes
    seen: Seen | None = None


@dataclass(frozen=True)
class _News:
    """What one look has found.

    Attributes
    ----------
    parts : list of Part
        What has happened since the look before.
    told : dict of str to Part
        The newest progress of each sweep that is open now.
    version : object
        Of what it was read; nothing has happened while it is the same.
    valid : set of int
        The tokens that open something.
    """

    parts: list[Part]
    told: dict[str, Part]
    version: object
    valid: set[int]


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
        # Held by whoever looks: news come in their order, and each once.
        self._look_lock = asyncio.Lock()
        # The newest event that was told of, the newest progress of each sweep that is open, and of
        # which version of ledger and board that is.
        self._newest = 0
        self._told: dict[str, Part] = {}
        self._version: object = None

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
            # What was told before may be of sweeps that have ended or stand otherwise since.
            if self._is_up_to_date() or await self._looked():
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
            self._newest = self._desk.ledger.events.newest
            self._told, self._version = {}, None
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
            await self._looked()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _looked(self) -> bool:
        """Look once, and tell all streams; False where that has failed."""
        async with self._look_lock:
            try:
                news = await run_in_threadpool(self._news, self._newest, self._told)
            except Exception:  # the next look comes soon
                log.exception("a look for news has failed")
                return False
            self._hand_out(news)
            return True

    def _hand_out(self, news: _News) -> None:
        self._newest = max([self._newest, *(part.number for part in news.parts)])
        self._told, self._version = news.told, news.version
        for stream in self._streams:
            stream.tell(news.parts)
            if stream.token not in news.valid:
                stream.ended = True
                stream.news.set()

    @property
    def _version_now(self) -> object:
        return self._desk.ledger.version, self._desk.board.version

    def _is_up_to_date(self) -> bool:
        """Whether nothing can have happened since the last look; it waits for nobody."""
        try:
            return self._version == self._version_now
        except PacksweepError:
            return False

    def _news(self, newest: int, told: dict[str, Part]) -> _News:
        """Return what has happened since the last look."""
        version = self._version_now  # before what is read, which may be newer
        valid, board = self._desk.ledger.people.valid(), self._desk.board
        if version == self._version:
            return _News([], told, version, valid)
        now = {sweep: part for sweep in board.progress if (part := self._told_of(sweep, told))}
        changed = [part for sweep, part in now.items() if _is_news(part, told.get(sweep))]
        events = self._after(newest, None)
        is_whole = len(events) < _MOST_PAST  # else the next look finds more
        return _News(events + changed, now, version if is_whole else None, valid)

    def _told_of(self, sweep: str, told: dict[str, Part]) -> Part | None:
        """Return how a sweep stands, what was told where that is it; None where there is none."""
        row = self._desk.ledger.sweeps.find(sweep)
        if row is None:
            return None
        seen, known = self._desk.see(row), told.get(sweep)
        if known is not None and known.seen == seen:
            return known
        text = f"event: progress\ndata: {_one_line(SweepNews.of(seen))}\n\n"
        return Part(sweep, 0, text.encode(), seen)

    def _after(self, number: int, sweep: str | None, most: int = _MOST_PAST) -> list[Part]:
        return [
            Part(event.sweep, event.id, _event_text(EventOut.of(event)))
            for event in self._desk.ledger.events.after(number, sweep, most)
        ]


def _is_news(part: Part, told: Part | None) -> bool:
    """Whether progress is told to those who follow already.

    Not for a place, or tasks under way, alone: these change all the time, and what is shown is
    drawn anew with each. Who begins to follow is told how they are.
    """
    if told is None or part.seen is None or told.seen is None:
        return True
    one, other = part.seen, told.seen
    is_same = one.state == other.state and one.row == other.row
    return not is_same or one.progress.version != other.progress.version


def _event_text(event: EventOut) -> bytes:
    return f"id: {event.id}\nevent: {event.kind}\ndata: {_one_line(event)}\n\n".encode()


def _one_line(told: BaseModel) -> str:
    """Return JSON without ends of lines, of which some readers know more than the standard."""
    text = told.model_dump_json()
    return text if text.isascii() else text.translate(_LINE_ENDS)
