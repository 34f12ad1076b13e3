"""What happens, as it happens: a stream of events."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from search.api.answers import SWEEP_ID, Count, EventOut, SweepOut
from search.api.callers import TheService, Viewer
from search.api.problems import PROBLEMS
from search.service import Service

router = APIRouter(tags=["events"], responses=PROBLEMS)

_LOOK_SECONDS = 0.3

# Lest a proxy closes what says nothing.
_KEEP_ALIVE_SECONDS = 15.0

MOST_STREAMS = 500
"""Streams that are open at a time."""


@router.get("/events/past")
def past(
    service: TheService,
    caller: Viewer,
    after: Annotated[Count, Query()] = 0,
    sweep: Annotated[str | None, Query(pattern=SWEEP_ID)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[EventOut]:
    """Return events after one, the oldest first."""
    del caller
    return [EventOut.of(event) for event in service.ledger.events.after(after, sweep, limit)]


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream(
    request: Request,
    service: TheService,
    caller: Viewer,
    sweep: Annotated[str | None, Query(pattern=SWEEP_ID)] = None,
    last: Annotated[str | None, Header(alias="Last-Event-ID", pattern=r"^[0-9]{1,18}$")] = None,
) -> StreamingResponse:
    """Stream what happens: `state` and its like with a number, `progress` without one.

    Who comes back with the number of the last event gets those after it; who names none gets
    what happens from now on.
    """
    streams: set[object] = request.app.state.streams
    if len(streams) >= MOST_STREAMS:
        raise HTTPException(503, f"{MOST_STREAMS} streams are open, as many as may be at a time.")
    seen = service.ledger.events.newest if last is None else int(last)

    def may_look() -> bool:
        return service.ledger.people.is_valid(caller.token)

    told = _told(service, sweep, seen, streams, may_look)
    return StreamingResponse(told, media_type="text/event-stream")


async def _told(
    service: Service,
    sweep: str | None,
    seen: int,
    streams: set[object],
    may_look: Callable[[], bool],
) -> AsyncIterator[str]:
    versions: dict[str, int] = {}
    mine, quiet_since = object(), time.monotonic()
    streams.add(mine)
    try:
        yield f"retry: 1000\n: from {seen}\n\n"
        while may_look():  # a token that is revoked or expires ends its streams
            parts, seen = await run_in_threadpool(_news, service, sweep, seen, versions)
            if parts:
                quiet_since = time.monotonic()
                yield "".join(parts)
            elif time.monotonic() > quiet_since + _KEEP_ALIVE_SECONDS:
                quiet_since = time.monotonic()
                yield ": still here\n\n"
            await asyncio.sleep(_LOOK_SECONDS)
    finally:
        streams.discard(mine)


def _news(
    service: Service, sweep: str | None, seen: int, versions: dict[str, int]
) -> tuple[list[str], int]:
    """Return what has happened since the last look, and the number of the newest event."""
    parts = []
    for event in service.ledger.events.after(seen, sweep):
        seen = event.id
        told = EventOut.of(event).model_dump_json()
        parts.append(f"id: {event.id}\nevent: {event.kind}\ndata: {told}\n\n")
    for name, version in service.versions().items():
        if (sweep is None or sweep == name) and versions.get(name) != version:
            versions[name] = version
            row = service.ledger.sweeps.find(name)
            if row is not None:
                told = SweepOut.of(service.see(row)).model_dump_json()
                parts.append(f"event: progress\ndata: {told}\n\n")
    return parts, seen
