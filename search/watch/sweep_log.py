"""The log file in the run's folder, which gets what the packages log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from search.errors import LockedError
from search.storage import Place, RemotePath, Repeated

# Seconds between two uploads. Nothing can be appended to an object, so each upload is the whole
# file; a killed command loses the lines since the last one.
_SECONDS = 5.0


@contextmanager
def log_file(path: Place) -> Iterator[Place]:
    """Write what the packages log into a file, or an object of a store.

    Yields
    ------
    Path
        A local file that has all that was logged so far.
    """
    if not isinstance(path, RemotePath):
        with _logged(path):
            yield path
        return
    with TemporaryDirectory(prefix="packsweep-") as folder:
        upload = _Upload(Path(folder) / path.name, path)
        try:
            with _logged(upload.file), Repeated(_SECONDS, upload.put):
                yield upload.file
        finally:
            upload.put()


class _Upload:
    """Uploads a growing file to a store; what the object had before stands at its beginning."""

    def __init__(self, file: Path, path: RemotePath) -> None:
        self.file, self._path = file, path
        with suppress(FileNotFoundError):
            file.write_bytes(path.read_bytes())
        self._size = file.stat().st_size if file.exists() else 0

    def put(self) -> None:
        """Upload the file if it has grown."""
        # The trial log tells the user of a store that refuses, or of a lost lease.
        with suppress(OSError, LockedError):
            content = self.file.read_bytes()
            if len(content) > self._size:
                self._path.write_bytes(content)
                self._size = len(content)


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    handler = _LogFile(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("search")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        with suppress(OSError):
            handler.close()


class _LogFile(logging.FileHandler):
    """Loses lines on a full disk without a word; the trial log tells the user of it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Ignore the error."""
