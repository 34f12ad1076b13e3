"""What the commands that look at runs, and train nothing, have in common."""

import os
import sys
from collections.abc import Callable
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
