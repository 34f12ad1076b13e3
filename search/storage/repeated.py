"""Something that is done every so often beside everything else."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Repeated:
    """Calls a function at intervals, in its own thread, until it is left.

    Parameters
    ----------
    seconds : float
        Pause between the end of one call and the next.
    action : callable
        Must not raise.
    """

    def __init__(self, seconds: float, action: Callable[[], None]) -> None:
        self._seconds, self._action = seconds, action
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            self._action()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
