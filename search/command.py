"""What all commands have in common: how they end, and what they tell of a mistake."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from model.errors import PacksweepError

RUNS = Path("runs")


def inspected(look: Callable[[], None]) -> int:
    """Do the work of a command and return its exit code; mistakes are told in one message."""
    try:
        look()
        sys.stdout.flush()
    except PacksweepError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except BrokenPipeError:
        # Who reads has seen enough; what is left shall not be written at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    return 0


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end what is inside as Ctrl-C does, by KeyboardInterrupt."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
