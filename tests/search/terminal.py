"""A pseudo-terminal around a command, and what an emulator makes of what it wrote."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyte
from command_line import LIMIT


@dataclass
class Recording:
    """What a command showed.

    Attributes
    ----------
    code : int
        Its exit code.
    screens : list of list of str
        The lines of the screen after each time that it wrote.
    written : bytes
    """

    code: int
    screens: list[list[str]] = field(default_factory=list)
    written: bytes = b""

    @property
    def last(self) -> list[str]:
        """The lines of the final screen that hold anything."""
        return [line for line in self.screens[-1] if line]


def record(
    args: Sequence[object],
    cwd: Path,
    columns: int,
    rows: int = 24,
    then: Callable[[int, list[str]], tuple[int, int] | int | None] = lambda count, screen: None,
    **environment: str,
) -> Recording:
    """Run Python in a terminal of a given size until it ends.

    `then` is called after each write; it returns a new size, a signal to send, or None.
    """
    main, side = pty.openpty()
    _resize(main, columns, rows)
    unset = {"NO_COLOR", "COLUMNS", "LINES"}
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    process = subprocess.Popen(
        [sys.executable, *map(str, args)],
        cwd=cwd, stdin=side, stdout=side, stderr=side, close_fds=True, start_new_session=True,
        env=inherited | {"TERM": "screen-256color"} | environment,
    )  # fmt: skip
    os.close(side)
    screen = pyte.Screen(columns, rows)
    stream, recording = pyte.ByteStream(screen), Recording(-1)
    deadline = time.monotonic() + LIMIT

    def show(data: bytes) -> None:
        recording.written += data
        stream.feed(data)
        recording.screens.append([line.rstrip() for line in screen.display])

    try:
        while data := _read(main, deadline):
            show(data)
            asked = then(len(recording.screens), recording.screens[-1])
            if isinstance(asked, tuple):
                # Nothing for the old size may come when the terminal has the new one already.
                process.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                while select.select([main], [], [], 0)[0] and (data := _read(main, deadline)):
                    show(data)
                screen.resize(asked[1], asked[0])
                _resize(main, *asked)
                process.send_signal(signal.SIGWINCH)
                process.send_signal(signal.SIGCONT)
            elif asked:
                process.send_signal(asked)
        recording.code = process.wait(LIMIT)
    finally:
        os.close(main)
        with process:
            process.kill()
    return recording


def _read(main: int, deadline: float) -> bytes:
    ready, _, _ = select.select([main], [], [], deadline - time.monotonic())
    assert ready, "waited too long"
    try:
        return os.read(main, 65536)
    except OSError:  # the command has ended
        return b""


def _resize(main: int, columns: int, rows: int) -> None:
    fcntl.ioctl(main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
