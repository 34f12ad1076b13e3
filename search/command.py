"""What all commands have in common: how they end, and what they tell of a mistake."""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from model.errors import PacksweepError
from search.errors import INTERRUPTED
from search.logins import has_login, hide_logins_of_process, tell_without_logins, without_logins

RUNS = Path("runs")

_SEEN = (
    "warning: a login on the command line is in the shell's history, and others saw it in the list "
    "of processes until now. Give it in the environment: docs/cluster.md says how.\n"
)


class Parser(argparse.ArgumentParser):
    """Tells of a mistake without the logins that are in it."""

    def error(self, message: str) -> NoReturn:
        """Tell of a mistake and leave."""
        super().error(without_logins(message))


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
    if argv is None:
        hide_logins_of_process()
        sys.excepthook = tell_without_logins
    if any(map(has_login, sys.argv[1:] if argv is None else argv)):
        sys.stderr.write(_SEEN)
    args = parser.parse_args(argv)
    try:
        act(args)
        sys.stdout.flush()
    except PacksweepError as error:
        prefix = "" if error.exit_code == INTERRUPTED else "error: "
        sys.stderr.write(without_logins(f"{prefix}{error}\n"))
        return error.exit_code
    except BrokenPipeError:
        # Who reads has seen enough; what is left shall not be written at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.stderr.write(interrupted)
        return INTERRUPTED
    return 0


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end what is inside as Ctrl-C does, by KeyboardInterrupt."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
