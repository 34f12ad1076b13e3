"""A live stream of events."""

from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Query, Request
from fastapi.responses import StreamingResponse

from search.api.answers import SWEEP_ID, Count, EventOut
from search.api.broadcast import Broadcast
from search.api.callers import TheDesk, Viewer
from search.api.problems import PROBLEMS

router = APIRouter(tags=["events"], responses=PROBLEMS)


@router.get("/events/past")
def past(
    desk: TheDesk,
    caller: Viewer,
    after: Annotated[Count | None, Query()] = None,
    sweep: Annotated[str | None, Query(pattern=SWEEP_ID)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    *,
    newest: Annotated[bool, Query(description="The newest, in place of those after.")] = False,
    before: Annotated[Count | None, Query(description="With newest: those before it.")] = None,
) -> list[EventOut]:
    """Return events after one, the oldest first; with `newest` the newest, and the newest first."""
    del caller
    if before is not None and not newest:
        raise HTTPException(422, f"before={before} needs newest=true: give both, or after.")
    if after is not None and newest:
        raise HTTPException(422, f"after={after} and newest=true exclude each other: give one.")
    events = desk.ledger.events
    if newest:
        found = events.before(before, sweep, limit)
    else:
        found = events.after(after or 0, sweep, limit)
    return [EventOut.of(event) for event in found]


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream(
    request: Request,
    caller: Viewer,
    sweep: Annotated[str | None, Query(pattern=SWEEP_ID)] = None,
    last: Annotated[str | None, Header(alias="Last-Event-ID", pattern=r"^[0-9]{1,18}$")] = None,
) -> StreamingResponse:
    """Stream what happens: `state` and its like with a number, `progress` without one.

    `progress` brings a sweep with its newest links, so that nobody needs to ask for it.
    Who comes back with the number of the last event gets those after it; who names none gets
    what happens from now on. After 1,000 past events the stream ends: the reader comes back behind
    the last of them.
    """
    broadcast: Broadcast = request.app.state.broadcast
    if broadcast.is_full:
        raise HTTPException(503, f"{broadcast.most} streams are open, as many as may be at a time.")
    if broadcast.is_full_of(caller.token):
        raise HTTPException(
            429, f"{broadcast.most_of_one} streams of this token are open, as many as may be."
        )
    past = None if last is None else await broadcast.past(sweep, int(last))
    told = broadcast.follow(sweep, past, caller.token)
    return StreamingResponse(told, media_type="text/event-stream")
