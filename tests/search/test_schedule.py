"""Which link runs next: the rules one by one, and whole sweeps with random luck."""

from collections import defaultdict
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from search.planner import NO_TRIAL, make_plan
from search.schedule import Link, Schedule, open_links
from search.space import SearchSpace
from search.width import row_cost

SPACE = SearchSpace((8, 16), (1e-7, 1e-6, 1e-5), (5, 10, 40), (0.0, 1.0, 10.0))
NOTHING = np.array([], np.int64)


def plan_of(numbers, width):
    numbers = np.array(numbers, np.int64)
    return make_plan(numbers, SPACE.columns(numbers), dict.fromkeys(SPACE.batch_size, width))


plans = st.builds(
    plan_of,
    st.lists(st.integers(0, len(SPACE) - 1), min_size=1, unique=True),
    st.integers(1, 9),
)


def numbers_of(plan):
    return [n for pack in plan.packs for n in pack.numbers.ravel().tolist() if n != NO_TRIAL]


def drain(schedule):
    return [schedule.pop() for _ in range(len(schedule))]


# --- What is left to do


@given(plans, st.data())
def test_a_checkpoint_is_open_while_one_of_its_trials_has_no_row(plan, data):
    logged = data.draw(st.sets(st.sampled_from(numbers_of(plan))))
    expected = {}
    for pack in plan.packs:
        positions = tuple(
            j
            for j in range(len(pack.checkpoints))
            if any(n != NO_TRIAL and n not in logged for n in pack.numbers[:, j].tolist())
        )
        if positions:
            expected[pack.index] = positions
    links = open_links(plan, np.array(sorted(logged), np.int64))
    assert {link.pack.index: link.open for link in links} == expected
    assert all(link.attempt == 1 for link in links)


@given(plans)
def test_nothing_is_open_when_all_is_logged(plan):
    assert open_links(plan, np.array(numbers_of(plan))) == []


@given(plans)
def test_the_work_of_new_links_is_the_work_of_the_plan(plan):
    work = sum(link.remaining_work for link in open_links(plan, NOTHING))
    expected = sum(p.epochs * row_cost(p.batch_size, p.width) for p in plan.packs)
    np.testing.assert_allclose(work, expected)


def test_a_link_says_where_it_starts_and_ends():
    (pack,) = plan_of([0, 3, 6], 1).packs
    assert pack.checkpoints == (5, 10, 40)
    spans = [Link(pack, tuple(range(j, 3))) for j in range(3)]
    assert [(link.start_epoch, link.epoch, link.is_last) for link in spans] == [
        (0, 5, False),
        (5, 10, False),
        (10, 40, True),
    ]
    assert spans[1].name == "advance batch=8 epochs 5-10 width=1"


# --- What comes next


def test_the_pack_with_most_work_left_goes_first():
    plan = plan_of(range(len(SPACE)), 4)
    links = open_links(plan, np.arange(0, len(SPACE), 7))
    work = [link.remaining_work for link in drain(Schedule(links))]
    assert len(work) == len(links) > 2
    assert work == sorted(work, reverse=True)


def test_packs_with_the_same_work_left_go_in_their_order():
    links = open_links(plan_of(range(len(SPACE) // 2), 3), NOTHING)
    assert [link.pack.index for link in drain(Schedule(reversed(links)))] == [0, 1, 2]


def test_a_lost_link_waits_again_with_its_attempts_counted():
    (link,) = open_links(plan_of([0, 3, 6], 1), NOTHING)
    schedule = Schedule([])
    schedule.lost(link)
    again = schedule.pop()
    assert (again.pack, again.open, again.attempt) == (link.pack, link.open, 2)
    schedule.lost(again)
    assert schedule.pop().attempt == 3


def test_the_link_after_a_retried_one_is_at_its_first_attempt():
    (link,) = open_links(plan_of([0, 3, 6], 1), NOTHING)
    schedule = Schedule([])
    schedule.done(Link(link.pack, link.open, attempt=3))
    following = schedule.pop()
    assert (following.epoch, following.attempt) == (10, 1)


def test_nothing_follows_the_last_link():
    (pack,) = plan_of([0, 3, 6], 1).packs
    schedule = Schedule([])
    schedule.done(Link(pack, (2,)))
    assert len(schedule) == 0


@given(plans, st.integers(0, 2**32), st.integers(1, 5))
def test_each_link_is_done_once_and_in_order_whatever_is_lost(plan, seed, workers):
    random = Random(seed)
    schedule, running = Schedule(open_links(plan, NOTHING)), []
    done, attempts = defaultdict(list), defaultdict(int)
    while len(schedule) or running:
        while len(schedule) and len(running) < workers:
            link = schedule.pop()
            assert link.pack.index not in [other.pack.index for other in running]
            running.append(link)
        link = running.pop(random.randrange(len(running)))
        attempts[link.pack.index, link.epoch] += 1
        assert link.attempt == attempts[link.pack.index, link.epoch]
        if random.random() < 0.3:
            schedule.lost(link)
        else:
            done[link.pack.index].append(link.epoch)
            schedule.done(link)
    assert done == {pack.index: list(pack.checkpoints) for pack in plan.packs}
