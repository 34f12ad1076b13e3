"""The door: tokens and rates are checked before anything else is done for a request."""

import asyncio
import math
from collections.abc import Callable, Mapping

from starlette.exceptions import HTTPException

from model.errors import PacksweepError
from search.api.entrance.bodies import CALLER, LAST, App, Receive, Scope, Send, dropped
from search.api.entrance.rates import Rates
from search.api.problems import problem
from search.ledger import Caller
from search.service import Desk

WHO = "packsweep.who"
"""Where it has whose part of the service it takes: a token's, or an address's without one."""

_BEARER = "bearer "

# How long who is refused waits for that while the processors are needed: a flood is as slow then.
_REFUSED_SECONDS = 1.0


class Door:
    """Lets in requests with a token and within its rate; all others are answered here.

    Before a body is read, and without the rest of the way, so that a flood costs little.

    Parameters
    ----------
    app : callable
        The rest of the service, by ASGI.
    desk : Desk
    rates : Rates
        How often somebody may ask.
    beginning : str
        The beginning of the paths that need a token.
    public : str
        The one of them that does not.
    is_short : callable, optional
        Whether more of the processors was used than answers may have.
    """

    def __init__(
        self,
        app: App,
        desk: Desk,
        rates: Rates,
        beginning: str,
        public: str,
        is_short: Callable[[], bool] = lambda: False,
    ) -> None:
        self._app, self._desk, self._rates = app, desk, rates
        self._beginning, self._public, self._is_short = beginning, public, is_short

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on with its caller."""
        if scope["type"] == "http":
            try:
                # In this thread: handing it to another one takes longer than looking.
                caller = self._caller(scope)
            except HTTPException as error:
                if self._is_short():
                    await asyncio.sleep(_REFUSED_SECONDS)
                headers = {**(error.headers or {})}
                if not await dropped(scope, receive):
                    headers |= LAST
                await problem(error.status_code, error.detail, headers)(scope, receive, send)
                return
            except PacksweepError as error:  # of the ledger
                await problem(503, str(error))(scope, receive, send)
                return
            if caller is not None:
                scope[CALLER] = caller
        await self._app(scope, receive, send)

    def _caller(self, scope: Scope) -> Caller | None:
        needs_token = scope["path"].startswith(self._beginning)
        shown = _token(dict(scope["headers"])) if needs_token else ""
        caller = self._desk.ledger.people.caller(shown) if shown else None
        who = scope[WHO] = f"token {caller.token}" if caller else _address(scope)
        wait = self._rates.wait(who)
        if wait:
            seconds = math.ceil(wait)
            raise HTTPException(
                429,
                f"These are more than {self._rates.per_second:g} requests a second. Ask again in "
                f"{seconds} s.",
                {"Retry-After": str(seconds)},
            )
        if caller is None and needs_token and scope["path"] != self._public:
            why = "is unknown, revoked or expired" if shown else "is missing"
            raise HTTPException(
                401,
                f"The token {why}. Send Authorization: Bearer TOKEN; an administrator gives "
                "tokens.",
                {"WWW-Authenticate": "Bearer"},
            )
        return caller


def _token(headers: Mapping[bytes, bytes]) -> str:
    text = headers.get(b"authorization", b"").decode("latin-1")
    return text[len(_BEARER) :].strip() if text.lower().startswith(_BEARER) else ""


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "?"
