"""What is left of a pack, whatever trials it has and whichever of them are closed."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.speed import SpeedModel
from search.plan import NO_TRIAL, LinkCutter, Plan, make_plan, nothing_reached, open_chains
from search.plan.legs import legs_from, open_legs

FLAT = SpeedModel({8: (1.0, 0.0)}, (1.0, 0.0))


@st.composite
def packs(draw):
    """Draw a pack of up to five trajectories with some trials each, and a few rungs."""
    ends = draw(
        st.lists(st.sets(st.integers(1, 12), min_size=1, max_size=4), min_size=1, max_size=5)
    )
    rungs = draw(st.sets(st.integers(1, 12), max_size=4).map(sorted))
    trials = [(m, epoch) for m, epochs in enumerate(ends) for epoch in sorted(epochs)]
    column, epochs = np.array(trials).T
    params = {
        "batch_size": np.full(len(trials), 8, np.int32),
        "learning_rate": 1e-6 * (1 + column),
        "epochs": epochs.astype(np.int32),
        "alpha": np.zeros(len(trials)),
    }
    (pack,) = make_plan(np.arange(len(trials)), params, {8: 5}, rungs).packs
    return pack


@st.composite
def situations(draw):
    """Draw a pack and which of its trials have their row."""
    pack = draw(packs())
    count = int(pack.numbers.max()) + 1
    closed = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return pack, np.array([*closed, True])


def trials_of(legs):
    return [(n, leg.epoch) for leg in legs for n in leg.numbers.tolist() if n != NO_TRIAL]


@given(situations())
def test_every_open_trial_is_in_one_leg_and_no_closed_one_in_any(situation):
    pack, closed = situation
    places = {
        int(pack.numbers[m, i]): (epoch, m)
        for i, epoch in enumerate(pack.stops)
        for m in range(pack.width)
    }
    legs = open_legs(pack, closed)
    assert sorted(trials_of(legs)) == sorted(
        (n, epoch) for n, (epoch, _) in places.items() if n != NO_TRIAL and not closed[n]
    )
    for leg in legs:
        for n, m in zip(leg.numbers.tolist(), leg.scored.tolist(), strict=True):
            assert n == NO_TRIAL or places[n] == (leg.epoch, m)


@given(situations())
def test_columns_only_go_from_leg_to_leg_and_only_those_with_trials_ahead_are_trained(situation):
    pack, closed = situation
    legs = open_legs(pack, closed)
    assert [leg.epoch for leg in legs] == sorted({leg.epoch for leg in legs})
    for one, other in pairwise(legs):
        assert set(other.columns) <= set(one.columns)
    for leg in legs:
        ahead = [
            m
            for m in range(pack.width)
            if any(
                n != NO_TRIAL and not closed[n] and epoch >= leg.epoch
                for n, epoch in zip(pack.numbers[m], pack.stops, strict=True)
            )
        ]
        assert leg.columns.tolist() == ahead


@given(situations())
def test_what_goes_on_is_reported_at_rungs_and_nowhere_else(situation):
    pack, closed = situation
    for leg in open_legs(pack, closed):
        assert set(leg.scored) <= set(leg.columns)
        assert leg.has_trials == (leg.numbers != NO_TRIAL).any()
        assert pack.stops[leg.position] == leg.epoch
        if leg.epoch in pack.rungs:
            assert leg.scored.tolist() == leg.columns.tolist()
        else:
            assert (leg.numbers != NO_TRIAL).all()
            assert len(leg.numbers) > 0


@given(situations())
def test_every_column_is_reported_at_all_rungs_on_its_way(situation):
    pack, closed = situation
    legs = {leg.epoch: leg for leg in open_legs(pack, closed)}
    for m in range(pack.width):
        numbers = pack.numbers[m]
        ends = [e for n, e in zip(numbers, pack.stops, strict=True) if not closed[n]]
        for rung in pack.rungs:
            assert (rung in legs and m in legs[rung].scored) == (bool(ends) and rung <= max(ends))


@given(packs())
def test_a_finished_pack_has_no_legs(pack):
    assert open_legs(pack, np.ones(int(pack.numbers.max()) + 2, bool)) == []


@given(situations(), st.integers(0, 13), st.data())
def test_a_state_is_gone_on_from_where_it_leads_to_all_that_is_open(situation, epoch, data):
    pack, closed = situation
    legs = open_legs(pack, closed)
    if not legs:
        return
    subset = st.sets(st.integers(0, pack.width - 1), min_size=1).map(sorted).map(np.array)
    columns = data.draw(st.none() | st.just(np.arange(pack.width)) | subset)
    remaining = legs_from(legs, epoch if columns is not None else 0, columns)
    start, left = remaining.start, list(remaining.legs)
    assert trials_of(left) == trials_of(legs)
    assert all(leg.epoch > start for leg in left)
    # What is reported beyond the state is reported still.
    assert [leg for leg in legs if leg.epoch > start] == [leg for leg in left if leg.epoch > start]
    if start:
        assert start == epoch
        assert set(left[0].columns) <= set(columns)
        assert all(end > epoch for _, end in trials_of(legs))
    elif columns is not None and epoch:
        lost = set(legs[0].columns) - set(columns)
        assert lost or any(end <= epoch for _, end in trials_of(legs))


@given(situations(), st.integers(1, 13), st.sampled_from([0.3, 1.0, 2.5, 100.0]))
def test_chains_go_up_to_a_rung_and_on_from_it(situation, until, target):
    pack, closed = situation
    plan = Plan((pack,))
    cutter = LinkCutter(FLAT, 1, 1, target)
    whole = open_chains(plan, closed, nothing_reached, cutter)
    below = open_chains(plan, closed, nothing_reached, cutter, until)

    def parts(chains):
        return [leg for chain in chains for link in chain for leg in link.legs if len(leg.scored)]

    ends = [(leg.epoch, leg.scored.tolist()) for leg in parts(whole)]
    assert [(leg.epoch, leg.scored.tolist()) for leg in parts(below)] == [
        end for end in ends if end[0] <= until
    ]
    for chain in whole:
        links = [(link.start_epoch, link.epoch) for link in chain]
        assert links[0][0] == 0
        assert all(a[1] == b[0] for a, b in pairwise(links))
        for link in chain:
            assert link.epoch > link.start_epoch
            assert link.width == max(len(leg.columns) for leg in link.legs)


def a_short_and_a_long_one(rungs=()):
    """Return a pack of two trajectories and which column is the shorter one."""
    params = {
        "batch_size": np.array([8, 8]),
        "learning_rate": np.array([1e-6, 2e-6]),
        "epochs": np.array([3, 6]),
        "alpha": np.zeros(2),
    }
    (pack,) = make_plan(np.arange(2), params, {8: 2}, rungs).packs
    return pack, pack.epochs.tolist().index(3)


NONE_CLOSED = np.array([False, False, True])


def test_where_nothing_is_closed_all_is_trained_and_reported():
    pack, short = a_short_and_a_long_one(rungs=(2, 4, 6, 8))
    long = 1 - short
    assert (pack.stops, pack.rungs) == ((2, 3, 4, 6), (2, 4, 6))
    legs = open_legs(pack, NONE_CLOSED)
    shown = [(x.epoch, x.columns.tolist(), x.scored.tolist(), x.numbers.tolist()) for x in legs]
    assert shown == [
        (2, [0, 1], [0, 1], [NO_TRIAL, NO_TRIAL]),
        (3, [0, 1], [short], [0]),
        (4, [long], [long], [NO_TRIAL]),
        (6, [long], [long], [1]),
    ]
    assert [leg.has_trials for leg in legs] == [False, True, False, True]


@pytest.mark.parametrize(
    ("epoch", "is_whole", "expected"), [(2, True, 2), (3, True, 0), (4, False, 0), (2, False, 0)]
)
def test_a_state_not_before_an_open_trial_or_without_its_column_is_of_no_use(
    epoch, is_whole, expected
):
    pack, short = a_short_and_a_long_one()
    columns = [0, 1] if is_whole else [1 - short]
    left = legs_from(open_legs(pack, NONE_CLOSED), epoch, np.array(columns))
    assert left.start == expected
    assert trials_of(left.legs) == [(0, 3), (1, 6)]
