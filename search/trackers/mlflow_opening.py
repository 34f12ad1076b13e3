"""MLflow's client for a place that the user has named, and what goes wrong with it in our words."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from model.errors import PacksweepError
from search.errors import ConfigError, StoreError
from search.extras import missing
from search.logins import without_login, without_logins
from search.text import without_links

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_SERVERS = ("http", "https")

# What a user has not set: nobody else is told what is exported, and a server that is away is
# given up after seconds, in place of minutes.
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # a line for each trial
}
_SECRETS = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD")
_LONGEST = 300


def is_server(uri: str) -> bool:
    """Whether a URI is that of a server, and not of a database."""
    return uri.partition(":")[0].lower() in _SERVERS


def open_client(uri: str) -> "MlflowClient":
    """Return a client of MLflow.

    Raises
    ------
    MissingLibraryError
        If MLflow is not installed.
    ConfigError
        If the URI is none that MLflow takes.
    """
    folder = "://" not in uri and not uri.startswith("databricks")
    if folder or uri.lower().startswith("file:"):
        raise ConfigError(
            f"{uri!r} is not an MLflow address: MLflow no longer keeps runs in folders. Give a "
            "server, such as http://127.0.0.1:5000, or a database, such as sqlite:///mlflow.db."
        )
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    # Late, as it takes seconds and may not be installed.
    try:
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        raise missing("mlflow", "An export to MLflow", error.name) from error
    # What it logs of a failure is a traceback, and the failure is told anyway.
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return MlflowClient(uri)


@contextmanager
def told(uri: str) -> Iterator[None]:
    """Say in our words what goes wrong with a place of MLflow.

    Raises
    ------
    ConfigError
        If it is none, or refuses the login.
    StoreError
        If it does not answer, or does not do what it is asked.
    """
    try:
        yield
    except PacksweepError:
        raise
    except Exception as error:  # whatever the library of a server or a database raises
        raise _in_our_words(uri, error) from None


def _in_our_words(uri: str, error: Exception) -> PacksweepError:
    shown, text = without_login(uri), str(error)
    if _status(error) in (401, 403):
        return ConfigError(
            f"{shown} refuses the login. Give MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME "
            "and MLFLOW_TRACKING_PASSWORD, in the environment."
        )
    if "unsupported URI" in text or "Could not parse" in text:
        return ConfigError(
            f"{shown} is not an MLflow address. Give a server (http, https) or a database (sqlite, "
            "postgresql, mysql, mssql)."
        )
    if isinstance(error, ImportError):
        return ConfigError(f"{shown} cannot be used as an MLflow address: {_said(uri, error)}.")
    # An answer that is not MLflow's own has no code of MLflow's.
    if is_server(uri) and getattr(error, "json", None) is None:
        status = _status(error)
        said = _said(uri, error) if status is None else f"its answer has status {status}"
        return StoreError(f"{shown} does not answer as a server of MLflow: {said}.")
    return StoreError(f"The run cannot be written to {shown}: {_said(uri, error)}.")


def _status(error: Any) -> int | None:
    """Return the status of the answer, where there was one."""
    response = getattr(error, "response", None)
    if response is not None:
        return int(response.status_code)
    if getattr(error, "error_code", "") in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return 401
    found = re.search(r"(?:error code|status code:?|response code) (\d{3})", str(error))
    return int(found[1]) if found else None


def _said(uri: str, error: Exception) -> str:
    """Return the library's reason: in one line, with no link, login or token."""
    text = str(error) or type(error).__name__
    # Innermost of what requests and urllib3 put around each other.
    inner = re.search(r"Caused by \w+\([\"'](?:<[^>]*>: |.*?object at 0x\w+>: )?(.*?)[\"']\)", text)
    text = without_logins((inner[1] if inner else text).replace(uri, without_login(uri)))
    for secret in filter(None, map(os.environ.get, _SECRETS)):
        text = text.replace(secret, "***")
    return without_links(text)[:_LONGEST]
