"""The log file in the run's folder, which gets what the packages log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from search.logins import without_logins
from search.storage import Place, growing_file


@contextmanager
def log_file(path: Place) -> Iterator[Path]:
    """Write what the packages log into a file, or an object of a store.

    Yields
    ------
    Path
        A local file that has all that was logged so far.
    """
    with growing_file(path) as file, _logged(file):
        yield file


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    handler = _LogFile(path, encoding="utf-8", delay=True)
    handler.setFormatter(_WithoutLogins("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("search")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        with suppress(OSError):
            handler.close()


class _WithoutLogins(logging.Formatter):
    """Writes stars where a line, or a traceback in it, has the login of an address."""

    def format(self, record: logging.LogRecord) -> str:
        return without_logins(super().format(record))


class _LogFile(logging.FileHandler):
    """Loses lines on a full disk without a word; the trial log tells the user of it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Ignore the error."""
