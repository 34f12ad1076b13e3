"""Numbers for people: short, and never minus zero."""

import io
import math
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model.data.dataset import Dataset
from model.data.description import describe
from search.record import TiedTrial
from search.report.sections.ties import interval_text
from search.result.guessing import rates_warning
from search.text import console, duration, fixed, number_text, signed, value_text

NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.floats(-1e-3, 1e-3)
DECIMALS = st.integers(0, 6)
MINUS_ZERO = re.compile(r"(?<![\w.])-0(?:\.0*)?(?![\w.]|\.\d)")


def test_the_pattern_finds_what_it_should():
    for text in ("-0", "-0.0000", "from -0.00 to 1", "-0 s", "(-0 %)"):
        assert MINUS_ZERO.search(text), text
    for text in ("-0.01", "0", "-0.5", "1e-07", "+0.0", "x-0"):
        assert not MINUS_ZERO.search(text), text


@given(NUMBERS, DECIMALS)
@example(-0.0, 4)
@example(-0.00004, 4)
@example(-0.5, 0)
def test_no_number_is_shown_as_minus_zero(value, decimals):
    shown = [
        fixed(value, decimals), signed(value, decimals), number_text(value, max(decimals, 1)),
        value_text(value), duration(min(value, 1e9)),
    ]  # fmt: skip
    for text in shown:
        assert not MINUS_ZERO.search(text), text


@given(NUMBERS, DECIMALS)
@example(0.25, 1)
def test_a_signed_number_is_the_rounded_one_with_its_sign(value, decimals):
    text = signed(value, decimals)
    rounded = round(value, decimals)
    assert float(text) == pytest.approx(rounded, rel=1e-12, abs=10.0**-decimals * 0.5000001)
    assert float(text) == float(fixed(value, decimals))
    sign = "+" if float(text) > 0 else "-" if float(text) < 0 else ""
    assert text.startswith(sign)
    assert (text[0] in "+-") == bool(sign)


@given(NUMBERS.filter(lambda value: abs(value) < 1e300), st.integers(1, 6))
def test_a_short_number_is_near_the_number(value, digits):
    text = number_text(value, digits)
    assert math.isclose(float(text), value, rel_tol=0.6 * 10.0 ** (1 - digits), abs_tol=5e-324)


def test_an_interval_that_rounds_to_zero_has_no_sign():
    trial = TiedTrial(
        number=1, params={}, cost=1.0, difference=0.0, interval=(-1e-6, 1e-6), chance=0.5
    )
    assert interval_text(trial) == "0.0000 to 0.0000"


def test_a_range_of_values_does_not_begin_at_minus_zero():
    data = Dataset("mine", np.array([[-0.0, 1.0], [0.5, 0.2]]), np.array([0, 1]))
    assert "(float64, 0 to 1)" in describe(data, "mine")
    assert "from 0 to 1" in rates_warning("raw", 1.0, 1e-9, 1e-8, (-0.0, 1.0))


@pytest.mark.parametrize("name", ["COLUMNS", "LINES"])
@pytest.mark.parametrize("size", ["0", "000", "²", "999999", "-5", "wide", ""])
def test_a_size_that_no_terminal_has_hides_nothing(name, size, monkeypatch):
    monkeypatch.setenv(name, size)
    stream = io.StringIO()
    shown = console(stream)
    shown.print("the best trial")
    assert stream.getvalue() == "the best trial\n"
    assert min(shown.size) > 1


def test_a_size_that_a_terminal_can_have_is_believed(monkeypatch):
    monkeypatch.setenv("COLUMNS", "132")
    assert console(io.StringIO()).size.width == 132
