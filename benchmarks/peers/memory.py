"""How much memory a machine has less while something runs on it."""

from typing import Self

import psutil

from search.storage.repeated import Repeated

_EVERY_S = 0.2


class MachineMemory(Repeated):
    """Watch the memory that is available, of a machine that does nothing else.

    So processes that a tool starts are counted whoever their parent is, and what they
    share is counted once.

    Attributes
    ----------
    peak_mib : float
        The most that was taken since the start.
    """

    def __init__(self) -> None:
        super().__init__(_EVERY_S, self._look)
        self.peak_mib = 0.0

    def __enter__(self) -> Self:
        self._before = psutil.virtual_memory().available
        return super().__enter__()

    def _look(self) -> None:
        taken = self._before - psutil.virtual_memory().available
        self.peak_mib = max(self.peak_mib, taken / 2**20)
