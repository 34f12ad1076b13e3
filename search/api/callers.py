"""Who asks: the bearer token of a request, and what it allows."""

import math
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from search.ledger import ADMIN, SUBMITTER, VIEWER, Caller
from search.service import Service

_bearer = HTTPBearer(auto_error=False, description="A token of `search.serve token add`.")


# What a request needs of the service is asked for without a thread, where it takes no longer than
# handing it to one: that costs a request more than its answer does.


async def _service_of(request: Request) -> Service:
    return _service(request)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _caller(
    request: Request,
    shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    caller = _service(request).ledger.people.caller(shown.credentials) if shown else None
    who = f"token {caller.token}" if caller else (request.client.host if request.client else "?")
    wait = request.app.state.rates.wait(who)
    if wait:
        raise HTTPException(
            429,
            f"These are more than {request.app.state.rates.per_second:g} requests a second. Wait "
            "as long as Retry-After says.",
            {"Retry-After": str(math.ceil(wait))},
        )
    if caller is None:
        why = "is unknown, revoked or expired" if shown else "is missing"
        raise HTTPException(
            401,
            f"The token {why}. Send Authorization: Bearer TOKEN; an administrator gives tokens.",
            {"WWW-Authenticate": "Bearer"},
        )
    return caller


def _need(role: str) -> object:
    async def check(request: Request, caller: Annotated[Caller, Depends(_caller)]) -> Caller:
        if not caller.may(role):
            record = _service(request).ledger.events.record
            path = request.url.path
            await run_in_threadpool(record, caller, request.method, path, "forbidden")
            raise HTTPException(
                403, f"This needs the role {role}, and the token has {caller.role}."
            )
        return caller

    return Depends(check)


TheService = Annotated[Service, Depends(_service_of)]
Viewer = Annotated[Caller, _need(VIEWER)]
Submitter = Annotated[Caller, _need(SUBMITTER)]
Admin = Annotated[Caller, _need(ADMIN)]
