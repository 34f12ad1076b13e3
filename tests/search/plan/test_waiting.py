"""Which link runs next: the rules one by one, and whole sweeps with random luck."""

from collections import defaultdict
from dataclasses import replace
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.speed import TYPICAL
from search.config import SearchSpace
from search.plan import (
    NO_TRIAL,
    Link,
    LinkCutter,
    WaitingLinks,
    make_plan,
    nothing_reached,
    open_chains,
)
from search.plan.legs import open_legs

SPACE = SearchSpace(
    batch_size=(8, 16), learning_rate=(1e-7, 1e-6, 1e-5), epochs=(5, 10, 40), alpha=(0.0, 1.0, 10.0)
)


def plan_of(numbers, width):
    numbers = np.array(numbers, np.int64)
    return make_plan(
        numbers, SPACE.columns(numbers), dict.fromkeys(SPACE.axes["batch_size"], width)
    )


plans = st.builds(
    plan_of,
    st.lists(st.integers(0, len(SPACE) - 1), min_size=1, unique=True),
    st.integers(1, 9),
)


def numbers_of(plan):
    return [n for pack in plan.packs for n in pack.numbers.ravel().tolist() if n != NO_TRIAL]


def closed_of(logged):
    """Return the mask of trials that have their row."""
    closed = np.zeros(len(SPACE) + 1, bool)
    closed[[*logged, NO_TRIAL]] = True
    return closed


def chains_of(plan, logged=(), n_train=10**6):
    cutter = LinkCutter.for_plan(plan, speed=TYPICAL, n_train=n_train, n_validation=1000, workers=2)
    return open_chains(plan, closed_of(logged), nothing_reached, cutter)


def stop_by_stop():
    """Return one link for each stop of a pack of one trajectory."""
    plan = plan_of([0, 3, 6], 1)
    (pack,) = plan.packs
    cutter, legs = LinkCutter(TYPICAL, 1000, 100, target=1.0), open_legs(pack, closed_of(()))
    return tuple(
        cutter.link(pack, start, [leg]) for start, leg in zip((0, 5, 10), legs, strict=True)
    )


def fields_of(links):
    """Return what links are, to compare them by it."""
    return [vars(link) for link in links]


def drain(waiting):
    return [waiting.pop() for _ in range(len(waiting))]


# --- What is left to do


@given(plans, st.data())
def test_a_checkpoint_is_open_while_one_of_its_trials_has_no_row(plan, data):
    logged = data.draw(st.sets(st.sampled_from(numbers_of(plan))))
    expected = {}
    for pack in plan.packs:
        positions = tuple(
            j
            for j in range(len(pack.stops))
            if any(n != NO_TRIAL and n not in logged for n in pack.numbers[:, j].tolist())
        )
        if positions:
            expected[pack.index] = positions
    links = {chain[0].pack.index: chain for chain in chains_of(plan, logged)}
    assert {
        index: tuple(leg.position for link in chain for leg in link.legs if len(leg.scored))
        for index, chain in links.items()
    } == expected
    assert all(link.attempt == 1 for chain in links.values() for link in chain)


@given(plans)
def test_nothing_is_open_when_all_is_logged(plan):
    assert chains_of(plan, numbers_of(plan)) == []


@given(plans)
def test_the_work_of_new_links_is_the_work_of_the_plan(plan):
    seconds = sum(link.seconds for chain in chains_of(plan) for link in chain)
    expected = 0.0
    for p in plan.packs:
        for epoch in range(p.stops[-1]):
            width = sum(last > epoch for last in p.epochs.tolist())  # that is left by then
            expected += 10**6 * TYPICAL.training_row(p.kind, width)
        for column in p.numbers.T.tolist():
            ending = sum(n != NO_TRIAL for n in column)
            expected += 2 * 1000 * TYPICAL.scoring_row(ending)
    np.testing.assert_allclose(seconds, expected)


def test_a_link_says_where_it_starts_and_ends():
    chain = stop_by_stop()
    assert chain[0].pack.stops == (5, 10, 40)
    assert [(link.start_epoch, link.epoch, link.stops) for link in chain] == [
        (0, 5, (5,)),
        (5, 10, (10,)),
        (10, 40, (40,)),
    ]
    assert chain[1].name == "advance batch=8 epochs 5-10 width=1"
    assert chain[1].task == "advance batch=8: epochs 5-10 width=1"
    (five,), (ten,), (forty,) = (link.legs for link in chain)
    nothing = np.array([], np.int64)
    unscored = replace(ten, scored=nothing, numbers=nothing)
    whole, part = (Link(ten.pack, 0, legs, 1.0) for legs in ((five, unscored, forty), (unscored,)))
    assert (whole.epoch, whole.stops, whole.has_trials) == (40, (5, 40), True)
    assert (part.epoch, part.stops, part.has_trials) == (10, (), False)
    reported = replace(ten, numbers=np.array([NO_TRIAL]))
    link = Link(ten.pack, 0, (reported,), 1.0)
    assert (link.stops, link.has_trials) == ((10,), False)


