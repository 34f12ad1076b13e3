"""The states of a sweep, and what may be asked of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.queue import (
    CANCEL,
    CANCELLED,
    DONE,
    FAILED,
    PAUSE,
    RUN,
    STOP,
    actual_state,
    wanted_after,
)

ASKED = st.sampled_from([RUN, PAUSE, STOP, CANCEL])


@pytest.mark.parametrize(
    ("wanted", "with_links", "without"),
    [
        (RUN, "running", "queued"), (PAUSE, "pausing", "paused"), (STOP, "stopping", "stopping"),
        (CANCEL, "stopping", "cancelled"),
    ],
)  # fmt: skip
def test_what_it_is_follows_from_what_is_wanted_and_what_runs(wanted, with_links, without):
    assert actual_state(wanted, leases=2) == with_links
    assert actual_state(wanted, leases=0) == without


@given(ASKED, st.integers(0, 3), st.sampled_from([DONE, FAILED, CANCELLED]))
def test_what_has_ended_stays_so(wanted, leases, ended):
    assert actual_state(wanted, leases, ended) == ended
    for asked in (RUN, PAUSE, STOP, CANCEL):
        if asked == wanted:
            assert wanted_after(wanted, asked, ended) == wanted
        else:
            with pytest.raises(ValueError, match=f"has ended .{ended}"):
                wanted_after(wanted, asked, ended)


@given(st.lists(ASKED))
def test_cancelled_is_cancelled_whatever_is_asked_later(requests):
    wanted = RUN
    for asked in requests:
        final = wanted == CANCEL or (wanted == STOP and asked != CANCEL)
        if final and asked != wanted:
            with pytest.raises(ValueError, match="Clone it"):
                wanted_after(wanted, asked)
        else:
            wanted = wanted_after(wanted, asked)
            assert wanted == asked
    assert wanted_after(wanted, CANCEL) == CANCEL
