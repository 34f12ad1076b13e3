"""The caller of a route: whom the door has let in, and what they may do."""

import logging
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool

from search.api.entrance import CALLER
from search.api.problems import problem
from search.ledger import ADMIN, SUBMITTER, VIEWER, Caller, LedgerError
from search.service import Desk, ForbiddenError

log = logging.getLogger(__name__)

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
            await _record(request, request.method, request.url.path)
            raise HTTPException(
                403, f"This needs the role {role}, and the token has {caller.role}."
            )
        return caller

    return Depends(check)


async def _record(request: Request, verb: str, target: str) -> None:
    """Write down what somebody was not allowed to do."""
    record = _desk(request).ledger.events.record
    try:
        await run_in_threadpool(record, request.scope[CALLER], verb, target, "forbidden")
    except LedgerError:  # it is refused all the same
        log.exception("a refusal was not written down")


def tell_refusals(app: FastAPI) -> None:
    """Let an app write down what the desk refuses somebody, and answer with that."""

    async def of_forbidden(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ForbiddenError)  # noqa: S101 - what it was registered for
        # Here, where any transaction that it has broken off is over.
        await _record(request, error.verb, error.target)
        return problem(403, str(error))

    app.add_exception_handler(ForbiddenError, of_forbidden)


TheDesk = Annotated[Desk, Depends(_desk_of)]
Viewer = Annotated[Caller, _need(VIEWER)]
Submitter = Annotated[Caller, _need(SUBMITTER)]
Admin = Annotated[Caller, _need(ADMIN)]
