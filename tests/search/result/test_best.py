"""Which best values lie on the edge of what was searched, and the table beside them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from search.config import Params, Range
from search.record import TopTrial
from search.result import edge_warnings, top_lines
from search.text import number_text, table_lines, wrapped

INSIDE = {
    "batch_size": (16, 8, 32), "learning_rate": (1e-7, 1e-6, 1e-5), "epochs": (5, 10, 15),
    "alpha": (0.0, 1.0, 10.0),
}  # fmt: skip
BEST = Params(batch_size=16, learning_rate=1e-6, epochs=10, alpha=1.0)


def test_nothing_is_said_of_values_inside():
    assert edge_warnings(BEST, INSIDE) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("learning_rate", 1e-5, "The best learning rate, 1e-05, is the largest of its list; "
         "larger ones may be better."),
        ("learning_rate", 1e-7, "The best learning rate, 1e-07, is the smallest of its list; "
         "smaller ones may be better."),
        ("epochs", 15, "The best number of epochs, 15, is the largest of its list; "
         "larger ones may be better."),
        ("batch_size", 8, "The best mini-batch size, 8, is the smallest of its list; "
         "smaller ones may be better."),
    ],
)  # fmt: skip
def test_the_ends_of_a_list_are_edges_whatever_its_order(name, value, said):
    assert edge_warnings(Params(BEST, **{name: value}), INSIDE) == [said]


@pytest.mark.parametrize(
    ("name", "value", "axis"),
    [
        ("alpha", 0.0, (0.0, 1.0, 10.0)),
        ("alpha", 0.01, Range(0.0, 10.0)),
        ("epochs", 1, (1, 5)),
        ("batch_size", 1, Range(1, 64, log=True)),
        ("epochs", 5, (5,)),
        ("alpha", 3.0, Range(3.0, 3.0)),
    ],
)
def test_where_nothing_lies_beyond_or_nothing_was_chosen_there_is_no_edge(name, value, axis):
    assert edge_warnings(Params(BEST, **{name: value}), INSIDE | {name: axis}) == []


@pytest.mark.parametrize(
    ("value", "axis", "end"),
    [
        (9.81, Range(0.5, 10.0), "upper"),
        (9.79, Range(0.5, 10.0), None),
        (0.68, Range(0.5, 10.0), "lower"),
        (0.7, Range(0.5, 10.0), None),
        (0.93, Range(0.01, 1.0, log=True), "upper"),
        (0.9, Range(0.01, 1.0, log=True), None),
        (0.0109, Range(0.01, 1.0, log=True), "lower"),
        (0.011, Range(0.01, 1.0, log=True), None),
    ],
)
def test_two_per_cent_of_a_range_are_its_edge_by_its_own_scale(value, axis, end):
    said = edge_warnings(Params(BEST, alpha=value), INSIDE | {"alpha": axis})
    assert [f"near the {end} end of its range" in text for text in said] == [True] * bool(end)


def trials(n):
    params = Params(batch_size=1024, learning_rate=1.23456e-7, epochs=40, alpha=12345.6)
    figures = {"val_cost": 0.5, "val_accuracy": 0.9, "val_cost_avg": 0.5, "val_accuracy_avg": 0.9}
    return [TopTrial(number=90 + i, params=params, **figures) for i in range(n)]


@pytest.mark.parametrize("width", [80, 48, 40])
def test_the_best_trials_fit_the_terminal(width):
    lines = top_lines(trials(10), width)
    assert len(lines) == 12
    assert max(map(cell_len, lines)) <= width
    assert ("correct" in lines[1]) == (width > 40)
    assert lines[-1].startswith("99 ")
    assert "1.23e-7" in lines[-1]


def test_without_trials_there_is_no_table_and_one_is_named_as_such():
    assert top_lines([]) == []
    assert top_lines(trials(1))[0] == "The best trial:"


def test_a_table_in_a_pipe_is_as_wide_as_it_is():
    assert table_lines(("a", "b"), [("x" * 50, "1"), ("y", "22")]) == [
        f"{'a':<50}   b", f"{'x' * 50}   1", f"{'y':<50}  22"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (5e-7, "5e-7"),
        (1.2345e-7, "1.23e-7"),
        (999.6, "1000"),
        (12345.0, "12345"),
        (12345.6, "12346"),
        (999_999, "999999"),
        (999_999.7, "1e6"),
        (1e7, "1e7"),
        (8, "8"),
    ],
)
def test_numbers_take_little_room(value, text):
    assert number_text(value) == text


@given(st.floats(1e-12, 1e12), st.sampled_from([3, 4]))
def test_a_number_is_never_further_off_than_its_digits(value, digits):
    text = number_text(value, digits)
    assert float(text) == pytest.approx(value, rel=0.5000001 * 10 ** (1 - digits))
    assert ("e" in text) == (float(text) >= 1e6 or float(text) < 1e-4)


@given(st.integers(1000, 999_999))
def test_a_number_of_the_terminal_is_that_of_the_report(value):
    assert number_text(value) == number_text(value, digits=4) == str(value)


def test_sentences_are_broken_between_words_on_terminals_only():
    assert wrapped("one two three", 8) == ["one two", "three"]
    assert wrapped("one two three", None) == ["one two three"]