# --- What comes next


def test_the_pack_with_most_work_left_goes_first():
    plan = plan_of(range(len(SPACE)), 4)
    chains = chains_of(plan, range(0, len(SPACE), 7))
    left = {chain[0].pack.index: sum(link.seconds for link in chain) for chain in chains}
    work = [left[link.pack.index] for link in drain(WaitingLinks(chains))]
    assert len(work) == len(chains) > 2
    assert work == sorted(work, reverse=True)


def test_what_is_left_of_a_pack_counts_not_its_next_link():
    packs = plan_of(range(len(SPACE) // 2), 5).packs
    chains = []
    for pack, seconds in zip(packs, [(5.0, 3.0), (1.0, 6.0)], strict=True):
        five, ten, _ = open_legs(pack, closed_of(()))
        chains.append((Link(pack, 0, (five,), seconds[0]), Link(pack, 5, (ten,), seconds[1])))
    waiting, (one, other) = WaitingLinks(chains), packs
    first = waiting.pop()
    assert first.pack is one
    waiting.done(first)  # 3 seconds left of 8, so the other pack has more
    assert waiting.pop().pack is other


def test_packs_with_the_same_work_left_go_in_their_order():
    chains = chains_of(plan_of(range(len(SPACE) // 2), 3))
    assert [link.pack.index for link in drain(WaitingLinks(reversed(chains)))] == [0, 1, 2]


def test_a_lost_link_waits_again_with_its_attempts_counted():
    waiting = WaitingLinks([stop_by_stop()])
    link = waiting.pop()
    waiting.lost(link)
    again = waiting.pop()
    assert vars(again) == vars(link) | {"attempt": 2}
    waiting.lost(again)
    assert vars(waiting.pop()) == vars(link) | {"attempt": 3}


def test_a_lost_link_keeps_its_place_in_the_order():
    chains = chains_of(plan_of(range(len(SPACE)), 4))
    waiting = WaitingLinks(chains)
    order = [link.pack.index for link in drain(waiting)]
    for chain in chains:
        waiting.lost(chain[0])
    assert [link.pack.index for link in drain(waiting)] == order


def test_the_link_after_a_retried_one_is_at_its_first_attempt():
    waiting = WaitingLinks([stop_by_stop()])
    assert not waiting.done(replace(waiting.pop(), attempt=3))
    following = waiting.pop()
    assert (following.epoch, following.attempt) == (10, 1)


def test_nothing_follows_the_last_link():
    waiting = WaitingLinks([stop_by_stop()[2:]])
    assert waiting.done(waiting.pop())
    assert len(waiting) == 0


@given(plans, st.integers(0, 2**32), st.integers(1, 5), st.sampled_from([10**3, 10**6, 10**8]))
def test_each_link_is_done_once_and_in_order_whatever_is_lost(plan, seed, workers, n_train):
    chains = chains_of(plan, n_train=n_train)
    random = Random(seed)
    waiting, running = WaitingLinks(chains), []
    done, attempts = defaultdict(list), defaultdict(int)
    while len(waiting) or running:
        while len(waiting) and len(running) < workers:
            link = waiting.pop()
            assert link.pack.index not in [other.pack.index for other in running]
            running.append(link)
        link = running.pop(random.randrange(len(running)))
        first = replace(link, attempt=1)
        attempts[link.name, link.pack.index, link.stops] += 1
        assert link.attempt == attempts[link.name, link.pack.index, link.stops]
        if random.random() < 0.3:
            waiting.lost(link)
        else:
            done[link.pack.index].append(first)
            finished = waiting.done(link)
            assert finished == (len(done[link.pack.index]) == len(chains[link.pack.index]))
    assert {index: fields_of(links) for index, links in done.items()} == {
        chain[0].pack.index: fields_of(chain) for chain in chains
    }


@given(plans, st.data())
def test_chains_that_are_added_later_go_where_they_would_have_gone(plan, data):
    chains = chains_of(plan)
    count = data.draw(st.integers(0, len(chains)))
    waiting = WaitingLinks(chains[:count])
    waiting.add(chains[count:])
    assert fields_of(drain(waiting)) == fields_of(drain(WaitingLinks(chains)))


def test_a_pack_may_come_again_when_its_chain_has_ended():
    first, *others = stop_by_stop()
    waiting = WaitingLinks([(first,)])
    assert waiting.done(waiting.pop())
    waiting.add([others])
    assert not waiting.done(waiting.pop())
    assert waiting.done(waiting.pop())
