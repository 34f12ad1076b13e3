"""How much memory a machine has less while something runs on it."""

import threading
from types import TracebackType
from typing import Self

import psutil

_EVERY_S = 0.2


class MachineMemory:
    """Watch the memory that is available, of a machine that does nothing else.

    So processes that a tool starts are counted whoever their parent is, and what they
    share is counted once.

    Attributes
    ----------
    peak_mib : float
        The most that was taken since the start.
    """

    def __init__(self) -> None:
        self.peak_mib = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._before = psutil.virtual_memory().available
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(_EVERY_S):
            taken = self._before - psutil.virtual_memory().available
            self.peak_mib = max(self.peak_mib, taken / 2**20)
