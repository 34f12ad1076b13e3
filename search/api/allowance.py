"""How much of the processors may go into answers while a sweep is trained."""

import asyncio
import math
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from search.api.bodies import App, Message, Receive, Scope, Send
from search.api.door import CALLER
from search.api.problems import problem

SHARE = 0.02
"""Of the processors of this machine, in the long run."""

BURST_SECONDS = 1.0
"""Processor seconds that may be used at once, by whoever has asked little before."""

# Requests that wait for their turn; whoever comes then shall come again later.
_MOST_WAITING = 200


def processors() -> int:
    """Return the number of processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # no Linux
        return os.cpu_count() or 1


@dataclass
class Allowance:
    """Counts the processor seconds of this process against what it may have.

    Attributes
    ----------
    share : float
        Processor seconds for each second.
    burst : float
        Those that may be saved, and those that may be owed: nobody waits longer than it takes to
        get so many.
    is_needed : callable
        Whether the processors are needed for something else; all is allowed where they are not.
    used : callable
        Returns the processor seconds that this process has had.
    now : callable
        Returns seconds by a clock that nobody sets.

    Examples
    --------
    >>> used, time = [0.0], [0.0]
    >>> allowance = Allowance(0.1, 1.0, lambda: True, lambda: used[0], lambda: time[0])
    >>> used[0] = 1.5
    >>> allowance.wait()
    5.0
    >>> time[0] = 5.5
    >>> allowance.wait()
    0.0
    """

    share: float
    burst: float
    is_needed: Callable[[], bool]
    used: Callable[[], float] = time.process_time
    now: Callable[[], float] = time.monotonic
    # What is left, as it was last counted; from -burst to burst.
    _left: float = field(init=False)
    _counted: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        self._left, self._counted = self.burst, (self.used(), self.now())

    def wait(self) -> float:
        """Return the seconds until something is left; 0 where it is now."""
        (used_before, before), (used, now) = self._counted, (self.used(), self.now())
        self._counted = used, now
        left = min(self.burst, self._left + (now - before) * self.share) - (used - used_before)
        self._left = max(left, -self.burst) if self.is_needed() else self.burst
        return max(0.0, -self._left / self.share)


class Turns:
    """Lets requests in while something of the allowance is left, and else one after the other.

    Each until it is answered: whoever reads the answer slowly holds up nobody. Who has left has no
    place any more, and only who was let in by the `Door` gets one.

    Parameters
    ----------
    app : callable
        The rest of the service, by ASGI.
    allowance : Allowance
    unlimited : str
        The beginning of the paths after which nobody waits, because what is sent there may be long.
    """

    def __init__(self, app: App, allowance: Allowance, unlimited: str) -> None:
        self._app, self._allowance, self._unlimited = app, allowance, unlimited
        self._turn = asyncio.Lock()  # who waits for it gets it in the order of coming
        # Requests that wait, that of whom it is the turn among them.
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, in its turn."""
        busy = self._waiting or self._turn.locked()
        if CALLER not in scope or not (busy or self._allowance.wait()):
            await self._app(scope, receive, send)
        elif self._waiting >= _MOST_WAITING:
            again = {"Retry-After": str(math.ceil(self._allowance.wait()) or 1)}
            detail = "Too many ask at once while sweeps are trained. Ask again in a moment."
            await problem(503, detail, again)(scope, receive, send)
        elif scope["path"].startswith(self._unlimited):
            # What is sent stays where it is: whether its sender has left shows later.
            if await self._has_come(asyncio.Event().wait):
                self._turn.release()
                await self._app(scope, receive, send)
        else:
            await self._in_turn(scope, receive, send)

    async def _in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        body: Message | None = await receive()  # whole; see `Guard`

        async def again() -> Message:
            nonlocal body
            message, body = body, None
            return message or await receive()

        async def has_left() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        if not await self._has_come(has_left):
            return
        holds = True

        def release() -> None:
            nonlocal holds
            if holds:
                holds = False
                self._turn.release()

        async def answered(message: Message) -> None:
            release()
            await send(message)

        try:
            await self._app(scope, again, answered)
        finally:
            release()

    async def _has_come(self, has_left: Callable[[], Awaitable[object]]) -> bool:
        """Wait for the turn, which is held then; False where who waits for it has left before."""
        self._waiting += 1
        waits = asyncio.create_task(self._wait())
        leaves = asyncio.ensure_future(has_left())
        leaves.add_done_callback(lambda _: waits.cancel())
        try:
            await waits
        except asyncio.CancelledError:
            if waits.done() and not waits.cancelled():
                self._turn.release()  # it has come in the moment in which this was cancelled
            if leaves.done():
                return False
            raise
        finally:
            leaves.cancel()
            self._waiting -= 1
        return True

    async def _wait(self) -> None:
        await self._turn.acquire()
        try:
            # Once: what is used meanwhile, by whomever, makes nobody wait without end.
            await asyncio.sleep(self._allowance.wait())
        except BaseException:
            self._turn.release()
            raise
