"""The caller of a route: whom the door has let in, and what they may do."""

from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool

from search.api.entrance import CALLER
from search.ledger import ADMIN, SUBMITTER, VIEWER, Caller
from search.service import Desk

# The door has looked at it: here it is for the description of the API.
_bearer = HTTPBearer(auto_error=False, description="A token of `search.serve token add`.")


# What a request needs of the service is asked for without a thread, where it takes no longer than
# handing it to one: that costs a request more than its answer does.


async def _desk_of(request: Request) -> Desk:
    return _desk(request)


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _need(role: str) -> object:
    async def check(request: Request, _: Annotated[object, Depends(_bearer)]) -> Caller:
        caller: Caller = request.scope[CALLER]
        if not caller.may(role):
            record = _desk(request).ledger.events.record
            path = request.url.path
            await run_in_threadpool(record, caller, request.method, path, "forbidden")
            raise HTTPException(
                403, f"This needs the role {role}, and the token has {caller.role}."
            )
        return caller

    return Depends(check)


TheDesk = Annotated[Desk, Depends(_desk_of)]
Viewer = Annotated[Caller, _need(VIEWER)]
Submitter = Annotated[Caller, _need(SUBMITTER)]
Admin = Annotated[Caller, _need(ADMIN)]
