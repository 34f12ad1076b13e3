"""What keeps a cluster that is started here to its user: the loopback interface, a private folder.

Ray alone listens on all interfaces, and lays its sockets where everybody can replace them.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from platformdirs import user_cache_path
from ray._private import ray_constants

from cluster.token import keep_token_private

_PREFIX = "packsweep-ray-"
# A path of a Unix socket has 107 bytes at most. Ray's take so many below this folder.
_LONGEST_FOLDER = 107 - len("/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store")
# A folder that nobody holds is left alone for so long: it may be held in a moment.
_SETTLED_SECONDS = 60.0


class PrivateFolder:
    """A new folder that only its user may enter; others of this user whose command is gone, go.

    It is held by a lock that ends with this process, however that ends.

    Attributes
    ----------
    ray : Path
        The folder in it for Ray, which opens its own to everybody.
    """

    def __init__(self) -> None:
        parent = _parent()
        _remove_abandoned(parent)
        self._path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self._lock = os.open(self._path, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.ray = self._path / "ray"
        _link().show(self.ray)

    def remove(self) -> None:
        """Remove it with all that is in it."""
        _link().hide(self.ray)
        # What is left of the cluster may still be writing there.
        shutil.rmtree(self._path, ignore_errors=True)
        os.close(self._lock)


class _Link:
    """A name that stays, for programs that look for the newest cluster, such as Prometheus."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def show(self, folder: Path) -> None:
        with suppress(OSError):  # a display is never a reason to stop
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new = self._path.with_name(folder.parent.name)
            new.symlink_to(folder)
            new.replace(self._path)

    def hide(self, folder: Path) -> None:
        with suppress(OSError):
            if self._path.readlink() == folder:
                self._path.unlink()


def _link() -> _Link:
    return _Link(user_cache_path("packsweep") / "ray")


def _parent() -> Path:
    """Return where Ray would put its files, unless the paths of its sockets got too long there."""
    parent = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()).absolute()
    longest = len(os.fsencode(parent)) + len(f"/{_PREFIX}12345678")
    return parent if longest <= _LONGEST_FOLDER else Path("/tmp")  # noqa: S108 - a new name in it


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            status = folder.lstat()
            settled = time.time() > status.st_mtime + _SETTLED_SECONDS
            if status.st_uid == os.geteuid() and settled and not folder.is_symlink():
                _remove_unless_held(folder)


def _remove_unless_held(folder: Path) -> None:
    """Remove a folder whose command is gone; raise BlockingIOError if it is not."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


@contextmanager
def secluded(folder: PrivateFolder) -> Iterator[None]:
    """Have a cluster that is started in this context listen on the loopback interface alone.

    Ray does that by itself on systems where it makes no clusters of several machines. This is
    its own switch, which it reads when it is imported, and its processes from their environment.

    Parameters
    ----------
    folder : PrivateFolder
        Where its processes put their temporary files.
    """
    keep_token_private()
    before = ray_constants.ENABLE_RAY_CLUSTER
    switch = {ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0", "TMPDIR": str(folder.ray.parent)}
    given = {name: os.environ.get(name) for name in switch}
    os.environ.update(switch)
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
        for name, value in given.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
