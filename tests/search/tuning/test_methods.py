"""Samplers, pruners and distributions that are made of a search's settings."""

import importlib.util

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search.config import Range
from search.errors import ConfigError
from search.tuning.methods import distributions, make_pruner, make_sampler

needs_torch = pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="needs torch")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (Range(5, 40), IntDistribution(5, 40)),
        (Range(5, 40, step=5), IntDistribution(5, 40, step=5)),
        (Range(4, 64, log=True), IntDistribution(4, 64, log=True)),
        (Range(8, 8), IntDistribution(8, 8)),
        (Range(0.0, 10.0), FloatDistribution(0.0, 10.0)),
        (Range(1e-7, 1e-5, log=True), FloatDistribution(1e-7, 1e-5, log=True)),
        (Range(0.1, 0.7, step=0.1), FloatDistribution(0.1, 0.7, step=0.1)),
        ((8, 16, 24), IntDistribution(8, 24, step=8)),
        ((1, 2), IntDistribution(1, 2)),
        ((8, 16, 32), CategoricalDistribution((8, 16, 32))),
        ((24, 16, 8), CategoricalDistribution((24, 16, 8))),
        ((8,), CategoricalDistribution((8,))),
        ((0.0, 10.0, 20.0), CategoricalDistribution((0.0, 10.0, 20.0))),
        ((1e-7, 1e-6), CategoricalDistribution((1e-7, 1e-6))),
    ],
)
def test_distributions(values, expected):
    assert distributions({"axis": values}) == {"axis": expected}


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=6, unique=True))
def test_a_list_of_whole_numbers_offers_its_values_and_no_others(values):
    distribution = distributions({"epochs": tuple(values)})["epochs"]
    if isinstance(distribution, CategoricalDistribution):
        assert list(distribution.choices) == values
    else:
        assert [*range(distribution.low, distribution.high + 1, distribution.step)] == values


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_range_offers_both_of_its_ends(one, other):
    low, high = sorted((one, other))
    distribution = distributions({"alpha": Range(low, high)})["alpha"]
    assert (distribution.low, distribution.high) == (low, high)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("random", "RandomSampler"),
        ("qmc", "QMCSampler"),
        ("tpe", "TPESampler"),
        ("cmaes", "CmaEsSampler"),
        pytest.param("gp", "GPSampler", marks=needs_torch),
        ("optuna.samplers.NSGAIISampler", "NSGAIISampler"),
        ("optuna.samplers.TPESampler", "TPESampler"),
    ],
)
def test_samplers(name, kind):
    assert type(make_sampler(name, {}, 0)).__name__ == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("median", "MedianPruner"),
        ("halving", "SuccessiveHalvingPruner"),
        ("hyperband", "HyperbandPruner"),
        ("optuna.pruners.NopPruner", "NopPruner"),
    ],
)
def test_pruners(name, kind):
    assert type(make_pruner(name, {}, (2, 4))).__name__ == kind


def drawn(*args):
    study = optuna.create_study(sampler=make_sampler("random", {}, *args))
    space = {"x": FloatDistribution(0, 1)}
    return [study.ask(space).params["x"] for _ in range(4)]


def test_a_seed_decides_what_is_drawn_and_every_batch_draws_anew():
    assert drawn(1, 32) == drawn(1, 32)
    values = [*drawn(1, 0), *drawn(1, 32), *drawn(2, 0), *drawn(2, 32)]
    assert len(set(values)) == 16


def test_a_large_seed_is_as_good_as_any():
    assert drawn(2**63 - 1, 0) == drawn(2**63 - 1, 0)


def test_a_sampler_without_a_seed_is_made_without_one():
    options = {"search_space": {"x": [1, 2]}}
    assert isinstance(
        make_sampler("optuna.samplers.GridSampler", options, 0), optuna.samplers.GridSampler
    )
    made = make_sampler("optuna.samplers.BruteForceSampler", {}, 0)
    assert isinstance(made, optuna.samplers.BruteForceSampler)


def decisions(pruner, costs, step):
    """Return who is pruned of trials that are reported at one step, one after the other."""
    study = optuna.create_study(pruner=pruner)
    pruned = []
    for cost in costs:
        trial = study.ask()
        trial.report(cost, step)
        pruned.append(trial.should_prune())
    return pruned


