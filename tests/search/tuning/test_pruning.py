"""Which columns of a wave go on: Optuna's pruners against their own definitions."""

import math
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from search.engine import EndedTrial
from search.tuning.methods import make_pruner
from search.tuning.pruning import PruningStudy

FACTOR = 3


def pruning(pruner, history, columns, seed):
    """Return the study of a wave whose columns are numbered in their order after the history."""
    numbers = {column: len(history) + i for i, column in enumerate(sorted(columns))}
    return PruningStudy(pruner, history, numbers, seed)


def order_of(live, seed, rung):
    """Return the columns in the order in which they are asked about."""
    columns = sorted(live)
    return [columns[i] for i in np.random.default_rng([*seed, rung]).permutation(len(columns))]


def asynchronous_halving(rungs, waves, seed):
    """Return who is pruned at each rung, as the paper has it: the best third of those so far."""
    seen = {}
    for rung, live in zip(rungs, waves, strict=True):
        level = math.log(rung / rungs[0], FACTOR)
        pruned = set()
        for column in order_of(live, seed, rung):
            if abs(level - round(level)) > 1e-9:
                continue
            costs = seen.setdefault(rung, [])
            costs.append(live[column])
            if sorted(costs).index(live[column]) >= max(1, len(costs) // FACTOR):
                pruned.add(column)
        yield pruned


def run_wave(pruner, rungs, costs, seed):
    """Yield the costs of all that are left at each rung, and who is pruned there."""
    left = {(m // 3, m % 3): way for m, way in enumerate(costs)}
    study = pruning(pruner, [], left, seed)
    for i, rung in enumerate(rungs):
        live = {column: way[i] for column, way in left.items()}
        pruned = study.decide(rung, live, []).pruned
        yield live, pruned
        left = {column: way for column, way in left.items() if column not in pruned}


finite = st.integers(0, 10**6).map(lambda n: n / 64)


@st.composite
def ways(draw, rungs=4):
    """Draw the costs of some columns at each rung, no two the same."""
    count = draw(st.integers(1, 25))
    flat = draw(st.lists(finite, min_size=count * rungs, max_size=count * rungs, unique=True))
    return [flat[m * rungs : (m + 1) * rungs] for m in range(count)]


@settings(deadline=None, max_examples=50)
@given(ways(), st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 99)).map(list))
def test_halving_prunes_as_in_the_paper(costs, seed):
    rungs = (2, 4, 6, 18)
    steps = list(run_wave(make_pruner("halving", {}, rungs), rungs, costs, seed))
    expected = asynchronous_halving(rungs, [live for live, _ in steps], seed)
    assert [pruned for _, pruned in steps] == list(expected)
    assert steps[1][1] == set()  # 4 is not 2 times a power of 3


@settings(deadline=None, max_examples=30)
@given(ways(), st.integers(0, 9))
def test_the_best_at_each_rung_goes_on(costs, seed):
    rungs = (1, 3, 9, 27)
    for live, pruned in run_wave(make_pruner("halving", {}, rungs), rungs, costs, [seed, 0]):
        assert min(live, key=live.get) not in pruned
        assert pruned <= set(live)


@settings(deadline=None, max_examples=20)
@given(ways(), st.sampled_from(["median", "halving", "hyperband"]), st.integers(0, 9))
def test_the_same_reports_are_decided_alike(costs, name, seed):
    rungs = (2, 4, 6, 8)

    def decided():
        return [p for _, p in run_wave(make_pruner(name, {}, rungs), rungs, costs, [seed, 1])]

    assert decided() == decided()


def test_the_order_in_which_columns_are_given_does_not_matter():
    costs = {(m // 4, m % 4): float(m * 7 % 16) for m in range(16)}
    backwards = dict(reversed(costs.items()))
    one, other = (
        pruning(make_pruner("halving", {}, (2,)), [], live, [0, 0]).decide(2, live, []).pruned
        for live in (costs, backwards)
    )
    assert one == other != set()


def test_columns_are_not_favoured_for_their_place():
    live = {(0, m): float(m) for m in range(30)}
    pruned = [
        pruning(make_pruner("halving", {}, (2,)), [], live, [seed, 0]).decide(2, live, []).pruned
        for seed in range(8)
    ]
    assert len({frozenset(columns) for columns in pruned}) == 8


def test_the_median_is_that_of_finished_trials():
    earlier = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    ended = [EndedTrial((0, m), True, {2: cost, 3: cost}) for m, cost in enumerate(earlier)]
    live = {(1, m): m / 10 for m in range(8)}
    columns = [*live, *(end.column for end in ended)]
    study = pruning(make_pruner("median", {"n_warmup_steps": 0}, (2, 4)), [], columns, [0, 0])
    assert study.decide(2, live, ended).pruned == {
        c for c, cost in live.items() if cost > median(earlier)
    }


def test_history_counts_as_much_as_this_wave():
    history = [
        create_trial(value=cost, intermediate_values={2: cost})
        for cost in (0.1, 0.2, 0.3, 0.4, 0.5)
    ]
    live = {(0, m): m / 10 for m in range(8)}
    pruner = make_pruner("median", {}, (2, 4))
    assert pruning(pruner, [], live, [0, 0]).decide(2, live, []).pruned == set()
    assert pruning(pruner, history, live, [0, 0]).decide(2, live, []).pruned == {
        column for column, cost in live.items() if cost > 0.3
    }


def test_halving_goes_on_where_an_earlier_wave_has_ended():
    pruner = make_pruner("halving", {}, (2,))
    history = [
        create_trial(
            state=TrialState.PRUNED,
            intermediate_values={2: 0.1 * m},
            system_attrs={"completed_rung_0": 0.1 * m},
        )
        for m in range(1, 10)
    ]
    live = {(0, 0): 0.25, (0, 1): 0.35, (0, 2): 0.05}
    assert (0, 1) in pruning(pruner, history, live, [0, 0]).decide(2, live, []).pruned
    assert not {(0, 0), (0, 2)} & pruning(pruner, history, live, [0, 0]).decide(2, live, []).pruned


def as_history(study, reports):
    """Return a wave's trials as a later wave sees them: by number, with the pruner's notes."""
    return [
        create_trial(
            state=TrialState.PRUNED,
            intermediate_values=reports[column],
            system_attrs=study.attrs()[column],
        )
        for column in sorted(reports)
    ]


@pytest.mark.parametrize("name", ["halving", "hyperband"])
def test_costs_are_compared_with_those_of_earlier_waves_at_the_same_epoch(name):
    rungs, low = (2, 6, 18), {2: 100.0, 6: 10.0, 18: 1.0}
    reports = {(0, m): {} for m in range(40)}
    first = pruning(make_pruner(name, {}, rungs), [], reports, [0, 0])
    left = set(reports)
    for rung in rungs:
        for column in left:
            reports[column][rung] = low[rung] + column[1] / 100
        left -= first.decide(rung, {column: reports[column][rung] for column in left}, []).pruned
    # Each is better at this epoch than all that were asked about before it.
    live = {(1, m): 0.0 for m in range(20)}
    second = pruning(make_pruner(name, {}, rungs), as_history(first, reports), live, [0, 1])
    for place, column in enumerate(order_of(live, [0, 1], 2)):
        live[column] = 90.0 - place
    assert second.decide(2, live, []).pruned == set()


def test_what_the_pruner_notes_is_kept_by_column():
    live = {(0, 0): 0.5, (3, 1): 0.25}
    pruner = make_pruner("halving", {}, (2, 4))
    study = pruning(pruner, [create_trial(value=1.0)], live, [0, 0])
    study.decide(2, live, [])
    assert study.attrs() == {column: {"completed_rung_0": cost} for column, cost in live.items()}


@pytest.mark.parametrize("name", ["median", "halving", "hyperband"])
def test_diverged_columns_are_decided_about_without_a_word(name):
    ended = [EndedTrial((0, m), True, {2: math.inf, 3: math.inf}) for m in range(6)]
    failed = create_trial(state=TrialState.FAIL, intermediate_values={2: math.inf})
    history = [failed, *[create_trial(value=0.5, intermediate_values={2: 0.6})] * 6]
    live = {(1, 0): math.inf, (1, 1): 0.5, (1, 2): math.inf}
    columns = [*live, *(end.column for end in ended)]
    study = pruning(make_pruner(name, {}, (2, 4)), history, columns, [0, 0])
    pruned = study.decide(2, live, ended).pruned
    assert (1, 1) not in pruned
    assert name != "median" or pruned == {(1, 0), (1, 2)}


def test_a_shorter_trial_beside_one_that_goes_on_is_complete_too():
    live = {(0, m): 0.1 * m for m in range(6)}
    study = pruning(make_pruner("median", {}, (2, 4)), [], live, [0, 0])
    assert study.decide(2, live, []).pruned == set()
    shorter = [EndedTrial(column, False, {2: cost, 3: cost}) for column, cost in live.items()]
    at_4 = dict.fromkeys(live, 10.0) | {(0, 0): 0.0}
    study.decide(4, at_4, shorter)
    more = study.decide(5, {(0, 0): 0.0}, []).pruned
    assert more == set()
