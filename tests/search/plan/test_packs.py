"""Plans against brute force: which trial is read off where, and what it costs."""

import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.speed import TYPICAL
from search.config import AXES, Params, SearchSpace, load_config
from search.plan import NO_TRIAL, choose_widths, grid_plan, grid_widths, make_plan
from search.plan.prediction import training_flops
from search.plan.widths import WIDEST
from search.record import SOFTMAX_LAYOUT

SPACE = SearchSpace(
    batch_size=(8, 16, 64),
    learning_rate=(1e-7, 1e-6, 1e-5),
    epochs=(5, 10, 25, 40),
    alpha=(0.0, 1.0, 10.0, 1e4),
)


def plan_of(numbers, width=WIDEST, space=SPACE, rungs=(), first_pack=0):
    numbers = np.array(numbers, np.int64)
    widths = dict.fromkeys(space.axes["batch_size"], width)
    return make_plan(numbers, space.columns(numbers), widths, rungs, first_pack)


def places(plan):
    """Return (trial number, what stands where it stands) for every entry of a plan."""
    return [
        (
            int(pack.numbers[m, j]),
            Params(
                batch_size=pack.shared["batch_size"],
                epochs=epochs,
                **{name: float(values[m]) for name, values in pack.columns.items()},
            ),
        )
        for pack in plan.packs
        for m in range(pack.width)
        for j, epochs in enumerate(pack.stops)
        if pack.numbers[m, j] != NO_TRIAL
    ]


def trajectories_of(numbers, space=SPACE):
    """Return the trajectories of each batch size, by brute force."""
    found = defaultdict(set)
    for number in numbers:
        params = space[number]
        found[params["batch_size"]].add((params["learning_rate"], params["alpha"]))
    return found


def assert_same(one, other):
    assert len(one.packs) == len(other.packs)
    for a, b in zip(one.packs, other.packs, strict=True):
        assert (a.index, a.shared["batch_size"], a.stops) == (
            b.index,
            b.shared["batch_size"],
            b.stops,
        )
        assert np.array_equal(a.numbers, b.numbers)
        assert all(np.array_equal(a.columns[name], b.columns[name]) for name in a.columns)


def subsets(min_size=1):
    return st.lists(st.integers(0, len(SPACE) - 1), min_size=min_size, unique=True)


widths = st.integers(1, 14)
rungs = st.sets(st.integers(1, 45)).map(lambda epochs: tuple(sorted(epochs)))


# --- Packs


@given(subsets(), widths, rungs)
def test_every_trial_stands_once_where_its_params_are(numbers, width, rungs):
    plan = plan_of(numbers, width, rungs=rungs)
    assert sorted(places(plan)) == sorted((number, SPACE[number]) for number in numbers)
    assert plan.trials == len(numbers)


@given(subsets(), widths, rungs)
def test_a_pack_has_no_column_and_but_for_rungs_no_stop_without_a_trial(numbers, width, rungs):
    for pack in plan_of(numbers, width, rungs=rungs).packs:
        assert pack.numbers.shape == (pack.width, len(pack.stops))
        assert set(pack.columns) == {"learning_rate", "alpha"}
        assert all(values.shape == (pack.width,) for values in pack.columns.values())
        assert list(pack.stops) == sorted(set(pack.stops))
        has_trials = (pack.numbers != NO_TRIAL).any(axis=0)
        assert (has_trials | np.isin(pack.stops, pack.rungs)).all()
        assert has_trials[-1]
        assert pack.rungs == tuple(rung for rung in rungs if rung <= pack.stops[-1])
        assert set(pack.rungs) <= set(pack.stops)
        assert (pack.numbers != NO_TRIAL).any(axis=1).all()


@given(subsets(), widths)
def test_trajectories_are_split_evenly_into_as_few_packs_as_the_width_allows(numbers, width):
    plan, expected = plan_of(numbers, width), trajectories_of(numbers)
    parts = defaultdict(list)
    for pack in plan.packs:
        parts[pack.shared["batch_size"]].append(pack.width)
    assert parts.keys() == expected.keys()
    for batch_size, trajectories in expected.items():
        assert sum(parts[batch_size]) == len(trajectories)
        assert len(parts[batch_size]) == math.ceil(len(trajectories) / width)
        assert max(parts[batch_size]) - min(parts[batch_size]) <= 1
        assert max(parts[batch_size]) <= width


