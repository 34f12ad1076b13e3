"""What a run's writer remembers of an object store."""

import threading
from collections import OrderedDict
from collections.abc import Iterable

# The newest states of 64 packs of two megabytes.
_BYTES = 128 * 2**20


class WriterMemory:
    """The newest objects that went to or came from a store, and the names in some folders.

    Contents are kept up to a limit; those that were not used for longest go first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Version and content by key, those used last at the end.
        self._contents: OrderedDict[str, tuple[object, bytes]] = OrderedDict()
        # The length of all contents together; at most `_BYTES` when no call is under way.
        self._size = 0
        # All names in a folder, for folders that were remembered and no others.
        self._names: dict[str, set[str]] = {}

    def keep(self, key: str, content: bytes, version: object = None) -> None:
        """Keep what an object holds; a version tells it from another one of the same name."""
        with self._lock:
            self._drop(key)
            self._contents[key] = (version, content)
            self._size += len(content)
            while self._size > _BYTES:
                self._drop(next(iter(self._contents)))

    def content(self, key: str, version: object = None) -> bytes | None:
        """Return what an object of this version holds, if it was kept."""
        with self._lock:
            kept, content = self._contents.get(key, (None, None))
            if content is None or kept != version:
                return None
            self._contents.move_to_end(key)
            return content

    def forget(self, key: str) -> None:
        """Forget what an object holds."""
        with self._lock:
            self._drop(key)

    def _drop(self, key: str) -> None:
        _, content = self._contents.pop(key, (None, b""))
        self._size -= len(content)

    def remember_names(self, folder: str, names: Iterable[str]) -> None:
        """Remember all names in a folder, so that `names` returns them from now on."""
        with self._lock:
            self._names[folder] = set(names)

    def names(self, folder: str) -> set[str] | None:
        """Return the names in a folder, or None where they were not remembered."""
        with self._lock:
            names = self._names.get(folder)
            return None if names is None else set(names)

    def added(self, key: str) -> None:
        """Add a new object to the names, and the folders that it is in."""
        with self._lock:
            while key:
                key, _, name = key.rpartition("/")
                if key in self._names:
                    self._names[key].add(name)

    def removed(self, key: str) -> None:
        """Forget an object that is gone."""
        folder, _, name = key.rpartition("/")
        with self._lock:
            self._drop(key)
            self._names.get(folder, set()).discard(name)
