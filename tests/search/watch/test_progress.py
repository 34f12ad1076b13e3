"""What a sweep shows on a terminal, in a pipe, and where nothing shall be shown."""

import re
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from model.speed import TYPICAL
from search.config import SearchSpace
from search.plan import (
    NO_TRIAL,
    LinkCutter,
    Prediction,
    make_plan,
    nothing_reached,
    open_chains,
    predict,
)
from search.record import COMPLETE, FAIL, PRUNED, Standings
from search.text import duration
from search.watch import Interruption, make_progress, progress
from search.watch.live_view import LiveProgress
from search.watch.progress import PLAIN_INTERVAL, PlainProgress, QuietProgress

SPACE = SearchSpace(
    batch_size=(1024, 2048), learning_rate=(1.23456e-7, 1e-6), epochs=(5, 10), alpha=(0.0, 12345.6)
)
PLAN = make_plan(np.arange(len(SPACE)), SPACE.columns(), dict.fromkeys(SPACE.axes["batch_size"], 4))


class Clock:
    """A clock that stands still until it is told to go on."""

    now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock.monotonic)
    return clock


def console(width=200, terminal=False):
    return Console(
        width=width,
        force_terminal=terminal,
        file=StringIO(),
        color_system=None,
        legacy_windows=False,
        _environ={},
    )


def new_study():
    standings = Standings(len(SPACE))
    tell(standings, [])
    return standings


def tell(standings, numbers, cost=0.25):
    """Log trials that all have the same cost."""
    n = len(numbers)
    numbers = np.array(numbers, np.int64)
    standings.count({
        "number": numbers, "state": np.full(n, COMPLETE if np.isfinite(cost) else FAIL),
        **SPACE.columns(numbers), "val_cost": np.full(n, cost), "val_accuracy": np.full(n, 0.5),
        "val_cost_avg": np.full(n, cost + 1), "val_accuracy_avg": np.full(n, 0.5),
    })  # fmt: skip


def links():
    cutter = LinkCutter.for_plan(  # a link for each stop
        PLAN, speed=TYPICAL, n_train=80_000, n_validation=1000, workers=2
    )
    chains = open_chains(PLAN, Standings(len(SPACE)).closed, nothing_reached, cutter)
    return [link for chain in chains for link in chain]


def predicted():
    return predict([[link] for link in links()], 1)


def finish(view, link, cost=0.25):
    """Log a link's trials and tell the view."""
    numbers = [n for leg in link.legs for n in leg.numbers.tolist() if n != NO_TRIAL]
    tell(view.standings, numbers, cost)
    view.advanced(link, view.standings, "10.0.0.1")


def printed(view):
    return view.console.file.getvalue()


def live(width):
    return LiveProgress(console(width, terminal=True), new_study(), predicted(), Interruption())


# --- On a terminal


@pytest.mark.parametrize("width", [20, 40, 80])
def test_no_line_is_longer_than_the_terminal(width):
    view = live(width)
    with view:
        for link in links():
            finish(view, link)
            view.draw()
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", printed(view)))
    assert any("…" in line for line in lines) == (width < 80)
    assert max(map(cell_len, lines)) <= width


def test_a_terminal_shows_bar_count_and_best_and_is_left_clean():
    view = live(80)
    with view:
        view.draw()
        assert "no trial yet" in printed(view)
        finish(view, links()[0])
        view.draw()
        assert "4 of 16 trials" in printed(view)
        assert "best 0.2500: batch 1024, rate 1.23456e-07, epochs 5, alpha 0" in printed(view)
        assert "\x1b[?25l" in printed(view)
    assert "\x1b[?25h" in printed(view)  # the cursor is back


def test_the_terminal_is_left_clean_after_an_error():
    view = live(80)
    with pytest.raises(ZeroDivisionError), view:
        raise ZeroDivisionError
    assert "\x1b[?25h" in printed(view)


# --- In a pipe


def test_plain_lines_come_at_intervals_and_at_the_end(clock):
    view, steps = PlainProgress(console(), new_study(), predicted()), links()
    with view:
        for link in steps[:-1]:
            finish(view, link)
        clock.now += PLAIN_INTERVAL
        finish(view, steps[-1])
    first, last = printed(view).splitlines()
    assert first.startswith("4 of 16 trials")
    assert last.startswith("16 of 16 trials")
    assert last.endswith("; best 0.2500: batch 1024, rate 1.23456e-07, epochs 5, alpha 0")


def test_plain_lines_hold_no_escapes_and_are_not_wrapped():
    view = PlainProgress(console(width=40), new_study(), predicted())
    with view:
        finish(view, links()[0])
    assert "\x1b" not in printed(view)
    assert printed(view).count("\n") == 1


def test_a_lost_link_is_told_by_every_view():
    for kind in (LiveProgress, PlainProgress, QuietProgress):
        extra = (Interruption(),) if kind is LiveProgress else ()
        view = kind(console(), new_study(), predicted(), *extra)
        with view:
            view.lost(links()[0], "OutOfMemory [red]on[/red] node")
        assert (
            "'advance batch=1024 epochs 0-5 width=4' was lost "
            "(OutOfMemory [red]on[/red] node); it is tried again."
        ) in printed(view)


