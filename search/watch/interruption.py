"""Ctrl-C: the first one stops at the next safe point, the second one at once."""

import contextlib
import os
import signal
import sys
from types import FrameType
from typing import Any, Self

from search.errors import INTERRUPTED

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
STOPPING = "Stopping; once more to leave at once."


class Interruption:
    """Notes the first signal while it is entered; the second one ends the process.

    Calling it tells whether the first has come.

    Attributes
    ----------
    drawn_over : bool
        Whether a live view is on the terminal. It tells of the signal itself, and text of a
        signal handler would tear its lines.
    """

    def __init__(self) -> None:
        self.drawn_over = False
        self._noted = False
        self._before: dict[int, Any] = {}

    def __call__(self) -> bool:
        """Whether the user or the system has asked to stop."""
        return self._noted

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *reason: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._noted:
            if self.drawn_over:
                _tell("\x1b[?25h\n")  # the view has hidden the cursor
            os._exit(INTERRUPTED)
        self._noted = True
        if not self.drawn_over:
            _tell(f"\n{STOPPING}\n")


def _tell(text: str) -> None:
    # The stream may be in the middle of a write: only the descriptor is safe in a handler.
    with contextlib.suppress(OSError):  # nobody may be reading any more
        os.write(sys.stderr.fileno(), text.encode())