def test_unless_told_halving_lets_a_third_go_on_from_the_first_rung():
    costs = [0.5, 0.6, 0.4, 0.3, 0.2, 0.1]
    pruned = decisions(make_pruner("halving", {}, (5, 10)), costs, 5)
    assert pruned == [False, True, False, False, False, False]
    ranked = sorted(np.random.default_rng(0).permutation(30) / 30)
    pruned = decisions(make_pruner("halving", {}, (5, 10)), ranked, 5)
    assert pruned == [False, *[True] * 4, *[i > (i + 1) // 3 - 1 for i in range(5, 30)]]
    assert decisions(make_pruner("halving", {}, (5, 10)), costs, 4) == [False] * 6


def test_options_go_before_what_suits_most():
    costs = [0.1, 0.2, 0.3]
    late = make_pruner("halving", {"min_resource": 10}, (5, 10))
    assert decisions(late, costs, 5) == [False] * 3
    assert decisions(late, costs, 10) == [False, True, True]
    kept = make_sampler("tpe", {"n_startup_trials": 1, "constant_liar": False}, 0)
    assert isinstance(kept, optuna.samplers.TPESampler)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda name, options: make_sampler(name, options, 0), "sampler"),
        (lambda name, options: make_pruner(name, options, (2, 4)), "pruner"),
    ],
    ids=["sampler", "pruner"],
)
class TestRefused:
    @pytest.mark.parametrize(
        "path", ["no_such_package.Best", "optuna.samplers.Best", "optuna.nowhere.Best"]
    )
    def test_what_is_not_there(self, make, kind, path):
        with pytest.raises(ConfigError, match=rf"^There is no {kind} '{path}': .*\.$"):
            make(path, {})

    @pytest.mark.parametrize(
        "path",
        ["collections.Counter", "math.sqrt", "optuna.create_study", "optuna.trial.Trial"],
    )
    def test_what_is_none(self, make, kind, path):
        with pytest.raises(ConfigError, match=rf"^{kind} '{path}' is not a {kind} of Optuna: it"):
            make(path, {})

    def test_the_other_kind(self, make, kind):
        other = {"sampler": "optuna.pruners.NopPruner", "pruner": "optuna.samplers.RandomSampler"}
        with pytest.raises(ConfigError, match=f"is not a {kind} of Optuna"):
            make(other[kind], {})

    def test_the_bare_base(self, make, kind):
        base = {"sampler": "optuna.samplers.BaseSampler", "pruner": "optuna.pruners.BasePruner"}
        with pytest.raises(ConfigError):
            make(base[kind], {})

    def test_options_that_it_does_not_take(self, make, kind):
        name = {"sampler": "random", "pruner": "halving"}[kind]
        with pytest.raises(ConfigError, match=rf"^{kind} '{name}' does not take .*'nonsense'"):
            make(name, {"nonsense": 1})


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("halving", {"reduction_factor": 1}),
        ("halving", {"min_resource": 0}),
        ("median", {"n_startup_trials": -1}),
        ("optuna.pruners.PercentilePruner", {"percentile": 101}),
        ("optuna.pruners.PercentilePruner", {}),
        ("optuna.pruners.PatientPruner", {"patience": 2}),
    ],
)
def test_wrong_options_of_a_pruner(name, options):
    with pytest.raises(ConfigError, match=f"^pruner '{name}' does not take these options: "):
        make_pruner(name, options, (2, 4))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("optuna.samplers.NSGAIISampler", {"population_size": 1}),
        ("optuna.samplers.PartialFixedSampler", {"fixed_params": {}}),
        ("qmc", {"qmc_type": "mersenne"}),
        ("tpe", {"multivariate": False, "group": True}),
    ],
)
def test_wrong_options_of_a_sampler(name, options):
    with pytest.raises(ConfigError, match=f"^sampler '{name}' does not take these options: "):
        make_sampler(name, options, 0)


@pytest.mark.skipif(bool(importlib.util.find_spec("torch")), reason="torch is installed")
def test_a_sampler_says_which_package_it_needs():
    says = r"needs a package that is not installed .* pip install 'packsweep\[gp\]'"
    with pytest.raises(ConfigError, match=says):
        make_sampler("gp", {}, 0)
