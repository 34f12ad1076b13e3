"""Threads that the system does not start: how it is noticed, and what is said of it."""

import _thread
import contextlib
import signal
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType

NO_THREAD = "can't start new thread"
"""Python's words where the system starts no thread, and all that it tells."""

LACK_OF_THREADS = (
    "The system lets this command start no more threads. End other processes of yours, or allow "
    "more (ulimit -u, or the limit of a container or a job). What was logged before is safe; the "
    "same command continues."
)
"""What is said then."""

# Where Linux tells which signals wait for a thread.
_OF_THREAD = Path("/proc/thread-self/status")

# Packages that bring OpenBLAS. Where that cannot start its threads as it is loaded, it raises an
# interrupt in the thread that loads it.
_BLAS = ("numpy", "scipy")


def interrupted_itself(frames: Iterable[FrameType]) -> bool:
    """Whether a library has raised an interrupt for want of threads, and nobody pressed Ctrl-C.

    Parameters
    ----------
    frames : iterable of frame
        What the main thread was doing.
    """
    importing = any(
        frame.f_code.co_name == "<module>"
        and str(frame.f_globals.get("__name__")).startswith(_BLAS)
        for frame in frames
    )
    if not importing:
        return False
    try:
        _thread.start_new_thread(int, ())
    except RuntimeError:
        return True
    return False


@contextlib.contextmanager
def without_own_interrupts() -> Iterator[None]:
    """Let no interrupt out of a thread that a library raises in it for want of threads.

    Python would handle it in the main thread, later, as if somebody had pressed Ctrl-C. Such a one
    comes to the main thread as ever. In the main thread itself nothing is changed.

    Raises
    ------
    RuntimeError
        In its place, as Python has it.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if in_main or not _OF_THREAD.exists():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        raised = _take_own_interrupt()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if raised:
        raise RuntimeError(NO_THREAD)


def _take_own_interrupt() -> bool:
    """Take an interrupt that waits for this thread alone; whether there was one.

    What waits for the process is somebody else's, and on its way to the main thread.
    """
    waiting = 0
    with contextlib.suppress(OSError, ValueError):
        for line in _OF_THREAD.read_text().splitlines():
            if line.startswith("SigPnd:"):
                waiting = int(line.split()[1], 16)
    if not waiting & 1 << (signal.SIGINT - 1):
        return False
    signal.sigwait({signal.SIGINT})  # of both kinds it takes the thread's own first
    return True
