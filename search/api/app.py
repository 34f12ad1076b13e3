"""The routes of the service, and what all of them have in common."""

import time
from pathlib import Path

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
from search.api.allowance import Allowance
from search.api.bodies import App, Guard
from search.api.broadcast import Broadcast
from search.api.door import Door
from search.api.kept import Kept
from search.api.problems import tell_problems
from search.api.rates import Rates
from search.api.turns import Turns
from search.api.uploads import Uploads
from search.service import Desk

_DESCRIPTION = """\
Sweeps over the hyperparameters of classifiers, for many people on one cluster. Every route needs a
bearer token. What is wrong with a request is told as RFC 9457 has it.
"""

_UPLOADS = "/v1/datasets/"

_PAGE = Path(__file__).parent / "page"

PER_SECOND, BURST = 100.0, 400
"""Requests that one token may send."""

MOST_STREAMS = 500
"""Streams of events that are open at a time."""

MOST_STREAMS_OF_ONE = 50
"""Those of one token, which may be that of many tabs."""

_IDLE_SECONDS = 60


def make_app(desk: Desk, rates: Rates | None = None, allowance: Allowance | None = None) -> App:
    """Return the service as an app of ASGI.

    Parameters
    ----------
    desk : Desk
        Of a service that is started and stopped by whoever makes the app.
    rates : Rates, optional
        How often somebody may ask.
    allowance : Allowance, optional
        Of the processors, where the process does nothing but answer.
    """
    rates = rates or Rates(PER_SECOND, BURST, time.monotonic)
    # Around the routes, and not in them: what is kept or refused costs a fraction so.
    app: App = Kept(_routes(desk), desk)
    if allowance is not None:
        app = Turns(app, allowance, _UPLOADS)
    # Before the turns: who is refused takes nobody's.
    is_short = (lambda: False) if allowance is None else (lambda: allowance.is_short)
    app = Door(app, desk, rates, "/v1/", "/v1/openapi.json", is_short)
    return Guard(app, _UPLOADS)


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
    config = uvicorn.Config(
        make_app(desk, rates, allowance), log_level="warning", access_log=False,
        server_header=False, timeout_graceful_shutdown=2, timeout_keep_alive=_IDLE_SECONDS,
    )  # fmt: skip
    return uvicorn.Server(config)
