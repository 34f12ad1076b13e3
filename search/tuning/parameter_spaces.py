"""A sampler over a space of lists and of distributions of scipy.stats, as scikit-learn has them."""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler

from search.record import COMPLETE, FAIL, SOFTMAX_LAYOUT
from search.tuning.methods import distributions
from search.tuning.tuner import Tuner

# Ends of the probabilities of a distribution, some of whose quantiles at 0 and 1 are infinite.
_LEAST = 1e-9

_LOGARITHMIC = ("loguniform", "reciprocal")


class ParameterTuner:
    """Asks a sampler of Optuna for the params of an estimator, and tells it their scores.

    Parameters
    ----------
    space : mapping of str to sequence or distribution
        A list is a set of choices, or an axis where it holds whole numbers at even distances. Of
        scipy.stats uniform, loguniform and randint are ranges; of any other distribution the
        sampler proposes a probability, whose quantile is the value.
    sampler : str or BaseSampler
        A name that `search.tuning.methods.make_sampler` knows, or a sampler, of which a copy is
        asked.
    seed : int
        The seed of a sampler given by name.
    wave : int
        Trials that are proposed at once.

    Raises
    ------
    ConfigError
        If there is no such sampler.
    ValueError
        If something in the space is neither a list nor a distribution.
    """

    def __init__(
        self, space: Mapping[str, Any], sampler: str | BaseSampler, seed: int, wave: int
    ) -> None:
        self._axes = {name: _axis_of(name, values) for name, values in space.items()}
        own = None if isinstance(sampler, str) else copy.deepcopy(sampler)
        name = sampler if isinstance(sampler, str) else type(sampler).__name__
        given = {name: distribution for name, (distribution, _) in self._axes.items()}
        # All trials of a wave come from one generation, so all of them should count for the next.
        options = {"popsize": max(4, wave)} if name == "cmaes" else {}
        self._tuner = Tuner(
            given, name, options, seed, own=own, way_out="Choose another one or other options."
        )
        self._numbers = range(0)

    def wave(self, index: int, count: int) -> list[dict[str, Any]]:
        """Return the params of the next trials.

        Raises
        ------
        SamplerError
            If the sampler fails.
        """
        proposal = self._tuner.ask(index, count)
        self._numbers = proposal.numbers
        return [
            {name: value_of(params[name]) for name, (_, value_of) in self._axes.items()}
            for params in proposal.params
        ]

    def tell(self, scores: Sequence[float]) -> None:
        """Tell the scores of the last wave, of which the greatest is the best; NaN has failed.

        Raises
        ------
        SamplerError
            If the sampler fails.
        """
        rows = [
            {
                "number": number,
                "state": COMPLETE if math.isfinite(score) else FAIL,
                SOFTMAX_LAYOUT.compared: -score,  # which the tuner takes for a cost
                "reports": None,
            }
            for number, score in zip(self._numbers, scores, strict=True)
        ]
        self._tuner.tell(rows, {})


def _axis_of(name: str, values: Any) -> tuple[BaseDistribution, Any]:
    """Return what Optuna is asked for, and what makes a value of its answer."""
    if hasattr(values, "rvs"):
        return _of_distribution(name, values)
    if isinstance(values, str) or not hasattr(values, "__len__") or not len(values):
        raise ValueError(
            f"{name} is {values!r}; it must be a list of values, or a distribution of scipy.stats."
        )
    listed = list(values)
    if _is_axis(listed):
        [found] = distributions({name: [int(value) for value in listed]}).values()
        if not isinstance(found, CategoricalDistribution):
            return found, int
    return CategoricalDistribution(tuple(range(len(listed)))), listed.__getitem__


def _is_axis(values: Sequence[Any]) -> bool:
    return len(values) > 1 and all(
        isinstance(value, int | np.integer) and not isinstance(value, bool) for value in values
    )


def _of_distribution(name: str, given: Any) -> tuple[BaseDistribution, Any]:
    kind, (low, high) = getattr(getattr(given, "dist", None), "name", ""), _ends(name, given)
    if kind == "uniform" and math.isfinite(high - low):
        return FloatDistribution(float(low), float(high)), float
    # Moved by a loc, it may begin at 0 or below, and is no logarithmic range then.
    if kind in _LOGARITHMIC and low > 0 and math.isfinite(high):
        return FloatDistribution(float(low), float(high), log=True), float
    if kind == "randint":
        return IntDistribution(int(low), int(high)), int
    if kind in ("uniform", *_LOGARITHMIC) and not math.isfinite(high - low):
        raise _no_values(name)
    kind_of_value = int if hasattr(given, "pmf") else float
    return FloatDistribution(_LEAST, 1 - _LEAST), lambda p: kind_of_value(given.ppf(p))


def _ends(name: str, given: Any) -> tuple[Any, Any]:
    """Return the ends of a distribution's values, whole numbers where they are some."""
    if not (hasattr(given, "ppf") and hasattr(given, "support")):
        raise ValueError(
            f"{name} has no quantiles, which a sampler needs: give a list, or a frozen "
            "distribution of scipy.stats such as loguniform(1e-4, 1)."
        )
    try:
        with np.errstate(all="ignore"):
            low, high = given.support()
    except TypeError as error:  # of whole numbers that have more than 64 bits
        raise _no_values(name) from error
    if np.ndim(low) or np.ndim(high) or math.isnan(low) or math.isnan(high):
        raise _no_values(name)
    return low, high


def _no_values(name: str) -> ValueError:
    return ValueError(
        f"{name} has no values that can be drawn: its distribution does not take these parameters. "
        "Give others, such as uniform(0, 1) for all from 0 to 1, loguniform(1e-4, 1), or "
        "randint(1, 10)."
    )
