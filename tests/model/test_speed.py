"""What training costs, measured and looked up."""

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import model.speed
from model.speed import TYPICAL, SpeedModel, measure

MODEL = SpeedModel({8: (3.0, 0.5), 64: (1.0, 0.25)}, (0.5, 0.125))


@pytest.mark.parametrize("shape", [((1,), 1, 2), ((4, 8), 12, 3), ((64, 5000), 20, 2)])
def test_measured_times_are_positive_and_finite(shape):
    measured = measure(*shape)
    assert tuple(measured.training) == shape[0]
    for width in (1, 3, 64, 1000):
        rows = [measured.training_row(batch_size, width) for batch_size in shape[0]]
        assert all(0 < seconds < math.inf for seconds in (*rows, measured.scoring_row(width)))
    assert all(
        value >= 0 for line in (*measured.training.values(), measured.scoring) for value in line
    )


@pytest.mark.parametrize(
    ("batch_size", "nearest"),
    [(1, 8), (8, 8), (22, 8), (23, 64), (36, 64), (64, 64), (10_000, 64)],
)
def test_a_batch_size_that_was_not_measured_costs_what_the_nearest_one_costs(batch_size, nearest):
    fixed, column = MODEL.training[nearest]
    assert MODEL.training_row(batch_size, 10) == fixed + 10 * column


def test_scoring_is_a_line_too():
    assert MODEL.scoring_row(4) == 1.0


@given(st.integers(1, 10**6), st.integers(1, 1000))
def test_wider_packs_cost_more_in_all_and_less_for_each_column(batch_size, width):
    one, more = (TYPICAL.training_row(batch_size, w) for w in (width, width + 1))
    assert one < more
    assert more / (width + 1) < one / width
    assert TYPICAL.scoring_row(width) < TYPICAL.scoring_row(width + 1)


def test_the_example_of_the_cost_model_is_true():
    found = doctest.testmod(model.speed)
    assert found.attempted > 0
    assert found.failed == 0
