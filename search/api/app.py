"""The routes of the service, and what all of them have in common."""

import time
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.middleware import Middleware

from search.api import (
    data_routes,
    event_routes,
    hook_routes,
    people_routes,
    sweep_routes,
    trial_routes,
)
from search.api.bodies import Guard
from search.api.problems import tell_problems
from search.api.rates import Rates
from search.service import Service

_DESCRIPTION = """\
Sweeps over the hyperparameters of classifiers, for many people on one cluster. Every route needs a
bearer token. What is wrong with a request is told as RFC 9457 has it.
"""

_PAGE = Path(__file__).parent / "page"

PER_SECOND, BURST = 100.0, 400
"""Requests that one token may send."""


def make_app(service: Service, rates: Rates | None = None) -> FastAPI:
    """Return the service as an app of ASGI.

    Parameters
    ----------
    service : Service
        Started and stopped by whoever makes the app.
    rates : Rates, optional
        How often somebody may ask.
    """
    app = FastAPI(
        title="packsweep",
        version="1",
        description=_DESCRIPTION,
        openapi_url="/v1/openapi.json",
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        middleware=[Middleware(Guard, unlimited="/v1/datasets/")],
    )
    app.state.service = service
    app.state.rates = rates or Rates(PER_SECOND, BURST, time.monotonic)
    app.state.streams = set()
    tell_problems(app)
    for routes in (
        sweep_routes, trial_routes, event_routes, hook_routes, data_routes, people_routes,
    ):  # fmt: skip
        app.include_router(routes.router, prefix="/v1")
    app.mount("/", StaticFiles(directory=_PAGE, html=True))
    return app


def make_server(service: Service, rates: Rates | None = None) -> uvicorn.Server:
    """Return the service as a server, to be run with the sockets that it listens at.

    Parameters
    ----------
    service, rates
        As for `make_app`.
    """
    config = uvicorn.Config(
        make_app(service, rates), log_level="warning", access_log=False, server_header=False,
        timeout_graceful_shutdown=2,
    )  # fmt: skip
    return uvicorn.Server(config)
