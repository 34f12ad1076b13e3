"""Connections: how many there may be, and how long one may take to say what it wants."""

import asyncio
import resource

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEADER_SECONDS = 30.0
"""In which the headers of a request must have come."""

_MOST = 4000


class Connection(H11Protocol):
    """A connection that nobody holds without asking for anything.

    Uvicorn waits without end for the first request of a connection, and for the rest of one that
    has begun. Where there are as many connections as may be, the one that has rested longest makes
    room: none that is being answered.
    """

    # Set while the headers of a request are waited for.
    _deadline: asyncio.TimerHandle | None = None
    # Since when nothing is answered.
    _rests_since = 0.0

    @property
    def rests(self) -> bool:
        """Whether no request is being answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self._rests_since = self.loop.time()
        self._await_headers()
        if len(self.connections) > most_connections():
            self._make_room()

    def _make_room(self) -> None:
        resting = [
            one for one in self.connections
            if isinstance(one, Connection) and one.rests and not one.transport.is_closing()
        ]  # fmt: skip
        # This one is among them, and the last of them.
        min(resting, key=lambda one: one._rests_since).transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        super().data_received(data)
        if self.rests:
            self._await_headers()
        else:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Take notice that a request is answered; uvicorn waits for the next one so long."""
        self._rests_since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_headers(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEADER_SECONDS, self._end_late)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end_late(self) -> None:
        if self.rests:
            self.transport.close()  # once what was answered before is sent


def most_connections() -> int:
    """Return how many connections there may be: of the files that a process may open, most."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MOST if files == resource.RLIM_INFINITY else min(_MOST, files * 3 // 4)
