"""The spread of repeated final trainings, against Python's own statistics."""

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from summaries import summary_of

from model.results import FinalScore
from search.result import spread_rows
from search.result.spread import refit_statistics

figures = st.lists(
    st.tuples(*[st.floats(0, 10)] * 2, *[st.floats(0, 1)] * 2), min_size=2, max_size=9
)


def scores_of(rows):
    return [{"last": FinalScore(a, c), "average": FinalScore(b, d)} for a, b, c, d in rows]


@given(figures)
def test_mean_deviation_and_ends_are_those_of_the_sample(rows):
    tests = scores_of(rows)
    found = refit_statistics(range(5, 5 + len(rows)), tests)
    assert found.seeds == tuple(range(5, 5 + len(rows)))
    for name in ("last", "average"):
        for figure in ("cost", "accuracy"):
            values = tuple(getattr(test[name], figure) for test in tests)
            told = getattr(found.by(name), figure)
            assert told.mean == pytest.approx(statistics.fmean(values))
            assert told.std == pytest.approx(statistics.stdev(values), rel=1e-6, abs=1e-12)
            assert (told.smallest, told.largest) == (min(values), max(values))
            assert told.values == values


def test_one_final_training_has_no_spread():
    assert refit_statistics([0], scores_of([])) is None
    assert spread_rows(summary_of()) == []


def test_the_rows_say_what_they_are_of():
    rows = [(0.45, 0.44, 0.84, 0.85), (0.47, 0.44, 0.82, 0.85)]
    assert spread_rows(summary_of(refits=refit_statistics([0, 1], scores_of(rows)))) == [
        ("(2 final trainings)", "mean", "std", "smallest", "largest"),
        ("test cost, last weights", "0.4600", "0.0141", "0.4500", "0.4700"),
        ("correct, last weights", "83.00 %", "1.41 %", "82.00 %", "84.00 %"),
        ("test cost, averaged weights", "0.4400", "0.0000", "0.4400", "0.4400"),
        ("correct, averaged weights", "85.00 %", "0.00 %", "85.00 %", "85.00 %"),
    ]


def test_a_final_training_that_diverges_is_no_reason_for_warnings():
    found = refit_statistics([0, 1], scores_of([(np.inf, 0.4, 0.1, 0.8), (0.5, 0.4, 0.8, 0.8)]))
    assert found.last.cost.largest == np.inf
    assert found.average.cost.std == 0
