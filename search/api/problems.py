"""Problems with requests, as RFC 9457 has them, with the same messages as the command line."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from model.errors import PacksweepError, UsageError
from search.errors import RunFolderError, StoreError
from search.ledger import RepeatedKeyError
from search.output import visible
from search.service import ForbiddenError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """A problem; see RFC 9457."""

    type: str = Field("about:blank", description="Nothing more than the status says.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="The error, the rule, and what to do.")


_DESCRIBED = "All paths are described by /v1/openapi.json."


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the answer that tells a problem."""
    title = HTTPStatus(status).phrase
    content = Problem(
        type="about:blank", title=title, status=status, detail=visible(detail)
    ).model_dump()
    return JSONResponse(content, status, dict(headers or {}), media_type=MEDIA_TYPE)


def tell_problems(app: FastAPI) -> None:
    """Let an app answer with problems, whatever goes wrong."""

    async def of_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 - what it was registered for
        detail = str(error.detail)
        if detail == HTTPStatus(error.status_code).phrase:  # the router's, which says no more
            detail = f"There is no {request.method} {request.url.path}. {_DESCRIBED}"
        return problem(error.status_code, detail, error.headers)

    async def of_validation(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return problem(422, "; ".join(map(_told, error.errors())))

    async def of_sweep(_: Request, error: Exception) -> JSONResponse:
        return problem(_status_of(error), str(error))

    async def of_unknown(_: Request, error: Exception) -> JSONResponse:
        return problem(404, f"There is no sweep {error.args[0]}.")

    async def of_conflict(_: Request, error: Exception) -> JSONResponse:
        return problem(409, str(error))

    async def of_failure(_: Request, error: Exception) -> JSONResponse:
        log.error("a request has failed", exc_info=error)
        return problem(500, "The service has failed at this; its log says why.")

    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_validation)
    app.add_exception_handler(PacksweepError, of_sweep)
    app.add_exception_handler(UnknownSweepError, of_unknown)
    app.add_exception_handler(ConflictError, of_conflict)
    app.add_exception_handler(Exception, of_failure)


class UnknownSweepError(Exception):
    """There is no sweep of an identity, which is its argument."""


class ConflictError(Exception):
    """The request is no longer possible; the message is for the user."""


def _status_of(error: Exception) -> int:
    kinds: Sequence[tuple[type[Exception], int]] = (
        (ForbiddenError, 403),
        (RepeatedKeyError, 422),
        (RunFolderError, 404),
        (UsageError, 422),
        (StoreError, 503),
    )
    return next((status for kind, status in kinds if isinstance(error, kind)), 500)


def _told(error: Mapping[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return f"The body is not JSON: {error['ctx']['error']} at character {error['loc'][-1]}."
    where = ".".join(str(part) for part in error["loc"] if part not in {"body", "query", "path"})
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": HTTPStatus(status).phrase,
             "content": {MEDIA_TYPE: {}}}
    for status in (401, 403, 404, 408, 409, 413, 422, 429, 503)
}  # fmt: skip
"""The problems that any route may answer with, for its description."""
