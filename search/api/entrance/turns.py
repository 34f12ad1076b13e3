"""The order of answers: each token has its own line, so nobody waits for another's requests."""

import asyncio
import math
import re
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from search.api.entrance.allowance import Account, Allowance
from search.api.entrance.bodies import App, Message, Receive, Scope, Send
from search.api.entrance.door import WHO
from search.api.problems import problem

# Requests that wait. A further one takes the last place of the longest line, unless that is its
# own line.
_MOST_WAITING = 200

# A request that would wait longer, or has waited this long behind others, is sent away for now.
_LONGEST_SECONDS = 30.0

# A line that waits is looked at again so soon at least: training may have ended meanwhile, after
# which nobody owes anything.
_LOOK_SECONDS = 1.0

# Requests of one line that are worked on at a time: small ones until their answer begins, whole
# runs until its end, because each has its rows in memory.
_PLACES, _EXPORT_PLACES = 8, 2

# Whole runs: they cost seconds, and for those nothing else of the same token waits.
_EXPORT = re.compile(r"/v1/sweeps/[^/]*/(log|folder)")

_UPLOAD = "upload"

_T = TypeVar("_T")


@dataclass(eq=False)
class _Line:
    """The requests of one account that wait, in their order, and how many have a place.

    It is kept while there is either. Who has left, or was told to come again, is not among those
    that wait. A timer is set while the first of them waits for what its account owes.
    """

    places: float
    inside: int = 0
    timer: asyncio.TimerHandle | None = None
    waiting: deque["asyncio.Future[bool]"] = field(default_factory=deque)


