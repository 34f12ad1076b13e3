"""How the way of a pack is cut: nothing twice, nothing left out, no link too long."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.dataset import Dataset
from search.config import load_config
from search.cost_model import TYPICAL, CostModel
from search.grid_plan import grid_plan, grid_widths
from search.links import LinkCutter, open_chains
from search.planner import NO_TRIAL, Pack, Plan

SLACK = 1.25


def pack_of(checkpoints, width=2):
    size = width * len(checkpoints)
    numbers = np.arange(size).reshape(width, len(checkpoints))
    return Pack(0, 8, np.full(width, 1e-6), np.zeros(width), tuple(checkpoints), numbers)


def cutter(length, pack, scoring=1e-6):
    """Return a cutter whose links last a second, in which a pack does `length` epochs."""
    cost = CostModel({8: (1 / length, 0.0)}, (scoring, 0.0))
    cut = LinkCutter(cost, 1, 1, Plan((pack,)), 1)
    cut.target = 1.0
    return cut


ways = st.lists(st.integers(1, 200), min_size=1, max_size=8, unique=True).map(sorted)
lengths = st.floats(0.1, 300)


@st.composite
def cuts(draw):
    """Draw a pack, the length of a link in epochs, where to start, and what is open."""
    pack, length = pack_of(draw(ways)), draw(lengths)
    indices = st.sampled_from(range(len(pack.checkpoints)))
    positions = tuple(sorted(draw(st.sets(indices, min_size=1))))
    start = draw(st.integers(0, pack.checkpoints[positions[0]]))
    return pack, length, start, positions


@given(cuts())
def test_links_join_up_and_score_each_open_checkpoint_once(drawn):
    pack, length, start, positions = drawn
    chain = cutter(length, pack).cut(pack, start, positions)
    assert chain[0].start_epoch == start
    assert chain[-1].epoch == pack.checkpoints[positions[-1]]
    assert all(one.epoch == other.start_epoch for one, other in pairwise(chain))
    assert tuple(position for link in chain for position in link.positions) == positions
    for link in chain:
        assert link.pack is pack
        assert all(link.start_epoch <= stop <= link.epoch for stop in link.stops)
        assert link.epoch > link.start_epoch or link.positions
        # Rows are published when the link ends, so it ends at what it scores last.
        assert not link.stops or link.stops[-1] == link.epoch


@given(cuts())
def test_no_link_is_too_long_and_none_without_need_short(drawn):
    pack, length, start, positions = drawn
    chain = cutter(length, pack).cut(pack, start, positions)
    for link in chain:
        epochs = link.epoch - link.start_epoch
        assert epochs <= max(SLACK * length, 1)
        scoring = len(link.positions) * 1e-6
        assert link.seconds == pytest.approx(epochs / length + scoring)
    for one, other in pairwise(chain):
        # Two links that follow each other are no single link that was cut for nothing.
        if one.positions:
            reach = next(stop for link in chain for stop in link.stops if stop > one.epoch)
            assert reach - one.start_epoch > SLACK * length
        else:
            goal = next(link.stops[0] for link in chain if link.stops and link.epoch > one.epoch)
            assert goal - one.start_epoch > SLACK * length
            assert other.epoch - one.start_epoch > SLACK * length or length < 1.6


@given(st.integers(1, 500), lengths, st.integers(0, 100))
def test_a_long_way_is_cut_in_equal_parts(way, length, start):
    pack = pack_of([start + way])
    chain = cutter(length, pack).cut(pack, start, (0,))
    parts = [link.epoch - link.start_epoch for link in chain]
    assert sum(parts) == way
    assert max(parts) - min(parts) <= 1
    if way <= SLACK * length:
        assert len(parts) == 1


@given(ways, st.floats(0.001, 0.79))
def test_an_epoch_that_is_longer_than_a_link_is_one_each(way, length):
    pack = pack_of(way)
    chain = cutter(length, pack).cut(pack, 0, tuple(range(len(way))))
    assert [link.epoch for link in chain] == list(range(1, pack.epochs + 1))


def test_at_the_first_open_checkpoint_already_it_is_only_scored():
    pack = pack_of([5, 100])
    first, *others = cutter(2, pack).cut(pack, 5, (0, 1))
    assert (first.start_epoch, first.epoch, first.stops) == (5, 5, (5,))
    assert all(link.epoch > link.start_epoch for link in others)


def test_scoring_counts_for_each_checkpoint_that_is_passed():
    pack = pack_of([1, 2, 3])
    (link,) = cutter(10, pack, scoring=0.25).cut(pack, 0, (0, 1, 2))
    assert link.seconds == pytest.approx(0.3 + 3 * 0.25)


# --- The length of a link


@pytest.mark.parametrize(
    ("seconds", "workers", "target"),
    [(1e-3, 1, 1.0), (64.0, 1, 4.0), (64.0, 2, 2.0), (64.0, 20, 1.0), (1e6, 1, 6.0)],
)
def test_a_link_is_a_share_of_the_work_within_bounds(seconds, workers, target):
    pack = pack_of([1, 4])
    cost = CostModel({8: (seconds / 4 / 10, 0.0)}, (1.0, 0.0))
    cut = LinkCutter(cost, 10, 3, Plan((pack,)), workers)
    assert cut.epoch_seconds(pack) == pytest.approx(seconds / 4)
    assert cut.target == pytest.approx(target)


def test_the_rows_of_a_data_set_are_those_of_its_split():
    config = load_config("full")
    plan = grid_plan(config, grid_widths(config, 4))
    data = Dataset("zeros", np.zeros((100, 2), np.uint8), np.arange(100) % 2)
    n = round(100 * config.validation_fraction)
    ours = LinkCutter.for_data(TYPICAL, config, data, plan, 4)
    assert ours.link(plan.packs[0], 0, 2, (0,)) == LinkCutter(TYPICAL, 100 - n, n, plan, 4).link(
        plan.packs[0], 0, 2, (0,)
    )


def test_a_link_is_never_too_short_for_one_driver_to_feed_all_workers():
    pack = pack_of([1, 4])
    targets = [LinkCutter(TYPICAL, 10, 3, Plan((pack,)), n).target for n in (1, 30, 300, 3000)]
    assert targets == sorted(targets)
    assert targets[-1] >= 10 * targets[-2] > 10


# --- What is open


@given(st.data())
def test_chains_start_at_the_state_unless_it_is_beyond_what_is_open(data):
    pack = pack_of([5, 10, 40])
    logged = data.draw(st.sets(st.sampled_from(pack.numbers.ravel().tolist())))
    epoch = data.draw(st.integers(0, 45))
    chains = open_chains(
        Plan((pack,)), np.array(sorted(logged), np.int64), lambda _: epoch, cutter(3, pack)
    )
    positions = [j for j in range(3) if not set(pack.numbers[:, j].tolist()) <= logged]
    assert len(chains) == bool(positions)
    for chain in chains:
        assert [j for link in chain for j in link.positions] == positions
        usable = epoch <= pack.checkpoints[positions[0]]
        assert chain[0].start_epoch == (epoch if usable else 0)


def test_places_without_a_trial_are_never_open():
    pack = pack_of([5, 10])
    pack.numbers[:, 1] = [7, NO_TRIAL]
    plan = Plan((pack,))
    logged = np.array([*pack.numbers[:, 0], 7])
    assert open_chains(plan, logged, lambda _: 0, cutter(3, pack)) == []
    ((link, *_),) = open_chains(plan, logged[:-1], lambda _: 5, cutter(100, pack))
    assert (link.start_epoch, link.stops) == (5, (10,))
