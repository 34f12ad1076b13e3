"""What all commands have in common: how they end, and how they report a mistake."""

import argparse
import contextlib
import io
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from model.errors import PacksweepError, UsageError
from search.errors import INTERRUPTED, ReaderGoneError, system_refusals
from search.help_text import HelpText
from search.logins import has_login, hide_logins_of_process, tell_without_logins, without_logins
from search.output import guarded_output, visible

RUNS = Path("runs")

PACKSWEEP = "packsweep"
"""Name of the installed command."""

_SEEN = (
    "warning: a login on the command line is in the shell's history, and others saw it in the list "
    "of processes until now. Give it in the environment: docs/cluster.md says how.\n"
)


# The system's loader, of a library.
_DOES_NOT_FIT = re.compile("failed to map|cannot map|cannot allocate memory", re.IGNORECASE)

# Set once a command is what its process was started for.
_own_process = threading.Event()

COMPLETING = "_ARGCOMPLETE"
"""Name in the environment by which a shell asks what may follow on a line."""


class CompletionAskedError(Exception):
    """A shell asks what may follow on a line; whoever has started the command answers.

    Parameters
    ----------
    parser : ArgumentParser
        What would have parsed the line.
    """

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__("a shell asks what may follow")
        self.parser = parser


def has_own_process() -> bool:
    """Whether a command is what this process was started for, and not a caller's function."""
    return _own_process.is_set()


@dataclass(frozen=True)
class Start:
    """When a command was started: this moment, where nothing else is said.

    Attributes
    ----------
    at : float
        Seconds since 1970, to be compared with what the clocks of workers say.
    monotonic : float
        Seconds by a clock that nobody sets.
    """

    at: float = field(default_factory=time.time)
    monotonic: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        """Seconds since then."""
        return time.monotonic() - self.monotonic


class Parser(argparse.ArgumentParser):
    """A parser as all commands have it: options in full, help that fits the terminal.

    It shows what it refuses without logins, and without obeying what is in it.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "allow_abbrev": False, "formatter_class": HelpText})

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the arguments; where there may be any number of files, options between them."""
        if any(one.nargs == argparse.ZERO_OR_MORE for one in self._get_positional_actions()):
            return self.parse_intermixed_args(args, namespace)
        return super().parse_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Leave with a message on the usage."""
        super().error(visible(without_logins(message)))


def program(name: str = "") -> str:
    """Return how a command is called by whoever has started this process.

    Messages tell what to do next in the form that worked here.

    Parameters
    ----------
    name : str
        The command; left out, what stands before all of them.

    Returns
    -------
    str
        ``packsweep run``, ``python -m search run`` or ``python -m search.run``.
    """
    started = Path(sys.argv[0]) if sys.argv else Path()
    if started.name == PACKSWEEP:
        return f"{PACKSWEEP} {name}".strip()
    if started.parts[-2:] == ("search", "__main__.py"):
        return f"python -m search {name}".strip()
    return f"python -m search.{name.replace('-', '_')}" if name else "python -m search"


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

    Raises
    ------
    CompletionAskedError
        In place of all else where a shell asks what may follow.
    """
    if COMPLETING in os.environ:
        raise CompletionAskedError(parser)
    if argv is None:
        _own_process.set()
        hide_logins_of_process()
        sys.excepthook = tell_without_logins
    _write_whatever_is_named()
    with guarded_output():
        try:
            _take_over_interrupts()
            if any(map(has_login, sys.argv[1:] if argv is None else argv)):
                sys.stderr.write(_SEEN)
            with system_refusals():
                args = parser.parse_args(argv)
                _check_working_directory()
                act(args)
        except ReaderGoneError:
            return 0
        except PacksweepError as error:
            prefix = "" if error.exit_code == INTERRUPTED else "error: "
            sys.stderr.write(f"{prefix}{visible(without_logins(str(error)))}\n")
            return error.exit_code
        except KeyboardInterrupt:
            sys.stderr.write(interrupted)
            return INTERRUPTED
        except (MemoryError, ImportError, RuntimeError) as error:
            if not (lack := _lack_of_threads(error) or _lack_of_memory(error)):
                raise
            sys.stderr.write(f"error: {visible(without_logins(lack))}\n")
            return 1
    return 0


def _lack_of_threads(error: Exception) -> str:
    """Return what is said where no thread may be started; nothing where an error is another one."""
    if str(error) != "can't start new thread":  # Python's words, and all that it tells
        return ""
    return (
        "The system lets this command start no more threads. End other processes of yours, or "
        "allow more (ulimit -u, or the limit of a container or a job). What was logged before is "
        "safe; the same command continues."
    )


def _lack_of_memory(error: Exception) -> str:
    """Return what is said of memory that is not to be had; nothing where an error is another one.

    A library that does not fit any more is a failed import of a file that is there.
    """
    if isinstance(error, RuntimeError):
        return ""
    if isinstance(error, ImportError) and not _DOES_NOT_FIT.search(str(error)):
        return ""
    reason = f" ({error})" if str(error) else ""
    return (
        f"There is not enough memory for this command{reason}. Close other programs, or allow more "
        "(ulimit -v, or the limit of a container or a job). What was logged before is safe; the "
        "same command continues."
    )


def _take_over_interrupts() -> None:
    """Let Ctrl-C raise an exception again: until now it has ended the process at once."""
    if getattr(signal.getsignal(signal.SIGINT), "__module__", "") == "search":
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
    """Let SIGTERM and a hang-up end what is inside as Ctrl-C does, by KeyboardInterrupt."""
    with signals_caught((signal.SIGTERM, signal.SIGHUP), signal.default_int_handler):
        yield


@contextlib.contextmanager
def signals_caught(
    numbers: Sequence[signal.Signals], handler: Callable[[int, FrameType | None], object]
) -> Iterator[None]:
    """Let a handler take signals for as long as the context lasts.

    A hang-up that is ignored, as under nohup, stays ignored. From the first one on others are:
    the shell and the system both send it, and what is being put in order should come to its end.

    Parameters
    ----------
    numbers : sequence of Signals
    handler : callable
        Gets the number of the signal and the frame that it came in.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            signal.signal(number, signal.SIG_IGN)
        handler(number, frame)

    before = {
        number: signal.getsignal(number) for number in numbers if not _ignored_hang_up(number)
    }
    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, earlier in before.items():
            if not _ignored_hang_up(number):
                signal.signal(number, earlier)


def _ignored_hang_up(number: signal.Signals) -> bool:
    return number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN
