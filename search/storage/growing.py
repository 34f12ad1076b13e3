"""A text that grows while a command runs, as a file on this machine whose content is kept."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from search.errors import LockedError
from search.storage.remote_path import Place, RemotePath
from search.storage.repeated import Repeated

# An object cannot be added to, so that a store gets the whole file again; a killed command loses
# the lines since.
_SECONDS = 5.0


@contextmanager
def growing_file(path: Place) -> Iterator[Path]:
    """Give a file to add to and to read from, in place of `path`, as long as the context lasts.

    On a disk it is `path` itself. In a store it is a copy on this machine that begins with what
    the object holds, and that is put into the store every five seconds and at the end. What the
    store refuses is not told here: the trial log, which cannot be written either, tells the user.

    Parameters
    ----------
    path : Path or RemotePath

    Raises
    ------
    OSError
        If the store does not say what the object holds.
    """
    if not isinstance(path, RemotePath):
        yield path
        return
    with TemporaryDirectory(prefix="packsweep-") as folder:
        upload = _Upload(Path(folder) / path.name, path)
        try:
            with Repeated(_SECONDS, upload.put):
                yield upload.file
        finally:
            upload.put()


class _Upload:
    """Puts a file that grows into a store, after what stood there before."""

    def __init__(self, file: Path, path: RemotePath) -> None:
        self.file, self._path = file, path
        with suppress(FileNotFoundError):
            file.write_bytes(path.read_bytes())
        # What the object holds: the first bytes of the file.
        self._size = file.stat().st_size if file.exists() else 0

    def put(self) -> None:
        """Put the file where it has grown."""
        with suppress(OSError, LockedError):
            content = self.file.read_bytes()
            if len(content) > self._size:
                self._path.write_bytes(content)
                self._size = len(content)
