"""Which sweeps are open, and what they do there."""

import pytest

from search.queue import (
    CANCEL,
    DRAIN,
    FINISH,
    GO,
    LEAVE,
    PAUSE,
    RUN,
    STOP,
    Asked,
    ends_with,
    mode_of,
    open_sweeps,
)

MODES = {
    # Wanted, may be open, has a trial for a model: what it does.
    (RUN, True, False): GO, (RUN, False, False): DRAIN, (RUN, True, True): GO,
    (PAUSE, True, True): DRAIN, (PAUSE, True, False): DRAIN,
    (STOP, True, True): FINISH, (STOP, True, False): DRAIN, (STOP, False, True): DRAIN,
    (CANCEL, True, True): LEAVE, (CANCEL, False, False): LEAVE,
}  # fmt: skip


@pytest.mark.parametrize("case", MODES)
def test_what_a_sweep_does_follows_from_what_is_wanted(case):
    wanted, may_be_open, finishes = case
    assert mode_of(wanted, may_be_open=may_be_open, finishes=finishes) == MODES[case]


def test_a_sweep_that_is_not_open_ends_where_nothing_is_left_to_do_for_it():
    assert ends_with(CANCEL)
    assert ends_with(CANCEL, finishes=True)
    assert ends_with(STOP)
    assert not ends_with(STOP, finishes=True)
    assert not ends_with(PAUSE)
    assert not ends_with(RUN)


def test_one_that_was_stopped_has_its_place_for_its_final_training():
    asked = [
        Asked("a", "ann", 1, wanted=STOP, finishes=True), Asked("b", "ann", 2, wanted=STOP),
        Asked("c", "bob", 3), Asked("d", "bob", 4, wanted=PAUSE),
    ]  # fmt: skip
    assert open_sweeps(asked, most=4) == ["a", "c"]