@given(subsets(), widths)
def test_trajectories_that_end_together_stand_together(numbers, width):
    lasts = defaultdict(list)
    for pack in plan_of(numbers, width).packs:
        lasts[pack.shared["batch_size"]] += pack.epochs.tolist()
    for epochs in lasts.values():
        assert epochs == sorted(epochs, reverse=True)


@given(subsets(), widths, st.randoms(use_true_random=False))
def test_the_plan_does_not_depend_on_the_order_of_the_trials(numbers, width, random):
    shuffled = random.sample(numbers, len(numbers))
    assert_same(plan_of(numbers, width), plan_of(shuffled, width))


@given(subsets(), widths, st.integers(0, 100))
def test_packs_are_numbered_by_their_place(numbers, width, first):
    plan = plan_of(numbers, width, first_pack=first)
    assert [pack.index for pack in plan.packs] == [first + i for i in range(len(plan.packs))]


@given(subsets(), widths, st.integers(1, 1000), st.integers(1, 800), st.integers(2, 10))
def test_figures_of_a_plan_agree_with_a_count(numbers, width, n_rows, n_features, n_classes):
    plan = plan_of(numbers, width)
    longest = defaultdict(int)
    for params in map(SPACE.__getitem__, numbers):
        column = params["batch_size"], params["learning_rate"], params["alpha"]
        longest[column] = max(longest[column], params.epochs)
    flops = 0
    for epochs in longest.values():
        for _epoch in range(epochs):
            flops += 2 * 2 * n_rows * n_features * (n_classes - 1)
    assert training_flops(plan.column_epochs, n_rows, n_features, n_classes) == flops
    for pack in plan.packs:
        columns = zip(*(values.tolist() for values in pack.columns.values()), strict=True)
        assert pack.epochs.tolist() == [
            longest[pack.shared["batch_size"], *column] for column in columns
        ]
        assert pack.column_epochs == sum(pack.epochs.tolist())
    assert plan.trajectories == sum(map(len, trajectories_of(numbers).values()))


values = {
    "batch_size": [8, 16, 64],
    "learning_rate": [1e-7, 1.5e-7, 1e-6],
    "epochs": [1, 2, 5, 40],
    "alpha": [0.0, 0.5, 10.0],
}
rows = st.fixed_dictionaries({name: st.sampled_from(values[name]) for name in AXES})
tables = st.lists(rows, min_size=1, unique_by=lambda row: tuple(row[name] for name in AXES))


@given(tables, st.randoms(use_true_random=False), widths)
def test_trials_that_differ_in_epochs_alone_share_a_trajectory_and_no_others(table, random, width):
    numbers = random.sample(range(10 * len(table)), len(table))
    expected = defaultdict(set)
    for number, row in zip(numbers, table, strict=True):
        expected[tuple(row[name] for name in AXES if name != "epochs")].add(number)
    params = {
        name: np.array([row[name] for row in table], SOFTMAX_LAYOUT.dtype(name)) for name in AXES
    }
    plan = make_plan(np.array(numbers), params, dict.fromkeys(values["batch_size"], width))
    found = [row[row != NO_TRIAL].tolist() for pack in plan.packs for row in pack.numbers]
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected.values()))


@given(tables, widths, rungs)
def test_a_pack_tells_the_params_of_its_trials_as_the_log_stores_them(table, width, rungs):
    params = {
        name: np.array([row[name] for row in table], SOFTMAX_LAYOUT.dtype(name)) for name in AXES
    }
    size = dict.fromkeys(values["batch_size"], width)
    for pack in make_plan(np.arange(len(table)), params, size, rungs).packs:
        places = np.nonzero(pack.numbers != NO_TRIAL)
        told = pack.params(*places)
        assert set(told) == set(AXES)
        assert all(told[name].dtype == SOFTMAX_LAYOUT.dtype(name) for name in AXES)
        rows = zip(*(told[name].tolist() for name in AXES), strict=True)
        trials = [table[number] for number in pack.numbers[places].tolist()]
        assert list(rows) == [tuple(row[name] for name in AXES) for row in trials]


