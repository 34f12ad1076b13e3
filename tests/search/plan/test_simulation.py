"""Schedules that are run without their work, against brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.plan import Link, Pack, simulate
from search.plan.legs import Leg

chains_of_seconds = st.lists(
    st.lists(st.integers(1, 9), min_size=1, max_size=6), min_size=1, max_size=7
)
worker_counts = st.integers(1, 8)


def chains_of(seconds):
    chains = []
    for index, times in enumerate(seconds):
        columns = {"learning_rate": np.zeros(1), "alpha": np.zeros(1)}
        pack = Pack(index, {"batch_size": 8}, columns, (len(times),), np.array([[index]]))
        column, nothing = np.array([0]), np.array([], np.int64)
        legs = [Leg(pack, i + 1, column, nothing, nothing) for i in range(len(times))]
        chains.append(
            tuple(
                Link(pack, i, (leg,), float(s))
                for i, (leg, s) in enumerate(zip(legs, times, strict=True))
            )
        )
    return chains


def list_scheduling(seconds, workers):
    """Return the makespan, second by second: the longest rest goes first."""
    rests = [list(times) for times in seconds]
    running = []  # [seconds to go, chain], those that were started first come first
    for clock in range(sum(map(sum, seconds)) + 1):
        ended = [entry for entry in running if entry[0] == 0]
        while True:
            busy = [chain for _, chain in running]
            waiting = [n for n, rest in enumerate(rests) if rest and n not in busy]
            if waiting and len(running) < workers:
                chain = max(waiting, key=lambda n: (sum(rests[n]), -n))
                running.append([rests[chain][0], chain])
            elif ended:  # its worker is free, one after the other
                entry = ended.pop(0)
                running.remove(entry)
                rests[entry[1]].pop(0)
            else:
                break
        if not running:
            return clock
        for entry in running:
            entry[0] -= 1
    raise AssertionError("work is left")


@given(chains_of_seconds, worker_counts)
def test_it_is_list_scheduling(seconds, workers):
    assert simulate(chains_of(seconds), workers).makespan == list_scheduling(seconds, workers)


@given(chains_of_seconds, worker_counts)
def test_no_schedule_beats_its_bounds(seconds, workers):
    simulated = simulate(chains_of(seconds), workers)
    total, longest = sum(map(sum, seconds)), max(map(sum, seconds))
    assert max(total / workers, longest) <= simulated.makespan <= total / workers + longest
    assert simulated.busy == pytest.approx(total / workers / simulated.makespan)
    assert simulated.driver == 0


@given(chains_of_seconds)
def test_one_worker_takes_the_sum(seconds):
    simulated = simulate(chains_of(seconds), 1)
    assert simulated.makespan == sum(map(sum, seconds))
    assert simulated.busy == 1


@given(chains_of_seconds, st.integers(0, 3), st.integers(0, 3))
def test_on_one_worker_handling_and_transfers_add_up(seconds, transfer, handling):
    links, work = sum(map(len, seconds)), sum(map(sum, seconds))
    simulated = simulate(chains_of(seconds), 1, transfer=transfer, handling=handling)
    assert simulated.makespan == work + links * (transfer + handling)
    assert simulated.busy == pytest.approx(work / simulated.makespan)
    assert simulated.driver == pytest.approx(links * handling / simulated.makespan)


@given(chains_of_seconds, worker_counts, st.integers(1, 50))
def test_the_driver_handles_one_link_at_a_time(seconds, workers, handling):
    links = sum(map(len, seconds))
    simulated = simulate(chains_of(seconds), workers, handling=handling)
    first = min(times[0] for times in seconds)
    assert simulated.makespan >= first + links * handling
    assert simulated.driver == pytest.approx(links * handling / simulated.makespan)
    assert simulated.driver <= 1


def test_a_slow_driver_is_the_bottleneck():
    simulated = simulate(chains_of([[1] * 10] * 8), 8, handling=5)
    assert simulated.makespan == 1 + 80 * 5
    assert simulated.driver > 0.99


def test_nothing_takes_no_time():
    simulated = simulate([], 3)
    assert (simulated.makespan, simulated.busy, simulated.driver) == (0, 0, 0)
