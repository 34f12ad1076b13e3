"""Libraries that are not always installed, and what is said where one is missing."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from search.errors import MissingLibraryError

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "ray": ("ray", "grpc"),
    "optuna": ("optuna", "sqlalchemy", "cmaes"),
    "report": ("plotly", "jinja2", "markupsafe"),
    "serve": ("fastapi", "starlette", "uvicorn", "httpx2"),
}
"""What each extra of the package brings, by the names that are imported."""


@contextmanager
def needed(extra: str, what: str, otherwise: str = "") -> Iterator[None]:
    """Say which extra is missing, where what is imported inside needs it.

    Parameters
    ----------
    extra : str
        A key of `EXTRAS`.
    what : str
        What needs it, as the message begins.
    otherwise : str
        What to do instead, as the message ends: ``, or ...``.

    Raises
    ------
    MissingLibraryError
        If a library of the extra is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in EXTRAS[extra]:
            raise
        raise missing(extra, what, library, otherwise) from error


def missing(extra: str, what: str, library: str | None, otherwise: str = "") -> MissingLibraryError:
    """Return what is raised where a library of an extra is missing; see `needed`."""
    return MissingLibraryError(
        f"{what} needs {library}, which is not installed. Install it with "
        f'pip install "packsweep[{extra}]"{otherwise}.'
    )
