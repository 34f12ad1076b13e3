"""How the way of a pack is cut: nothing twice, nothing left out, no link too long."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.data.dataset import Dataset
from model.speed import TYPICAL, SpeedModel
from search.config import load_config
from search.plan import (
    NO_TRIAL,
    LinkCutter,
    Pack,
    Plan,
    grid_plan,
    grid_widths,
    nothing_reached,
    open_chains,
)
from search.plan.legs import open_legs

SLACK = 1.25


def pack_of(stops, width=2):
    numbers = np.arange(width * len(stops)).reshape(width, len(stops))
    columns = {"learning_rate": np.full(width, 1e-6), "alpha": np.zeros(width)}
    return Pack(0, {"batch_size": 8}, columns, tuple(stops), numbers)


def closed_of(pack, numbers=()):
    """Return the mask of trials that have their row."""
    closed = np.zeros(pack.numbers.size + 1, bool)
    closed[[*numbers, NO_TRIAL]] = True
    return closed


def legs_of(pack):
    return open_legs(pack, closed_of(pack))


def cutter(length, pack, scoring=1e-6, by_column=0.0):
    """Return a cutter whose links last a second, in which a pack does `length` epochs.

    A part of that second is shared by its columns, and so shorter without some of them.
    """
    line = ((1 - by_column) / length, by_column / length / pack.width)
    return LinkCutter(SpeedModel({8: line}, (scoring, 0.0)), 1, 1, target=1.0)


def cutter_for(pack, speed, workers=1, n_train=1, n_validation=1):
    """Return the cutter for a plan of one pack."""
    return LinkCutter.for_plan(
        Plan((pack,)), speed=speed, n_train=n_train, n_validation=n_validation, workers=workers
    )


ways = st.lists(st.integers(1, 200), min_size=1, max_size=8, unique=True).map(sorted)
lengths = st.floats(0.1, 300)


@st.composite
def packs(draw):
    """Draw a pack in which trials may end anywhere, and some stops may be rungs."""
    pack = pack_of(draw(ways), draw(st.integers(1, 4)))
    trials = st.sets(st.sampled_from(pack.numbers.ravel().tolist()), min_size=1)
    pack.numbers[~np.isin(pack.numbers, list(draw(trials)))] = NO_TRIAL
    rungs = draw(st.sets(st.sampled_from(pack.stops)))
    return replace(pack, rungs=tuple(sorted(rungs)))


@st.composite
def closings(draw):
    """Draw a pack, and which of its trials have their row."""
    pack = draw(packs())
    return pack, draw(st.sets(st.sampled_from(pack.numbers[pack.numbers != NO_TRIAL].tolist())))


@st.composite
def cuts(draw):
    """Draw a pack, its cutter, where to start, and the legs that are open."""
    pack, logged = draw(closings().filter(lambda drawn: len(drawn[1]) < Plan(drawn[:1]).trials))
    legs = open_legs(pack, closed_of(pack, logged))
    cut = cutter(draw(lengths), pack, by_column=draw(st.sampled_from([0.0, 0.5, 1.0])))
    return pack, cut, draw(st.integers(0, legs[0].epoch)), legs


def training(cut, start, legs):
    """Return the seconds from an epoch over some legs, epoch by epoch."""
    seconds = 0.0
    for leg in legs:
        seconds += sum(
            cut.epoch_seconds(leg.pack, len(leg.columns)) for _ in range(start, leg.epoch)
        )
        start = leg.epoch
    return seconds


@given(cuts())
def test_links_join_up_and_score_each_open_stop_once(drawn):
    pack, cut, start, legs = drawn
    chain = cut.cut(pack, start, legs)
    assert chain[0].start_epoch == start
    assert chain[-1].epoch == legs[-1].epoch
    assert all(one.epoch == other.start_epoch for one, other in pairwise(chain))
    assert [leg for link in chain for leg in link.legs if len(leg.scored)] == legs
    for link in chain:
        assert link.pack is pack
        assert all(link.start_epoch <= stop <= link.epoch for stop in link.stops)
        assert link.epoch > link.start_epoch or link.stops
        # Rows are published when the link ends, so it ends at what it scores last.
        assert not link.stops or link.stops[-1] == link.epoch
        assert link.has_trials == any(leg.has_trials for leg in link.legs)


@given(cuts())
def test_on_its_way_to_a_leg_s_end_a_link_trains_the_leg_s_columns(drawn):
    pack, cut, start, legs = drawn
    chain = cut.cut(pack, start, legs)
    for leg in (leg for link in chain for leg in link.legs):
        goal = next(other for other in legs if other.epoch >= leg.epoch)
        assert leg.columns.tolist() == goal.columns.tolist()
        assert leg is goal or (leg.scored.tolist(), leg.numbers.tolist()) == ([], [])
    assert [link.width for link in chain] == [len(link.legs[0].columns) for link in chain]


@given(cuts())
def test_no_link_is_too_long_and_none_without_need_short(drawn):
    pack, cut, start, legs = drawn
    chain, most = cut.cut(pack, start, legs), SLACK * (1 + 1e-9)
    for link in chain:
        seconds = training(cut, link.start_epoch, link.legs)
        epoch = cut.epoch_seconds(pack, link.width)
        assert seconds <= max(most, epoch * (1 + 1e-9))
        assert link.seconds == pytest.approx(seconds + len(link.stops) * 2e-6)
    for one, other in pairwise(chain):
        # Two links that follow each other are not a single link that was cut for nothing.
        goal = next(leg for leg in legs if leg.epoch > one.epoch)
        ours = one.legs if one.stops else ()
        assert training(cut, one.start_epoch, [*ours, goal]) * most > SLACK
        if not one.stops:
            together = training(cut, one.start_epoch, [*one.legs, other.legs[0]])
            assert together * most > SLACK or cut.epoch_seconds(pack, one.width) > 1 / 1.6


@given(st.integers(1, 500), lengths, st.integers(0, 100))
def test_a_long_way_is_cut_in_equal_parts(way, length, start):
    pack = pack_of([start + way])
    chain = cutter(length, pack).cut(pack, start, legs_of(pack))
    parts = [link.epoch - link.start_epoch for link in chain]
    assert sum(parts) == way
    assert max(parts) - min(parts) <= 1
    if way <= SLACK * length:
        assert len(parts) == 1


@given(ways, st.floats(0.001, 0.79))
def test_an_epoch_that_is_longer_than_a_link_is_one_each(way, length):
    pack = pack_of(way)
    chain = cutter(length, pack).cut(pack, 0, legs_of(pack))
    assert [link.epoch for link in chain] == list(range(1, way[-1] + 1))


def test_fewer_columns_go_further_in_a_link():
    pack = pack_of([10, 110], width=10)
    pack.numbers[1:, 1] = NO_TRIAL
    chain = cutter(10, pack, by_column=1.0).cut(pack, 0, legs_of(pack))
    assert [(link.start_epoch, link.epoch, link.width) for link in chain] == [
        (0, 10, 10),
        (10, 110, 1),
    ]


def test_at_the_first_open_stop_already_it_is_only_scored():
    pack = pack_of([5, 100])
    first, *others = cutter(2, pack).cut(pack, 5, legs_of(pack))
    assert (first.start_epoch, first.epoch, first.stops) == (5, 5, (5,))
    assert all(link.epoch > link.start_epoch for link in others)


def test_scoring_counts_twice_for_each_stop_that_is_passed():
    pack = pack_of([1, 2, 3])
    (link,) = cutter(10, pack, scoring=0.25).cut(pack, 0, legs_of(pack))
    assert link.seconds == pytest.approx(0.3 + 3 * 2 * 0.25)


def test_scoring_counts_the_columns_that_are_scored():
    pack = pack_of([1, 2], width=3)
    pack.numbers[:2, 0] = NO_TRIAL
    cut = cutter_for(pack, SpeedModel({8: (0.01, 0.0)}, (0.0, 0.25)))
    (link,) = cut.cut(pack, 0, legs_of(pack))
    assert link.seconds == pytest.approx(2 * 0.01 + (1 + 3) * 2 * 0.25)


# --- The length of a link


@pytest.mark.parametrize(
    ("seconds", "workers", "target"),
    [(1e-3, 1, 1.0), (64.0, 1, 4.0), (64.0, 2, 2.0), (64.0, 20, 1.0), (1e6, 1, 6.0)],
)
def test_a_link_is_a_share_of_the_work_within_bounds(seconds, workers, target):
    pack = pack_of([1, 4])
    speed = SpeedModel({8: (seconds / 4 / 10, 0.0)}, (1.0, 0.0))
    cut = cutter_for(pack, speed, workers, 10, 3)
    assert cut.epoch_seconds(pack, 2) == pytest.approx(seconds / 4)
    assert cut.target == pytest.approx(target)


def test_the_rows_of_a_data_set_are_those_of_its_split():
    config = load_config("full")
    plan = grid_plan(config, grid_widths(config, 4))
    data = Dataset("zeros", np.zeros((100, 2), np.uint8), np.arange(100) % 2)
    n = round(100 * config.validation_fraction)
    ours = LinkCutter.for_data(plan, speed=TYPICAL, config=config, data=data, workers=4)
    theirs = LinkCutter.for_plan(plan, speed=TYPICAL, n_train=100 - n, n_validation=n, workers=4)
    pack = plan.packs[0]
    legs = open_legs(pack, np.append(np.zeros(plan.trials, bool), True))
    assert ours.link(pack, 0, legs).seconds == theirs.link(pack, 0, legs).seconds > 0
    assert ours.target == theirs.target


def test_a_link_is_never_too_short_for_one_driver_to_feed_all_workers():
    pack = pack_of([1, 4])
    targets = [cutter_for(pack, TYPICAL, n, 10, 3).target for n in (1, 30, 300, 3000)]
    assert targets == sorted(targets)
    assert targets[-1] >= 10 * targets[-2] > 10


def test_the_work_of_a_plan_is_that_of_the_epochs_that_its_trajectories_have():
    pack = pack_of([10, 40], width=4)
    targets = []
    for shorter in (0, 3):
        pack.numbers[:shorter, 1] = NO_TRIAL
        speed = SpeedModel({8: (0.0, 0.5)}, (0.0, 0.0))
        targets.append(cutter_for(pack, speed).target)
    assert targets == [pytest.approx(4 * 40 * 0.5 / 16), pytest.approx((3 * 10 + 40) * 0.5 / 16)]


# --- What is open


def legs_by_hand(pack, logged):
    """Return epoch, columns, scored and numbers of each leg, trial by trial."""
    rows = [[n if n not in logged else NO_TRIAL for n in row] for row in pack.numbers.tolist()]
    legs = []
    for j, epoch in enumerate(pack.stops):
        columns = [m for m, row in enumerate(rows) if any(n != NO_TRIAL for n in row[j:])]
        scored = [m for m in columns if rows[m][j] != NO_TRIAL or epoch in pack.rungs]
        if scored:
            legs.append((epoch, columns, scored, [rows[m][j] for m in scored]))
    return legs


def told(legs):
    return [
        (leg.epoch, *(a.tolist() for a in (leg.columns, leg.scored, leg.numbers))) for leg in legs
    ]


@given(closings())
def test_what_is_open_is_trained_as_far_as_its_trials_and_scored_where_they_end(drawn):
    pack, logged = drawn
    legs = open_legs(pack, closed_of(pack, logged))
    assert told(legs) == legs_by_hand(pack, logged)
    for leg in legs:
        assert pack.stops[leg.position] == leg.epoch
        assert leg.has_trials == any(n != NO_TRIAL for n in leg.numbers)


@given(closings(), st.data())
def test_chains_start_at_a_state_that_is_before_all_that_is_open_and_lacks_nothing(drawn, data):
    (pack, logged), legs = drawn, legs_by_hand(*drawn)
    epoch = data.draw(st.integers(0, pack.stops[-1] + 5))
    columns = data.draw(st.none() | st.sets(st.sampled_from(range(pack.width)), min_size=1))
    until = data.draw(st.sampled_from([*pack.stops, math.inf]))
    state = epoch, None if columns is None else np.array(sorted(columns))
    chains = open_chains(
        Plan((pack,)), closed_of(pack, logged), lambda _: state, cutter(3, pack), until
    )
    if not legs:
        assert chains == []
        return
    trials = [e for e, _, _, numbers in legs if set(numbers) != {NO_TRIAL}]
    usable = columns is not None and epoch < trials[0] and set(legs[0][1]) <= columns
    # What the state was scored for already is not scored again for a report alone.
    left = [leg for leg in legs if not usable or leg[0] > epoch]
    left = [leg for leg in left if leg[0] <= until]
    assert len(chains) == bool(left)
    for chain in chains:
        assert chain[0].start_epoch == (epoch if usable else 0)
        assert told(leg for link in chain for leg in link.legs if len(leg.scored)) == left


def test_places_without_a_trial_are_never_open():
    pack = pack_of([5, 10])
    pack.numbers[:, 1] = [3, NO_TRIAL]
    plan, cut = Plan((pack,)), cutter(100, pack)
    assert open_chains(plan, closed_of(pack, [0, 2, 3]), nothing_reached, cut) == []
    state = 5, np.array([0, 1])
    ((link,),) = open_chains(plan, closed_of(pack, [0, 2]), lambda _: state, cut)
    assert (link.start_epoch, link.stops) == (5, (10,))
    assert told(link.legs) == [(10, [0], [0], [3])]


def test_nobody_goes_beyond_a_rung_that_is_not_decided():
    pack = replace(pack_of([5, 10, 40]), rungs=(5, 10))
    closed, cut = closed_of(pack, [0]), cutter(100, pack)
    ((link,),) = open_chains(Plan((pack,)), closed, nothing_reached, cut, until=10)
    # The first column is only reported where its trial has its row.
    assert told(link.legs) == [(5, [0, 1], [0, 1], [NO_TRIAL, 3]), (10, [0, 1], [0, 1], [1, 4])]
    closed[[1, 3, 4]] = True
    state = 10, np.array([0, 1])
    assert open_chains(Plan((pack,)), closed, lambda _: state, cut, until=10) == []
    ((link,),) = open_chains(Plan((pack,)), closed, lambda _: state, cut)
    assert (link.start_epoch, told(link.legs)) == (10, [(40, [0, 1], [0, 1], [2, 5])])
