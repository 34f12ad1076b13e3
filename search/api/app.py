"""The routes of the service, and what all of them have in common."""

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from search.api import (
    data_routes,
    event_routes,
    hook_routes,
    people_routes,
    sweep_routes,
    trial_routes,
)
from search.api.broadcast import Broadcast
from search.api.entrance import (
    Allowance,
    App,
    Door,
    Guard,
    Kept,
    Rates,
    Receive,
    Scope,
    Send,
    Turns,
)
from search.api.problems import tell_problems
from search.api.uploads import Uploads
from search.service import Desk

_DESCRIPTION = """\
Sweeps over the hyperparameters of classifiers, for many people on one cluster. Every route needs a
bearer token. Errors are reported as RFC 9457 problems.
"""

_UPLOADS = "/v1/datasets/"

_PAGE = Path(__file__).parent / "page"

PER_SECOND, BURST = 100.0, 400
"""Requests that one token may send."""

MOST_STREAMS = 500
"""Streams of events that are open at a time."""

MOST_STREAMS_OF_ONE = 50
"""Streams of one token that are open at a time; many tabs may share a token."""

_IDLE_SECONDS = 60

# What is being answered as the service ends may take so long; then it is broken off.
_LAST_SECONDS = 2.0


class Ending:
    """Lets requests come to an end with the service, without a word in its log.

    Parameters
    ----------
    app : callable
        The service, by ASGI.
    broadcast : Broadcast
        Has the streams, which end first: whoever follows comes back.
    """

    def __init__(self, app: App, broadcast: Broadcast) -> None:
        self._app, self._broadcast = app, broadcast
        # Those that are worked on, and whether they are being broken off.
        self._requests: set[asyncio.Task[Any] | None] = set()
        self._breaks_off = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or leave it where all are broken off."""
        if scope["type"] != "http":  # the life of the app itself
            await self._app(scope, receive, send)
            return
        request = asyncio.current_task()
        self._requests.add(request)
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._breaks_off:
                raise
        finally:
            self._requests.discard(request)

    def begin(self) -> None:
        """End all streams."""
        self._broadcast.end()

    def break_off(self) -> None:
        """Leave what is not answered, after its connection has been cut.

        What was sent of it must not look whole, so nothing more is.
        """
        self._breaks_off = True
        for request in filter(None, self._requests):
            request.cancel()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ending: Ending) -> None:
        super().__init__(config)
        self._ending = ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending.begin()
        last = asyncio.get_running_loop().call_later(_LAST_SECONDS, self._break_off)
        try:
            await super().shutdown(sockets)
        finally:
            last.cancel()

    def _break_off(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        self._ending.break_off()


def make_app(desk: Desk, rates: Rates | None = None, allowance: Allowance | None = None) -> Ending:
    """Return the service as an app of ASGI.

    Parameters
    ----------
    desk : Desk
        The desk of a service that the caller starts and stops.
    rates : Rates, optional
        How often a token may send requests.
    allowance : Allowance, optional
        The allowance of processor time, if the process does nothing but answer.
    """
    rates = rates or Rates(PER_SECOND, BURST, time.monotonic)
    # Around the routes, and not in them: what is kept or refused costs a fraction so.
    routes = _routes(desk)
    app: App = Kept(routes, desk)
    if allowance is not None:
        app = Turns(app, allowance, _UPLOADS)
    # Before the turns: who is refused takes nobody's.
    is_short = (lambda: False) if allowance is None else (lambda: allowance.is_short)
    app = Door(app, desk, rates, "/v1/", "/v1/openapi.json", is_short)
    return Ending(Guard(app, _UPLOADS), routes.state.broadcast)


def _routes(desk: Desk) -> FastAPI:
    app = FastAPI(
        title="packsweep",
        version="1",
        description=_DESCRIPTION,
        openapi_url="/v1/openapi.json",
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.state.desk = desk
    app.state.broadcast = Broadcast(desk, MOST_STREAMS, MOST_STREAMS_OF_ONE)
    app.state.uploads = Uploads()
    tell_problems(app)
    for routes in (
        sweep_routes, trial_routes, event_routes, hook_routes, data_routes, people_routes,
    ):  # fmt: skip
        app.include_router(routes.router, prefix="/v1")
    app.mount("/", StaticFiles(directory=_PAGE, html=True))
    return app


def make_server(
    desk: Desk, rates: Rates | None = None, allowance: Allowance | None = None
) -> uvicorn.Server:
    """Return the service as a server, to be run with the sockets that it listens at.

    Parameters
    ----------
    desk, rates, allowance
        As for `make_app`.
    """
    app = make_app(desk, rates, allowance)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False,
        timeout_keep_alive=_IDLE_SECONDS,
    )  # fmt: skip
    return _Server(config, app)
