"""What a sweep and a look at it show in a real terminal, byte by byte."""

import re
import signal

import pytest
from command_line import RUN, Hold, pretend, write_grid, write_images
from terminal import record

VIEW = re.compile(r"^\d+ of 48 trials, \d+ a second, ")
PACK = re.compile(r"^  (batch=\d+, epochs|and \d+ more)")
COLOUR = re.compile(rb"\x1b\[[\d;]*3[0-7][\d;]*m")
SWEEP = ("--grid", "./links.toml", "--executor", "serial", "--run-dir")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with data and a grid of many links, in seconds of training."""
    pretend(1.0, [8, 64], 784, 10)  # so each epoch is a link
    path = tmp_path_factory.mktemp("terminal")
    write_images(path / "data.npz", rows=1500, pixels=784, classes=10)
    write_grid(
        path / "links.toml", "./data.npz",
        batch_size=[8, 64], learning_rate=[1e-8, 1e-7], epochs=range(4, 25, 4), alpha=[0.0, 10.0],
    )  # fmt: skip
    return path


def views(recording):
    """Return the lines of each drawing of the live view."""
    return [
        screen[first:]
        for screen in recording.screens
        for first in [i for i, line in enumerate(screen) if VIEW.match(line)][-1:]
    ]


def assert_whole(recording, columns):
    """Check that no view is wrapped or torn: each kind of line once, in order, not too wide."""
    assert views(recording)
    for screen in recording.screens:
        assert sum(bool(VIEW.match(line)) for line in screen) <= 1, screen
        assert sum(line.startswith(("best ", "no trial yet")) for line in screen) <= 1
    for _, best, *rest in views(recording):
        assert best.startswith(("best ", "no trial yet"))
        assert all(PACK.match(line) for line in rest if line), rest
        assert max(map(len, (best, *rest))) < columns


def assert_clean(recording):
    """Check that in the end only what was meant to stay is there, and the cursor."""
    assert not any(VIEW.match(line) or PACK.match(line) for line in recording.screens[-1])
    assert not any("%" in line and "━" in line for line in recording.screens[-1])
    assert recording.written.rfind(b"\x1b[?25h") > recording.written.rfind(b"\x1b[?25l")


def test_the_view_is_drawn_over_itself_whole_and_leaves_a_clean_screen(folder):
    hold = Hold(2, folder)

    def then(count, screen):
        # A sweep may end between two drawings, and what is done is green.
        if any(line.startswith("best ") for line in screen):
            hold.go()

    recording = record([*hold.run, *SWEEP, "at-80"], folder, 80, rows=60, then=then)
    assert recording.code == 0
    assert_whole(recording, 80)
    assert_clean(recording)
    assert not any("…" in line for view in views(recording) for line in view)
    assert COLOUR.search(recording.written)
    assert "validation cost" in "\n".join(recording.last)
    assert recording.last[-1] == "Log, model and report are in at-80"


def test_the_view_follows_a_terminal_that_is_resized(folder):
    sizes, hold = [(40, 24), (60, 12), (100, 30)], Hold(1, folder)

    def then(count, screen):
        # Right after a drawing, when the next one is a quarter of a second away.
        if not any(VIEW.match(line) for line in screen):
            return None
        if not sizes:
            hold.go()
        return sizes.pop(0) if sizes else None

    recording = record([*hold.run, *SWEEP, "resized"], folder, 80, then=then)
    assert recording.code == 0
    assert not sizes
    assert_whole(recording, 100)
    assert_clean(recording)


def test_a_low_terminal_shows_how_many_packs_more_there_are(folder):
    recording = record([*RUN, *SWEEP, "low"], folder, 80, rows=5)
    assert recording.code == 0
    assert_clean(recording)
    assert all(len([line for line in view if line]) <= 4 for view in views(recording))


def test_interrupted_it_says_so_in_the_view_and_leaves_it(folder):
    sent, said, hold = [], [], Hold(1, folder)

    def then(count, screen):
        if any("Stopping" in line for line in screen):
            said.append(count)
            hold.go()
        if sent or not hold.waiting():
            return None
        sent.append(signal.SIGINT)
        return signal.SIGINT

    recording = record([*hold.run, *SWEEP, "interrupted"], folder, 80, rows=40, then=then)
    assert recording.code == 130
    assert said
    assert_clean(recording)
    assert "continue with:" in " ".join(recording.last)
    assert not any("Stopping" in line for line in recording.last)


def test_without_colours_no_colour_is_written(folder):
    hold = Hold(2, folder)

    def then(count, screen):
        # The best trial is a line that is too long for this terminal.
        if any(line.startswith("best ") for line in screen):
            hold.go()

    command = [*hold.run, *SWEEP, "plain"]
    recording = record(command, folder, 40, rows=60, then=then, NO_COLOR="1")
    assert_whole(recording, 40)
    assert_clean(recording)
    assert any("…" in line for view in views(recording) for line in view)
    assert not COLOUR.search(recording.written)


def test_a_dumb_terminal_gets_lines_without_escapes(folder):
    recording = record([*RUN, *SWEEP, "dumb"], folder, 200, TERM="dumb")
    assert recording.code == 0
    assert b"\x1b" not in recording.written
    assert b" a second, " in recording.written