def test_packs_are_compared_by_identity():
    one, other = plan_of([0, 1]).packs[0], plan_of([0, 1]).packs[0]
    assert one in (other, one)
    assert one != other
    assert len({one, other, one}) == 2


def test_a_plan_of_nothing_is_empty():
    plan = plan_of([])
    assert (plan.packs, plan.trials, plan.column_epochs) == ((), 0, 0)


def test_the_full_grid_on_four_workers_is_8_packs_of_64_and_8_stops():
    config = load_config("full")
    plan = grid_plan(config, grid_widths(config, workers=4))
    assert [pack.width for pack in plan.packs] == [64] * 8
    assert [len(pack.stops) for pack in plan.packs] == [8] * 8
    assert (plan.trials, plan.trajectories) == (4096, 512)
    assert sorted(places(plan)) == list(enumerate(config.space))


def test_a_million_trials_stand_where_their_numbers_say():
    axis = tuple(range(1, 33))
    space = SearchSpace(
        batch_size=axis, learning_rate=axis, epochs=tuple(range(1, 31)), alpha=tuple(range(1, 34))
    )
    plan = plan_of(np.arange(len(space)), space=space)
    assert plan.trials == len(space) > 1_000_000
    seen = np.zeros(len(space), bool)
    for pack in plan.packs:
        params = space.columns(pack.numbers)
        assert (params["batch_size"] == pack.shared["batch_size"]).all()
        for name, values in pack.columns.items():
            assert (params[name] == values[:, None]).all()
        assert (params["epochs"] == pack.stops).all()
        seen[pack.numbers] = True
    assert seen.all()


def test_numbers_need_not_be_those_of_a_grid():
    params = {name: np.array([8, 8]) for name in AXES} | {"epochs": np.array([10, 5])}
    (pack,) = make_plan(np.array([70, 3_000_000_000]), params, {8: 64}).packs
    assert pack.stops == (5, 10)
    assert pack.numbers.tolist() == [[3_000_000_000, 70]]


# --- Widths


def makespan(trajectories, widths, workers):
    """Return how long evenly split packs take, by the speed model of one row."""
    costs = []
    for batch_size, count in trajectories.items():
        parts = math.ceil(count / widths[batch_size])
        width = math.ceil(count / parts)
        costs.append((count / width, TYPICAL.training_row(batch_size, width)))
    return max(sum(n * c for n, c in costs) / workers, *(c for _, c in costs))


sweeps = st.dictionaries(
    st.sampled_from([8, 16, 32, 64, 128, 256]), st.integers(1, 500), min_size=1
)
worker_counts = st.integers(1, 600)


@given(sweeps, worker_counts)
def test_chosen_widths_are_never_slower_than_any_uniform_width(trajectories, workers):
    chosen = choose_widths(trajectories, workers)
    fastest = min(
        makespan(trajectories, dict.fromkeys(trajectories, width), workers)
        for width in range(1, WIDEST + 1)
    )
    assert makespan(trajectories, chosen, workers) == pytest.approx(fastest)


@given(sweeps, worker_counts)
def test_widths_are_possible(trajectories, workers):
    chosen = choose_widths(trajectories, workers)
    assert chosen.keys() == trajectories.keys()
    assert all(1 <= chosen[size] <= min(WIDEST, count) for size, count in trajectories.items())


@pytest.mark.parametrize("workers", [8, 16, 32, 64])
def test_there_are_packs_enough_for_all_workers(workers):
    config = load_config("full")
    assert len(grid_plan(config, grid_widths(config, workers)).packs) >= workers


def test_more_workers_never_make_wider_packs():
    trajectories = dict.fromkeys((8, 16, 32, 64, 128, 256, 512, 1024), 64)
    widths = [max(choose_widths(trajectories, workers).values()) for workers in range(1, 513)]
    assert widths == sorted(widths, reverse=True)
