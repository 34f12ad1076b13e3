"""Distributions of scipy.stats as what Optuna is asked for."""

import numpy as np
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from scipy.stats import expon, loguniform, norm, poisson, randint, uniform

from search.tuning.parameter_spaces import ParameterTuner


def asked_of(given):
    """Return what Optuna is asked for, and some values that come of its answers."""
    tuner = ParameterTuner({"m": given}, "random", 0, 50)
    [found] = tuner._tuner._distributions.values()
    return found, [params["m"] for params in tuner.wave(0, 50)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (uniform(-2, 5), FloatDistribution(-2.0, 3.0)),
        (loguniform(1e-4, 10), FloatDistribution(1e-4, 10.0, log=True)),
        (randint(3, 9), IntDistribution(3, 8)),
        (randint(2**53 + 1, 2**62), IntDistribution(2**53 + 1, 2**62 - 1)),
        (randint(-(2**63), 0), IntDistribution(-(2**63), -1)),
    ],
)
def test_ranges_have_the_ends_of_their_distributions(given, expected):
    found, values = asked_of(given)
    assert found == expected
    assert all(expected.low <= value <= expected.high for value in values)


@pytest.mark.parametrize("given", [loguniform(1, 10, loc=-1), loguniform(1, 10, loc=-20)])
def test_a_logarithmic_range_that_begins_below_0_is_drawn_by_its_quantiles(given):
    low, high = given.support()
    _, values = asked_of(given)
    assert all(low <= value <= high for value in values)
    assert np.median(values) == pytest.approx(given.median(), abs=1.5)


@pytest.mark.parametrize("given", [norm(), expon(), poisson(3)])
def test_others_are_drawn_by_their_quantiles(given):
    _, values = asked_of(given)
    assert np.isfinite(values).all()


@pytest.mark.parametrize(
    "given",
    [
        uniform(0, -1), uniform(0, 0), uniform(np.nan, 1), loguniform(0, 1), loguniform(-1, 1),
        loguniform(10, 1), randint(5, 5), randint(9, 3), norm(0, -1), uniform([0, 1], 1),
        uniform(0, np.inf), uniform(-1e308, np.inf), loguniform(1, np.inf), randint(0, 10**30),
    ],
)  # fmt: skip
def test_a_distribution_without_values_is_named(given):
    with pytest.raises(ValueError, match="m has no values that can be drawn: its"):
        asked_of(given)
