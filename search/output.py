"""What a command writes for people: to streams that may go away, in characters that can be seen."""

import io
import logging
import os
import select
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from search.errors import OutputError, ReaderGoneError

log = logging.getLogger(__name__)

# Characters of one write: in UTF-8 no more bytes than a pipe that is ready takes at once.
_PIECE = 1024

# Seconds in which a reader must take something, if nothing is to be left out for it.
_PATIENCE = 1.0


@contextmanager
def guarded_output() -> Iterator[None]:
    """Put an `Output` in the place of both standard streams while a command runs.

    What is printed is the result, so that a standard output that cannot be written is told. The
    rest goes to standard error, and the command goes on without it.
    """
    _open_closed_descriptors()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Output(sys.stdout, needed=True), Output(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _open_closed_descriptors() -> None:
    """Let no file of the run get the number of a standard stream, which libraries write to."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)  # the processes that Ray starts need them too
    os.close(descriptor)


def lost_display() -> str:
    """Return since when and why there is no display, as a sentence; nothing where there is one."""
    return sys.stderr.lost if isinstance(sys.stderr, Output) else ""


class Output(io.TextIOBase):
    """A stream for people that survives its reader, its disk and its terminal.

    The first failure is remembered and logged; from then on nothing is written. A reader that
    stands still is not a failure: what it does not take in time is left out.

    Parameters
    ----------
    stream : text stream or None
        None where the descriptor was closed when Python began.
    needed : bool
        Whether it is the purpose of the command that this is read. If so, it waits for its
        reader and a failure is raised.

    Attributes
    ----------
    lost : str
        Since when and why nothing is written, as a sentence; empty at first.
    """

    def __init__(self, stream: TextIO | None, needed: bool = False) -> None:
        self._stream, self._needed, self.lost = stream, needed, ""
        # Asked once: what has hung up is not a terminal any more.
        self._terminal = stream is not None and not stream.closed and stream.isatty()
        self._lock = threading.RLock()
        self._behind = False  # whether the reader has let something wait too long
        if stream is None:
            self._note("is closed")
        elif isinstance(stream, io.TextIOWrapper):
            # Not every terminal can show every name.
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Write text at once, or nothing if that is not possible.

        Raises
        ------
        ReaderGoneError
            If it is needed, and nobody reads it any more.
        OutputError
            If it is needed and cannot be written for another reason.
        """
        with self._lock:
            if self._stream is not None and not self.lost:
                try:
                    self._write(self._stream, text)
                except (OSError, ValueError) as error:  # ValueError: closed within Python
                    self._lose(self._stream, error)
        return len(text)

    def _write(self, stream: TextIO, text: str) -> None:
        for start in range(0, len(text), _PIECE):
            if not self._reader_is_ready():
                return
            stream.write(text[start : start + _PIECE])
            stream.flush()

    def _reader_is_ready(self) -> bool:
        if self._needed:
            return can_take(self, None)
        ready = can_take(self, 0.0 if self._behind else _PATIENCE)
        if not ready and not self._behind:
            log.info("Nobody is reading the output at the moment; new lines are left out.")
        self._behind = not ready
        return ready

    def _lose(self, stream: TextIO, error: Exception) -> None:
        gone = isinstance(error, BrokenPipeError) or self._terminal
        reason = getattr(error, "strerror", None) or str(error)
        self._note(f"cannot be written ({reason})")
        with suppress(OSError, ValueError):
            # What is left in the stream's buffer should not fail once more at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if self._needed:
            raise (ReaderGoneError() if gone else OutputError(reason)) from error

    def _note(self, problem: str) -> None:
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        name = "standard output" if self._needed else "standard error"
        self.lost = f"Nothing has been shown since {since}: {name} {problem}. The command goes on."
        if not self._needed:
            log.info(self.lost)

    def flush(self) -> None:
        """Do nothing: each text is written at once."""

    def writable(self) -> bool:
        """Whether it takes text, which it always does."""
        return True

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._terminal

    def fileno(self) -> int:
        """Return the descriptor, which is open even where it was closed when Python began."""
        if self._stream is None:
            return 1 if self._needed else 2
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the base class never writes it
        """The encoding that its characters go through."""
        return getattr(self._stream, "encoding", None) or "utf-8"


def can_take(stream: TextIO | Output, seconds: float | None = 0.0) -> bool:
    """Whether a stream takes a few bytes within some seconds; with None it is waited for."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLOUT)
        return bool(poll.poll(None if seconds is None else 1000 * seconds))
    except (OSError, ValueError):  # no descriptor, so nobody to wait for
        return True


def visible(text: str) -> str:
    r"""Return a text whose characters can all be seen, whoever has written it.

    Names, labels and messages from outside may hold what moves a terminal's cursor or hides
    other text. Line breaks and spaces stay.

    Examples
    --------
    >>> print(visible("café\x1b[2J"))
    café\x1b[2J
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c == "\n" or unicodedata.category(c) == "Zs" else _escape(c)
        for c in text
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
