"""The log file in the run's folder, which gets what the packages log, and how the command ended."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from search.logins import without_logins
from search.output import lost_display, visible
from search.storage import Place, growing_file

log = logging.getLogger(__name__)


@contextmanager
def log_file(path: Place, say: Callable[[str], None]) -> Iterator[Path]:
    """Write what the packages log into a file, or an object of a store.

    Parameters
    ----------
    path : Path or RemotePath
    say : callable
        Tells the user that there can be no such file, which is not a reason to stop.

    Yields
    ------
    Path
        A local file that has all that was logged so far.
    """
    with growing_file(path) as file, _logged(file, say):
        if lost := lost_display():
            log.info(lost)
        try:
            yield file
        except BaseException as error:
            # The user may have no display any more to read it there.
            log.info("ended: %s", " ".join(str(error).split()) or type(error).__name__)
            raise


# The file of the sweep that this thread runs, or whose task is spoken of; none where neither is.
_own: ContextVar[Path | None] = ContextVar("own", default=None)

# The files that are open. What is of no one sweep goes into the file of the only one: where there
# are several, as in a service, it may be of another person's.
_open: set[Path] = set()


@contextmanager
def _logged(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    handler = _LogFile(path, say)
    handler.addFilter(lambda _: _is_for(path))
    _open.add(path)
    before = _own.set(path)
    handler.setFormatter(_Visible("%(asctime)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in ("search", "cluster")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        _own.reset(before)
        _open.discard(path)
        with suppress(OSError):
            handler.close()


def _is_for(path: Path) -> bool:
    own = _own.get()
    return len(_open) == 1 if own is None else own == path


class _Visible(logging.Formatter):
    """Leaves nothing in a line that could move a cursor, nor the login of an address."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, perhaps with a traceback."""
        return visible(without_logins(super().format(record)))


class _LogFile(logging.FileHandler):
    """Tells once that it cannot be opened.

    On a full disk it loses lines without a word; the trial log tells the user of that.
    """

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        super().__init__(path, encoding="utf-8", delay=True)
        self._say, self._told = say, False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or lose it."""
        try:
            super().emit(record)
        except OSError as error:
            if not self._told:
                self._told = True
                self._say(
                    f"{self.baseFilename} cannot be written ({error.strerror}): nothing is logged "
                    "there. The sweep goes on."
                )

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Ignore the error."""
