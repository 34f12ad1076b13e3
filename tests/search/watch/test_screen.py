"""Lines that are drawn over themselves, as an emulator of a terminal shows them."""

from io import StringIO

import pyte
import pytest
from rich.console import Console
from rich.text import Text

from search.record import Standings
from search.watch import Interruption, Screen
from search.watch.live_view import _shortened
from search.watch.screen import fitted


class Terminal(StringIO):
    """A terminal whose size can be changed, and that shows what is written to it."""

    def __init__(self, columns, rows):
        super().__init__()
        self.shown = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self.shown)
        self.console = Console(file=self, force_terminal=True, width=columns, height=rows)

    def write(self, text):
        self._stream.feed(text.replace("\n", "\r\n").replace("\r\r", "\r"))
        return len(text)

    def resize(self, columns, rows):
        self.shown.resize(rows, columns)
        self.console.size = (columns, rows)

    @property
    def lines(self):
        return [line.rstrip() for line in self.shown.display]


def texts(*lines):
    return [Text(line) for line in lines]


def test_lines_replace_each_other_and_leave_nothing():
    terminal = Terminal(20, 8)
    terminal.console.print("before")
    screen = Screen(terminal.console)
    screen.draw(texts("one", "two", "three"))
    screen.draw(texts("longer than that", "four"))
    assert terminal.lines == ["before", "longer than that", "four", *[""] * 5]
    screen.clear()
    assert terminal.lines == ["before", *[""] * 7]
    assert not terminal.shown.cursor.hidden


def test_what_is_printed_in_between_stays_above():
    terminal = Terminal(20, 8)
    screen = Screen(terminal.console)
    screen.draw(texts("one", "two"))
    with screen.above():
        terminal.console.print("a message")
    screen.draw(texts("one", "two"))
    assert terminal.lines[:4] == ["a message", "one", "two", ""]


def test_at_the_bottom_of_the_terminal_lines_stay_whole():
    terminal = Terminal(20, 5)
    screen = Screen(terminal.console)
    for i in range(10):
        with screen.above():
            terminal.console.print(f"message {i}")
        screen.draw(texts("one", "two"))
    assert terminal.lines == ["message 7", "message 8", "message 9", "one", "two"]


@pytest.mark.parametrize("size", [(9, 6), (40, 3), (5, 2)])
def test_a_resized_terminal_is_filled_and_not_torn(size):
    terminal = Terminal(20, 6)
    screen = Screen(terminal.console)
    screen.draw(texts("one is eighteen ..", "two", "three"))
    terminal.resize(*size)
    screen.draw(texts("one is eighteen ..", "two", "three"))
    columns, rows = size
    expected = [fitted(Text(line), columns - 1).plain for line in ("one is eighteen ..", "two")]
    shown = [line for line in terminal.lines if line]
    assert shown == [*expected, "three"][: rows - 1]


def test_lines_are_cut_with_an_ellipsis_and_hold_no_breaks():
    assert fitted(Text("a\nb\tc\x1b[1m"), 20).plain == r"a\nb\tc\x1b[1m"
    assert fitted(Text("0123456789"), 5).plain == "0123…"
    assert fitted(Text("0123456789"), 5, ascii_only=True).plain == "01..."
    assert fitted(Text("漢字漢字"), 5).cell_len <= 5


@pytest.mark.parametrize(
    ("rows", "lines"),
    [(3, ["  a", "  b", "  c"]), (2, ["  a", "  and 2 more"]), (1, ["  and 3 more"])],
)
def test_packs_take_no_more_lines_than_there_are(rows, lines):
    assert [line.plain for line in _shortened(["a", "b", "c"], rows)] == lines


def test_an_interrupted_view_says_itself_that_it_stops(capfd):
    from search.watch.live_view import LiveProgress

    terminal = Terminal(60, 10)
    interrupted = Interruption()
    with LiveProgress(terminal.console, Standings(4), None, interrupted) as view:
        interrupted._note(2, None)
        view.draw()
        assert "Stopping; once more to leave at once." in terminal.lines
    assert capfd.readouterr().err == ""
    assert terminal.lines == [""] * 10
