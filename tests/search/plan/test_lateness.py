"""How long a task may run: never less than it should, and not without end."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.plan import patience, slowness
from search.plan.lateness import FLOOR, MULTIPLE

seconds = st.floats(0, 1e6)
paces = st.lists(st.tuples(seconds, seconds))


@given(seconds, st.floats(1, 1e3), st.integers(1, 5))
def test_patience_is_a_multiple_with_a_floor_and_doubles(expected, slower, attempt):
    first = patience(expected, slower)
    assert first >= max(FLOOR, MULTIPLE * expected)
    assert patience(expected, slower, attempt) == first * 2 ** (attempt - 1)
    assert math.isfinite(first)


@given(paces)
def test_nothing_that_links_have_taken_makes_it_impatient(paces):
    assert slowness(paces) >= 1.0


@given(st.floats(1, 100), st.integers(3, 50))
def test_one_link_that_was_slept_through_makes_it_no_more_patient(ratio, count):
    regular = [(2.0, 2.0 * ratio)] * count
    assert slowness([*regular, (2.0, 1e6), (0.0, 5.0)]) == pytest.approx(ratio)
