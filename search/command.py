"""What all commands have in common: how they end, and what they tell of a mistake."""

import argparse
import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from model.errors import PacksweepError, UsageError
from search.errors import INTERRUPTED

RUNS = Path("runs")


def command(
    parser: argparse.ArgumentParser,
    act: Callable[[argparse.Namespace], None],
    argv: Sequence[str] | None,
    interrupted: str = "",
) -> int:
    """Run a command and return its exit code; a mistake is told in one message.

    Parameters
    ----------
    parser : ArgumentParser
    act : callable
        Does what the parsed arguments say.
    argv : sequence of str, optional
        Arguments; those of the process where left out.
    interrupted : str
        What to tell if Ctrl-C ends it; nothing where a look at files is broken off.

    Returns
    -------
    int
        0 done, 1 failed, 2 wrong usage or input, `INTERRUPTED`.
    """
    _write_whatever_is_named()
    args = parser.parse_args(argv)
    try:
        _check_working_directory()
        act(args)
        sys.stdout.flush()
    except PacksweepError as error:
        prefix = "" if error.exit_code == INTERRUPTED else "error: "
        sys.stderr.write(f"{prefix}{error}\n")
        return error.exit_code
    except BrokenPipeError:
        # Who reads has seen enough; what is left shall not be written at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.stderr.write(interrupted)
        return INTERRUPTED
    return 0


def _write_whatever_is_named() -> None:
    """Let what a terminal's or a pipe's encoding lacks be written as an escape, as in errors."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _check_working_directory() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError(
            f"The working directory cannot be used: {error.strerror}. It may have been removed; "
            "change to a folder that there is."
        ) from error


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end what is inside as Ctrl-C does, by KeyboardInterrupt."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
