"""Who waits for a sweep that trains some of its trials anyway ends sooner by it."""

from hypothesis import assume, given
from hypothesis import strategies as st

from search.queue import Overlap, ends_sooner_by_waiting


@st.composite
def overlaps(draw):
    theirs, mine = draw(st.integers(1, 200)), draw(st.integers(1, 200))
    shared = draw(st.integers(0, min(mine, theirs)))
    return Overlap(mine, theirs, shared, draw(st.integers(0, theirs - 1)))


def moments(overlap):
    """Return when a sweep ends beside the other one and behind it, a trial a moment."""
    left = overlap.theirs - overlap.finished
    shared_left = overlap.shared * left / overlap.theirs
    rest = overlap.mine - overlap.shared + shared_left  # what the other one has is taken over
    mine, other, now = rest, left, 0.0
    while mine > 0:  # turn by turn, while there are two
        now += 1 + (other > 0)
        mine, other = mine - 1, other - 1
    return now, left + rest - shared_left


@given(overlaps())
def test_it_is_decided_as_a_simulation_of_turns_comes_out(overlap):
    beside, behind = moments(overlap)
    assume(abs(beside - behind) > 4)  # trials are whole there
    assert ends_sooner_by_waiting(overlap) == (behind < beside)


@given(overlaps())
def test_what_is_worth_it_stays_so_while_the_other_one_goes_on(overlap):
    if ends_sooner_by_waiting(overlap):
        for finished in range(overlap.finished, overlap.theirs):
            later = Overlap(overlap.mine, overlap.theirs, overlap.shared, finished)
            assert ends_sooner_by_waiting(later)


@given(overlaps())
def test_nobody_waits_for_what_has_nothing_of_theirs(overlap):
    assert not ends_sooner_by_waiting(Overlap(overlap.mine, overlap.theirs, 0, overlap.finished))
