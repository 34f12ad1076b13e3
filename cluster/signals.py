"""Handlers of signals that outlive a library which sets its own."""

import ctypes
import signal
from collections.abc import Iterator
from contextlib import contextmanager

# More than a `struct sigaction` has anywhere.
_ROOM = 512


@contextmanager
def handlers_kept(*numbers: signal.Signals) -> Iterator[None]:
    """Let what is inside change no handler of some signals, in any thread.

    Ray's core sets one for SIGTERM as it connects, which ends the process with its stack in place
    of what the program has asked for. Python sets handlers in the main thread alone and does not
    see this one, so the system is asked itself.

    Parameters
    ----------
    *numbers : Signals
    """
    try:
        sigaction = ctypes.CDLL(None, use_errno=True).sigaction
    except (OSError, AttributeError):  # a system without it
        yield
        return
    before = {number: ctypes.create_string_buffer(_ROOM) for number in numbers}
    for number, kept in before.items():
        sigaction(int(number), None, kept)
    try:
        yield
    finally:
        for number, kept in before.items():
            sigaction(int(number), kept, None)