class Turns:
    """Lets requests in as soon as their account may, those of one account in their order.

    Nobody waits for what others have asked; see `Allowance`. Who owes something is answered one by
    one, each until its answer begins, so that whoever reads slowly holds up nobody. Who has left
    has no place any more.

    Called in the thread of the server's loop alone.

    Parameters
    ----------
    app : callable
        The rest of the service, by ASGI.
    allowance : Allowance
    unlimited : str
        The beginning of the paths to which what is sent may be long.
    """

    def __init__(self, app: App, allowance: Allowance, unlimited: str) -> None:
        self._app, self._allowance, self._unlimited = app, allowance, unlimited
        self._lines: dict[Account, _Line] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, in its turn."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        account = self._account(scope)
        if account.kind == _UPLOAD:
            # What is sent stays where it is: whether its sender has left shows later.
            has_left: Callable[[], Awaitable[object]] = asyncio.Event().wait
        else:
            receive, has_left = await _received(receive)
        try:
            if await self._has_come(account, has_left):
                await self._work(account, scope, receive, send)
        except _RefusedError as error:
            again = {"Retry-After": str(math.ceil(error.seconds) or 1)}
            await problem(503, str(error), again)(scope, receive, send)

    def _account(self, scope: Scope) -> Account:
        if scope["path"].startswith(self._unlimited):
            return Account(scope[WHO], _UPLOAD)
        if _EXPORT.fullmatch(scope["path"]):
            return Account(scope[WHO], "export")
        return Account(scope[WHO])

    async def _work(self, account: Account, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that has a place, and count what that costs while it is worked on."""
        counted = has_place = True
        self._allowance.enter(account)

        def leave_place() -> None:
            nonlocal has_place
            if has_place:
                has_place = False
                self._leave(account)

        async def resting(rest: Awaitable[_T], *, for_ever: bool = False) -> _T:
            # Who waits for the other side uses nothing.
            nonlocal counted
            was, counted = counted, False
            if was:
                self._allowance.leave(account)
            try:
                return await rest
            finally:
                if was and not for_ever:
                    counted = True
                    self._allowance.enter(account)

        async def answered(message: Message) -> None:
            if account.kind != "export":
                leave_place()
            # News are told to all at once, by whom nobody has asked.
            await resting(send(message), for_ever=_is_stream(message))

        async def receiving() -> Message:
            return await resting(receive())

        try:
            if account.kind == _UPLOAD:
                leave_place()
                await self._app(scope, receiving, answered)
            else:
                await self._app(scope, receive, answered)
        finally:
            leave_place()
            if counted:
                self._allowance.leave(account)

    async def _has_come(self, account: Account, has_left: Callable[[], Awaitable[object]]) -> bool:
        """Wait for a place; False if the one who waits has left before."""
        place = self._queue(account)
        if place.done():  # at once, as it mostly is: nothing is to be watched meanwhile
            return True
        late = asyncio.get_running_loop().call_later(_LONGEST_SECONDS, _refuse, place)
        leaves = asyncio.ensure_future(has_left())
        leaves.add_done_callback(lambda _: place.cancel())
        try:
            if await place:
                return True
            raise _RefusedError(self._allowance.wait(account))
        except asyncio.CancelledError:
            if not place.cancelled() and place.result():
                self._leave(account)  # it has come in the moment in which this was cancelled
            if leaves.done():
                return False
            raise
        finally:
            late.cancel()
            leaves.cancel()
            self._forget(account, place)

    def _queue(self, account: Account) -> "asyncio.Future[bool]":
        """Return what is told whether a place has come, False where there is none."""
        if (wait := self._allowance.wait(account)) > _LONGEST_SECONDS:
            raise _RefusedError(wait)
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._make_room(self._lines.get(account), wait)
        line = self._lines.setdefault(account, _Line(_places(account)))
        line.waiting.append(place)
        self._let_in(account)
        return place

    def _make_room(self, mine: _Line | None, wait: float) -> None:
        if sum(len(line.waiting) for line in self._lines.values()) < _MOST_WAITING:
            return
        longest = max(self._lines.values(), key=lambda line: len(line.waiting))
        if len(longest.waiting) <= (len(mine.waiting) if mine else 0) + 1:
            raise _RefusedError(wait)
        _refuse(longest.waiting.pop())

    def _let_in(self, account: Account) -> None:
        """Let in whoever may come now, and make sure that the next one will."""
        line = self._lines.get(account)
        if line is None:
            return
        if line.timer:
            line.timer.cancel()
            line.timer = None
        while line.waiting and line.inside < line.places:
            if line.waiting[0].done():  # has left, and forgets its place in a moment
                line.waiting.popleft()
                continue
            if wait := self._wait(account, line):
                loop = asyncio.get_running_loop()
                line.timer = loop.call_later(min(wait, _LOOK_SECONDS), self._let_in, account)
                return
            line.inside += 1
            line.waiting.popleft().set_result(True)
        if not line.waiting and not line.inside:
            del self._lines[account]

    def _wait(self, account: Account, line: _Line) -> float:
        """Return the seconds until the next of a line may come, or is looked at again."""
        if line.inside and self._allowance.owes(account):
            return _LOOK_SECONDS  # what those inside use is not known yet
        return self._allowance.wait(account)

    def _forget(self, account: Account, place: "asyncio.Future[bool]") -> None:
        line = self._lines.get(account)
        if line and place in line.waiting:
            line.waiting.remove(place)
            self._let_in(account)

    def _leave(self, account: Account) -> None:
        self._lines[account].inside -= 1
        self._let_in(account)


class _RefusedError(Exception):
    """There is no place; the argument says in how many seconds there may be one."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            "Too many ask at once, or this token has had its part of what answers may have while "
            f"sweeps are trained. Ask again in {math.ceil(seconds) or 1} s."
        )
        self.seconds = seconds


def _refuse(place: "asyncio.Future[bool]") -> None:
    if not place.done():
        place.set_result(False)


def _places(account: Account) -> float:
    return {_UPLOAD: math.inf, "export": _EXPORT_PLACES}.get(account.kind, _PLACES)


async def _received(receive: Receive) -> tuple[Receive, Callable[[], Awaitable[object]]]:
    """Return what gives a request's body, which is whole, and what ends when its client leaves."""
    body: Message | None = await receive()

    async def again() -> Message:
        nonlocal body
        message, body = body, None
        return message or await receive()

    async def has_left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    return again, has_left


def _is_stream(message: Message) -> bool:
    headers = message.get("headers", ())
    return any(name == b"content-type" and text.startswith(b"text/event-stream")
               for name, text in headers)  # fmt: skip
