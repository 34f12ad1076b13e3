"""Lines at the end of a terminal that are drawn over themselves."""

import contextlib
import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Self

from rich.console import Console
from rich.text import Text

from search.output import visible

_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_ERASE_TO_END_OF_LINE, _ERASE_BELOW = "\x1b[K", "\x1b[J"

# The size that is assumed of a terminal that does not tell its own.
_COLUMNS, _ROWS = 80, 24

# Seconds between two drawings; a resized terminal is redrawn after so many too.
_INTERVAL = 0.25
_WIDEST_BAR = 80


def can_move_cursor(console: Console) -> bool:
    """Whether a console is a terminal on which lines can be drawn over themselves."""
    return console.is_terminal and not console.is_dumb_terminal


class Screen:
    """The last lines of a terminal; several threads may draw and print.

    Each drawing is one write, cut to the terminal's size of that moment: nothing is wrapped, so
    the next one knows where it began.

    Parameters
    ----------
    console : Console
        The console of a terminal whose cursor can be moved.
    """

    def __init__(self, console: Console) -> None:
        self._console, self._lock = console, threading.RLock()
        self._widths: list[int] = []  # widths of the lines that are on the terminal now

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows that can be drawn on."""
        columns, rows = self._console.size
        with contextlib.suppress(OSError, ValueError):
            # The console believes COLUMNS and LINES, which may be those of another terminal.
            real = os.get_terminal_size(self._console.file.fileno())
            columns, rows = min(columns, real.columns or _COLUMNS), min(rows, real.lines or _ROWS)
        # Some terminals begin a new line as soon as the last column is written to.
        return max(columns - 1, 1), max(rows - 1, 1)

    def draw(self, lines: Sequence[Text]) -> None:
        """Replace what was drawn before; what is too wide or too much is cut."""
        with self._lock:
            columns, rows = self.size
            shown = [fitted(line, columns, self._ascii) for line in lines[:rows]]
            body = "\r\n".join(self._escapes(line) + _ERASE_TO_END_OF_LINE for line in shown)
            # Back at the margin, where the ^C that a terminal echoes cannot begin a new line.
            end = _ERASE_BELOW + "\r"
            self._write(_HIDE_CURSOR + self._to_the_top(columns + 1) + body + end)
            self._widths = [line.cell_len for line in shown]

    def clear(self) -> None:
        """Leave the terminal as if nothing had been drawn."""
        with self._lock:
            columns, _ = self.size
            self._write(self._to_the_top(columns + 1) + _ERASE_BELOW + _SHOW_CURSOR)
            self._widths = []

    @contextlib.contextmanager
    def above(self) -> Iterator[None]:
        """Take the lines away while something is printed that stays; the next drawing follows."""
        with self._lock:
            self.clear()
            yield

    @property
    def _ascii(self) -> bool:
        return self._console.options.ascii_only

    def _to_the_top(self, columns: int) -> str:
        """Return the escape codes that move the cursor to where the lines begin.

        A terminal that has become narrower since has wrapped them. One that cuts them instead
        loses as many of the lines above, which is better than halves of lines that stay.
        """
        above = sum(max(1, math.ceil(width / columns)) for width in self._widths[:-1])
        return f"\r\x1b[{above}A" if above else "\r"

    def _escapes(self, line: Text) -> str:
        with self._console.capture() as captured:
            self._console.print(line, end="", soft_wrap=True, highlight=False)
        return captured.get()

    def _write(self, text: str) -> None:
        self._console.file.write(text)
        self._console.file.flush()


def fitted(line: Text, columns: int, ascii_only: bool = False) -> Text:
    """Return a line cut to a width, with an ellipsis where something is missing.

    Parameters
    ----------
    line : Text
    columns : int
    ascii_only : bool
        Whether the terminal cannot show an ellipsis.
    """
    line = line.copy()
    # A line break in a name would tear the lines.
    line.plain = visible(line.plain).replace("\n", r"\n")
    if ascii_only and line.cell_len > columns >= 3:
        line.truncate(columns - 3)
        return line.append("...")
    line.truncate(columns, overflow="crop" if ascii_only else "ellipsis")
    return line


class LiveLines:
    """Draws lines while it is entered, and removes them at the end.

    Parameters
    ----------
    console : Console
        The console of a terminal whose cursor can be moved.
    lines : callable
        Returns what is drawn, given the columns and rows that there are. A thread calls it.
    """

    def __init__(self, console: Console, lines: Callable[[int, int], Sequence[Text]]) -> None:
        self._screen, self._lines = Screen(console), lines
        self._left = threading.Event()
        # Its own thread, because the work may keep the main one busy for seconds.
        self._drawing = threading.Thread(target=self._draw, name="live view", daemon=True)

    def __enter__(self) -> Self:
        self._drawing.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._left.set()
        self._drawing.join()
        self._screen.clear()

    def _draw(self) -> None:
        self.draw()
        while not self._left.wait(_INTERVAL):
            self.draw()

    def draw(self) -> None:
        """Draw the lines once."""
        self._screen.draw(self._lines(*self._screen.size))

    @contextlib.contextmanager
    def above(self) -> Iterator[None]:
        """Take the lines away while something is printed that stays."""
        with self._screen.above():
            yield


def bar(console: Console, columns: int, fraction: float) -> Text:
    """Return a fraction as a bar and in per cent."""
    done, rest = "#-" if console.options.ascii_only else "━─"
    length = max(min(columns, _WIDEST_BAR) - len(" 100 %"), 0)
    filled = int(length * fraction)
    percent = f" {int(100 * fraction):3} %"
    return Text.assemble((done * filled, "green"), (rest * (length - filled), "dim"), percent)