def test_a_late_link_is_told_by_every_view():
    for kind in (LiveProgress, PlainProgress, QuietProgress):
        extra = (Interruption(),) if kind is LiveProgress else ()
        view = kind(console(), new_study(), predicted(), *extra)
        with view:
            view.late(links()[0], "under way for 40 s on 10.0.0.7")
        told = "'advance batch=1024 epochs 0-5 width=4' is late: under way for 40 s on 10.0.0.7."
        assert told in printed(view)


def test_the_quiet_view_tells_nothing_else():
    view = QuietProgress(console(), new_study(), predicted())
    with view:
        for link in links():
            view.started(link)
            finish(view, link)
            view.idle()
    assert printed(view) == ""


@pytest.mark.parametrize(
    ("terminal", "quiet", "kind"),
    [
        (True, False, LiveProgress),
        (False, False, PlainProgress),
        (True, True, QuietProgress),
        (False, True, QuietProgress),
    ],
)
def test_the_view_fits_where_the_output_goes(terminal, quiet, kind):
    view = make_progress(
        console(80, terminal), new_study(), predicted(), Interruption(), quiet=quiet
    )
    assert type(view) is kind


# --- Words


def scoring_links():
    """Return the links that finish trials, one for each checkpoint."""
    return [link for link in links() if link.stops]


def test_speed_counts_this_commands_trials_and_the_time_left_its_work(clock):
    standings = new_study()
    tell(standings, range(8), 1.0)  # an earlier command's
    view = QuietProgress(console(), standings, Prediction(12.0, 20.0, 0.9, {}))
    clock.now += 2
    assert view.speed == "0 a second, 10 s left"  # as predicted
    finish(view, scoring_links()[2])
    view._worked = view._submitted = 5.0
    assert view.done == "12 of 16 trials"
    assert view.speed == "2 a second, 6 s left"


def test_links_under_way_count_as_half_done(clock):
    view = QuietProgress(console(), new_study(), Prediction(12.0, 20.0, 0.9, {}))
    clock.now += 4
    one = replace(links()[0], seconds=4.0)
    for _ in range(3):
        view.started(one)
    assert view.speed == "0 a second, 8 s left"  # nothing has ended, so as predicted
    view.advanced(one, view.standings, "10.0.0.1")
    assert view.speed == "0 a second, 6 s left"  # 8 of 20 done after 4 seconds


def test_a_link_that_is_tried_again_counts_once(clock):
    once, again = (
        QuietProgress(console(), new_study(), Prediction(12.0, 20.0, 0.9, {})) for _ in range(2)
    )
    clock.now += 4
    one = replace(links()[0], seconds=4.0)
    for view, losses in ((once, 0), (again, 3)):
        view.started(one)
        for _ in range(losses):
            view.lost(one, "reason")
            view.started(one)
        view.advanced(one, view.standings, "10.0.0.1")
    assert again.speed == once.speed


def test_more_time_than_predicted_is_never_less_than_none_left(clock):
    view = QuietProgress(console(), new_study(), Prediction(12.0, 20.0, 0.9, {}))
    clock.now += 60
    assert view.speed.endswith(", 0 s left")


def test_without_work_no_time_is_left(clock):
    view = QuietProgress(console(), new_study(), Prediction(0.0, 0.0, 0.0, {}))
    assert view.speed == "0 a second, 0 s left"


@pytest.mark.parametrize("prediction", [predicted(), None])
def test_nothing_is_left_when_all_is_done(clock, prediction):
    view = QuietProgress(console(), new_study(), prediction)
    clock.now += 2
    for link in links():
        view.started(link)
        finish(view, link)
    assert view.speed.endswith(", 0 s left")


def test_of_trials_that_nobody_has_asked_for_yet_only_their_number_counts(clock):
    standings = new_study()
    tell(standings, range(4))  # an earlier command's
    view = QuietProgress(console(), standings, None)
    assert view.speed == "0 a second, 0 s left"
    clock.now += 6
    assert view.speed == "0 a second, 1:12 min left"  # if the first of 12 would end now
    tell(standings, range(4, 10))
    assert view.speed == "1 a second, 6 s left"


def test_failed_trials_are_never_best():
    view = QuietProgress(console(), new_study(), predicted())
    finish(view, links()[0], cost=np.nan)
    assert (view.best, view.done) == ("no trial yet", "4 of 16 trials")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1:00 min"),
        (95, "1:35 min"),
        (3599.4, "59:59 min"),
        (3599.6, "1:00 h"),
        (11_220, "3:07 h"),
        (108_000, "30:00 h"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds, words):
    assert duration(seconds) == words


def test_setbacks_are_counted_and_often_none():
    view = QuietProgress(console(), new_study(), predicted())
    assert view.setbacks == ""
    finish(view, links()[0], cost=np.nan)
    view.lost(links()[1], "reason")
    assert view.setbacks == "4 failed, 1 retry"
    view.lost(links()[1], "reason")
    view.standings.states[PRUNED] += 2
    assert view.setbacks == "2 pruned, 4 failed, 2 retries"


def test_packs_under_way_are_told_with_the_node_of_their_last_link():
    view = QuietProgress(console(), new_study(), predicted())
    first, second = [link for link in links() if link.pack.index == 0][:2]
    view.started(first)
    assert view.packs == ["batch=1024, epochs 0-5, width 4"]
    finish(view, first)
    assert view.packs == []
    view.started(second)
    assert view.packs == ["batch=1024, epochs 5-10, width 4, last on 10.0.0.1"]
    view.lost(second, "reason")
    assert view.packs == []
