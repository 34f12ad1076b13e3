"""Ctrl-C: the first one stops at the next safe point, the second one at once."""

import contextlib
import logging
import os
import signal
import sys
import traceback
from types import FrameType
from typing import Self

from search.command import signals_caught
from search.errors import INTERRUPTED
from search.output import can_take
from search.threads import NO_THREAD, interrupted_itself

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPPING = "Stopping; once more to leave at once."


class Interruption:
    """Notes the first signal while it is entered; the second one ends the process.

    Calling it tells whether the first has come. A hang-up of the terminal comes twice, from the
    shell and from the system, so it is never a second one; and it may be ignored, as under nohup.

    Attributes
    ----------
    drawn_over : bool
        Whether a live view is on the terminal. It tells of the signal itself, and text of a
        signal handler would tear its lines.
    """

    def __init__(self) -> None:
        self.drawn_over = False
        self._noted: signal.Signals | None = None
        self._signals = contextlib.ExitStack()

    def __call__(self) -> bool:
        """Whether the user or the system has asked to stop."""
        return self._noted is not None

    def __enter__(self) -> Self:
        self._signals.enter_context(signals_caught(_SIGNALS, self._note))
        return self

    def __exit__(self, *reason: object) -> None:
        self._signals.close()
        if self._noted is not None:  # told here, because a signal handler cannot log
            log.info("asked to stop by %s", self._noted.name)

    def _note(self, number: int, frame: FrameType | None) -> None:
        walked = (frame for frame, _ in traceback.walk_stack(frame))
        if number == signal.SIGINT and interrupted_itself(walked):
            raise RuntimeError(NO_THREAD)
        if self._noted is None:
            self._noted = signal.Signals(number)
            if not self.drawn_over:
                _tell(f"\n{STOPPING}\n")
        elif number != signal.SIGHUP:
            if self.drawn_over:
                _tell("\x1b[?25h\n")  # the view has hidden the cursor
            os._exit(INTERRUPTED)


def _tell(text: str) -> None:
    # The stream may be in the middle of a write: only the descriptor is safe in a handler.
    with contextlib.suppress(OSError):  # nobody may be reading any more
        if can_take(sys.stderr):
            os.write(sys.stderr.fileno(), text.encode())
