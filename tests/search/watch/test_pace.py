"""Rates follow what was counted in the last minute."""

import pytest

from search.watch.metrics import WINDOW_SECONDS, Pace


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_nothing_counted_is_no_rate(clock):
    pace = Pace(clock)
    assert (pace.trials_per_second, pace.gflops) == (0.0, 0.0)
    clock.now += 5
    assert (pace.trials_per_second, pace.gflops) == (0.0, 0.0)


def test_at_first_the_rate_is_that_since_the_beginning(clock):
    pace = Pace(clock)
    clock.now += 4
    pace.add(trials=12)
    assert pace.trials_per_second == 3.0
    clock.now += 2
    assert pace.trials_per_second == 2.0


def test_what_is_older_than_the_window_does_not_count(clock):
    pace = Pace(clock)
    for second in range(1, 301):
        clock.now += 1
        pace.add(trials=100 if second <= 200 else 1)
    assert pace.trials_per_second == pytest.approx(1.0)
    clock.now += WINDOW_SECONDS
    assert pace.trials_per_second == 0.0


def test_the_arithmetic_is_divided_by_compute_time_not_by_the_clock(clock):
    pace = Pace(clock)
    clock.now += 50
    pace.add(flops=6e9, compute_s=2.0)
    pace.add(flops=2e9, compute_s=2.0)
    assert pace.gflops == 2.0


def test_it_forgets_what_it_does_not_need(clock):
    pace = Pace(clock)
    for _ in range(1000):
        clock.now += 1
        pace.add(trials=1)
        _ = pace.trials_per_second
    assert len(pace._past) <= WINDOW_SECONDS + 2
