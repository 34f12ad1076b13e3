"""Data sets on their way here: how many at a time, how slowly, and for how long."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from fastapi import HTTPException

MOST = 4
"""Uploads of one token at a time."""

MOST_OF_ALL = 32
"""Uploads at a time."""

# What comes more slowly than so many bytes a second is ended, after the time that anybody may
# take; and so is what brings nothing for so long.
_RATE, _GRACE_SECONDS, _SILENT_SECONDS = 50_000.0, 30.0, 30.0

# Files that are read at a time to see whether they are data sets.
_CHECKED = 2

_AGAIN = {"Retry-After": "10"}


class Uploads:
    """Counts uploads, and ends those that are too slow: each has a file and a connection.

    No thread waits for any of them. Called in the thread of the server's loop alone.

    Parameters
    ----------
    now : callable
        Returns seconds by a clock that nobody sets.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._open: Counter[int] = Counter()
        self.checking = asyncio.Semaphore(_CHECKED)
        """Held while a file that has come whole is read, which takes one of the few threads."""

    @contextmanager
    def entered(self, token: int) -> Iterator[None]:
        """Count an upload as long as the context lasts.

        Raises
        ------
        HTTPException
            If there are too many.
        """
        if self._open[token] >= MOST:
            raise HTTPException(429, f"{MOST} uploads of this token are under way.", _AGAIN)
        if self._open.total() >= MOST_OF_ALL:
            raise HTTPException(503, f"{MOST_OF_ALL} uploads are under way.", _AGAIN)
        self._open[token] += 1
        try:
            yield
        finally:
            self._open[token] -= 1
            self._open += Counter()  # forget who has none

    async def parts(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the parts of a body as they come.

        Raises
        ------
        HTTPException
            If they come too slowly.
        """
        began, size = self._now(), 0
        while True:
            allowed = _GRACE_SECONDS + size / _RATE - (self._now() - began)
            try:
                wait = min(allowed, _SILENT_SECONDS)
                part = await asyncio.wait_for(anext(stream), wait)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise HTTPException(
                    408,
                    f"The upload is too slow: after {_GRACE_SECONDS:g} s it has to come with "
                    f"{_RATE / 1000:g} kB a second, and never pause for {_SILENT_SECONDS:g} s. Let "
                    "the administrator put the file into a folder that --data allows.",
                    {"Connection": "close"},
                ) from None
            size += len(part)
            yield part
