"""Who asks: the bearer token of a request, and what it allows."""

import math
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from search.ledger import ADMIN, SUBMITTER, VIEWER, Caller
from search.service import Service

_bearer = HTTPBearer(auto_error=False, description="A token of `search.serve token add`.")


def service_of(request: Request) -> Service:
    """Return the service of the app."""
    service: Service = request.app.state.service
    return service


def _caller(
    request: Request,
    shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    caller = service_of(request).ledger.people.caller(shown.credentials) if shown else None
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
    def check(request: Request, caller: Annotated[Caller, Depends(_caller)]) -> Caller:
        if not caller.may(role):
            service_of(request).ledger.events.record(
                caller, request.method, request.url.path, "forbidden"
            )
            raise HTTPException(
                403, f"This needs the role {role}, and the token has {caller.role}."
            )
        return caller

    return Depends(check)


TheService = Annotated[Service, Depends(service_of)]
Viewer = Annotated[Caller, _need(VIEWER)]
Submitter = Annotated[Caller, _need(SUBMITTER)]
Admin = Annotated[Caller, _need(ADMIN)]
