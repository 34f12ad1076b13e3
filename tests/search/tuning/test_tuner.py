"""A sampler that is continued proposes what it would have proposed undisturbed."""

import math
from dataclasses import replace
from functools import cache

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.config import AXES, Range
from search.record import Proposals
from search.record.log.columns import SOFTMAX_LAYOUT
from search.tuning.methods import distributions
from search.tuning.tuner import Tuner

SPACE = {
    "batch_size": (4, 8, 16),
    "learning_rate": Range(1e-8, 1e-5, log=True),
    "epochs": Range(2, 40, step=2),
    "alpha": Range(0.0, 100.0),
}
SAMPLERS = {
    "random": {},
    "qmc": {},
    "tpe": {"n_startup_trials": 6, "multivariate": True},
    "cmaes": {"popsize": 5},
    "optuna.samplers.NSGAIISampler": {"population_size": 6},
    "optuna.samplers.QMCSampler": {"qmc_type": "halton", "scramble": True},
}
BATCH, WAVES, LAG = 6, 7, 2


def make_tuner(name, options=None, seed=0):
    options = SAMPLERS[name] if options is None else options
    return Tuner(distributions(SPACE), name, options, seed)


def row(number, params):
    """Return how a trial ends that is best in the middle, and pruned or failed now and then."""
    cost = abs(math.log10(params["learning_rate"] / 1e-6)) + params["alpha"] / 100
    reports = [(2, cost + 1), (4, cost + 0.5)]
    ends = {3: ("PRUNED", None, reports), 8: ("FAIL", None, None)}
    state, value, reports = ends.get(number % 11, ("COMPLETE", cost, [*reports, (9, cost)]))
    told = {"number": number, "state": state, "reports": reports}
    return told | {"val_cost": value, "val_cost_avg": value and -value}


def tell(tuner, proposal):
    rows = [row(n, p) for n, p in zip(proposal.numbers, proposal.params, strict=True)]
    tuner.tell(rows, dict(zip(proposal.numbers, proposal.attrs, strict=True)))
    proposal.told = True


def go_on(tuner, asked, waves):
    """Ask for waves and tell of them, `LAG` under way at a time."""
    for index in range(len(asked), waves):
        if index >= LAG and not asked[index - LAG].told:
            tell(tuner, asked[index - LAG])
        asked.append(tuner.ask(index, BATCH))
    return asked


def continued(name, asked, folder):
    """Return a new tuner that knows what is written down of another."""
    proposals = Proposals(folder)
    for proposal in asked:
        proposals.write(proposal)
    tuner, read = make_tuner(name), proposals.read()
    for proposal in read:
        tuner.restore(proposal)
        if proposal.told:
            tell(tuner, proposal)
    return tuner, read


@cache
def undisturbed(name):
    """Return what a sampler proposes when nothing happens to it."""
    return go_on(make_tuner(name), [], WAVES)


def contents(asked):
    """Return what is proposed, less the optimizer of CMA-ES, whose spare memory is anything."""
    attrs = [
        [{k: v for k, v in attrs.items() if ":optimizer" not in k} for attrs in proposal.attrs]
        for proposal in asked
    ]
    return [
        (proposal.index, proposal.first, proposal.params, kept, proposal.study_attrs)
        for proposal, kept in zip(asked, attrs, strict=True)
    ]


@pytest.mark.parametrize("name", SAMPLERS)
@settings(max_examples=6, deadline=None)
@given(stops=st.sets(st.integers(1, WAVES - 1), max_size=3), is_told=st.booleans())
def test_wherever_it_is_interrupted(name, tmp_path_factory, stops, is_told):
    tuner, asked = make_tuner(name), []
    for stop in sorted(stops):
        go_on(tuner, asked, stop)
        if is_told and stop >= LAG:  # the last moment before it is asked again
            tell(tuner, asked[stop - LAG])
        tuner, asked = continued(name, asked, tmp_path_factory.mktemp("run"))
    assert contents(go_on(tuner, asked, WAVES)) == contents(undisturbed(name))


@pytest.mark.parametrize("name", SAMPLERS)
def test_trials_are_numbered_and_inside_their_ranges(name):
    asked = undisturbed(name)
    assert [n for proposal in asked for n in proposal.numbers] == list(range(BATCH * WAVES))
    for params in (params for proposal in asked for params in proposal.params):
        assert set(params) == set(AXES)
        assert params["batch_size"] in SPACE["batch_size"]
        assert params["epochs"] in range(2, 41, 2)
        assert 1e-8 <= params["learning_rate"] <= 1e-5
        assert 0 <= params["alpha"] <= 100


@pytest.mark.parametrize("name", SAMPLERS)
def test_waves_do_not_repeat_each_other(name):
    asked = undisturbed(name)
    rates = [params["learning_rate"] for proposal in asked[:2] for params in proposal.params]
    assert len(set(rates)) == len(rates)


@pytest.mark.parametrize("name", SAMPLERS)
def test_another_seed_proposes_other_trials(name):
    one, same, other = (make_tuner(name, seed=seed).ask(0, BATCH).params for seed in (1, 1, 2))
    assert one == same
    assert one[1:] != other[1:]


def test_cma_es_goes_on_with_its_generations():
    generations = {
        value
        for proposal in undisturbed("cmaes")
        for attrs in proposal.attrs
        for key, value in attrs.items()
        if key.endswith("generation")
    }
    assert len(generations) > 2


@pytest.mark.parametrize(("select", "cost"), [("last", "val_cost"), ("average", "val_cost_avg")])
def test_the_study_learns_how_every_trial_ended(select, cost):
    layout = replace(SOFTMAX_LAYOUT, select=select)
    tuner = Tuner(distributions(SPACE), "random", {}, 0, layout)
    attrs = {3: {"completed_rung_0": 0.25}}
    proposal = tuner.ask(0, 12)
    rows = [row(n, p) for n, p in zip(proposal.numbers, proposal.params, strict=True)]
    tuner.tell(rows, attrs)
    trials = tuner.study.get_trials()
    states = {3: "PRUNED", 8: "FAIL"}
    assert [trial.state.name for trial in trials] == [states.get(n, "COMPLETE") for n in range(12)]
    for told, trial in zip(rows, trials, strict=True):
        assert trial.intermediate_values == dict(told["reports"] or ())
        assert trial.system_attrs.items() >= attrs.get(trial.number, {}).items()
        assert trial.params == proposal.params[trial.number]
        if trial.state is optuna.trial.TrialState.COMPLETE:
            assert trial.value == told[cost]


def test_the_history_holds_the_finished_trials_below_a_number():
    tuner = make_tuner("random")
    first, _ = tuner.ask(0, 4), tuner.ask(1, 4)
    assert tuner.history(8) == []
    tell(tuner, first)
    assert [trial.number for trial in tuner.history(8)] == [0, 1, 2, 3]
    assert [trial.number for trial in tuner.history(2)] == [0, 1]
    assert tuner.history(0) == []


def test_what_is_asked_for_does_not_change_when_it_is_told():
    tuner = make_tuner("tpe")
    proposal = tuner.ask(0, BATCH)
    before = [dict(attrs) for attrs in proposal.attrs]
    tuner.tell([row(0, proposal.params[0])], {0: {"note": 1}})
    assert proposal.attrs == before
