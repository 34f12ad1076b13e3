"""Samplers, pruners and distributions of Optuna from the settings of a search."""

import importlib
import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection

from search.config import PRUNERS, SAMPLERS, Range
from search.errors import ConfigError, SamplerError
from search.record import Layout

optuna.logging.set_verbosity(optuna.logging.ERROR)

_SEQUENCES = (optuna.samplers.QMCSampler, optuna.samplers.GridSampler)

WAY_OUT = "What was logged is safe; choose another one or other options for a new run."
"""What is said of a sampler or pruner of a run that has failed."""

_EXTRAS = {"gp": "packsweep[gp]"}

# What suits trials that are asked for many at a time; the settings' own options go first.
_SAMPLER_OPTIONS: dict[str, dict[str, Any]] = {
    "qmc": {"scramble": True},
    "tpe": {"constant_liar": True},
}


def direction(layout: Layout) -> StudyDirection:
    """Return in which direction Optuna goes for the objective of a run."""
    return StudyDirection.MAXIMIZE if layout.objective.greater else StudyDirection.MINIMIZE


def distributions(axes: Mapping[str, Sequence[Any] | Range]) -> dict[str, BaseDistribution]:
    """Return what Optuna is asked for, for each hyperparameter.

    A range becomes a distribution of whole numbers or floats. So does a list
    whose values are evenly spaced, because its order means something to a
    sampler; any other list is a set of choices.
    """
    return {name: _distribution(values) for name, values in axes.items()}


def _distribution(values: Sequence[Any] | Range) -> BaseDistribution:
    if isinstance(values, Range):
        return _ranged(values.low, values.high, values.log, values.step)
    if all(type(value) is int for value in values):
        steps = np.unique(np.diff(values))
        if len(steps) == 1 and steps[0] > 0:
            return _ranged(values[0], values[-1], log=False, step=int(steps[0]))
    return CategoricalDistribution(tuple(values))


def _ranged(low: float, high: float, log: bool, step: float | None) -> BaseDistribution:
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log, step=1 if step is None else int(step))
    return FloatDistribution(float(low), float(high), log=log, step=step)


@contextmanager
def told_as_sampler_error(what: str, way_out: str = WAY_OUT) -> Iterator[None]:
    """Say in the user's terms that a sampler or pruner failed, whosever it is.

    Parameters
    ----------
    what : str
        Which one.
    way_out : str
        Sentences that say what is safe and what to do.

    Raises
    ------
    SamplerError
    """
    try:
        yield
    except Exception as error:
        raise SamplerError(
            f"The {what} failed: {type(error).__name__}: {error}. {way_out}"
        ) from error


def make_sampler(name: str, options: Mapping[str, Any], seed: int, asked: int = 0) -> BaseSampler:
    """Return a sampler that goes on after some trials have been asked for.

    Parameters
    ----------
    name : str
        A known name or an import path.
    options : mapping
        Keyword arguments.
    seed : int
    asked : int
        Trials before: with the seed they decide the random numbers, so that a
        continued search draws what an undisturbed one would have drawn.

    Raises
    ------
    ConfigError
        If there is no such sampler, or it does not take these options.
    """
    drawn = int(np.random.SeedSequence([seed, asked]).generate_state(1)[0])
    fixed = int(np.random.SeedSequence([seed]).generate_state(1)[0])
    options = {**_SAMPLER_OPTIONS.get(name, {}), **options}
    component = _component(BaseSampler, "sampler", SAMPLERS, name)
    # A sequence goes on by its place, which the study keeps, and not by another seed.
    seeds = {"seed": fixed if issubclass(component, _SEQUENCES) else drawn}
    known = inspect.signature(component).parameters
    made: BaseSampler = _made(
        component, "sampler", name, {**(seeds if "seed" in known else {}), **options}
    )
    return made


def make_pruner(name: str, options: Mapping[str, Any], rungs: Sequence[int]) -> BasePruner:
    """Return a pruner for trials that are reported at some epochs.

    Successive halving and hyperband count resources in epochs: unless the
    options say otherwise, the first rung is their least, and a third goes on.

    Raises
    ------
    ConfigError
        If there is no such pruner, or it does not take these options.
    """
    defaults: dict[str, Any] = {}
    if name in ("halving", "hyperband"):
        defaults = {"min_resource": rungs[0], "reduction_factor": 3}
    if name == "hyperband":
        defaults["max_resource"] = rungs[-1]
    component = _component(BasePruner, "pruner", PRUNERS, name)
    made: BasePruner = _made(component, "pruner", name, {**defaults, **options})
    return made


def _component(base: type[Any], kind: str, known: Mapping[str, str | None], name: str) -> type[Any]:
    path = known.get(name) or name
    module, _, attribute = path.rpartition(".")
    try:
        component: type[Any] = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever a module of anybody's raises
        raise ConfigError(f"There is no {kind} {path!r}: {error}.") from error
    if not (inspect.isclass(component) and issubclass(component, base)):
        raise ConfigError(
            f"{kind} {name!r} is not a {kind} of Optuna: it must be a {base.__name__}."
        )
    return component


def _made(component: type[Any], kind: str, name: str, options: Mapping[str, Any]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some of Optuna's own options are experimental
            _check_importable(component)
            return component(**options)
    except ImportError as error:
        package = _EXTRAS.get(name, error.name) or "that it imports"
        raise ConfigError(
            f"{kind} {name!r} needs a package that is not installed ({error}): "
            f"pip install {package!r}, or choose another {kind}."
        ) from error
    except Exception as error:  # whatever a constructor of anybody's raises
        raise ConfigError(
            f"{kind} {name!r} does not take these options: {error}. Its own are "
            f"{', '.join(inspect.signature(component).parameters) or 'none'}."
        ) from error


def _check_importable(component: type[Any]) -> None:
    """Import now what some samplers import when they are first asked."""
    if issubclass(component, optuna.samplers.GPSampler):
        # The workers have the cores: its threads would wait for them, minutes in a search.
        importlib.import_module("torch").set_num_threads(1)
    if issubclass(component, optuna.samplers.CmaEsSampler):
        importlib.import_module("cmaes")
