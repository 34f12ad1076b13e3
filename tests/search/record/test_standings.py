"""Standings against the whole history of what they have counted."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.config import SearchSpace
from search.plan import NO_TRIAL
from search.record import COMPLETE, FAIL, PRUNED, READOUTS, SOFTMAX_LAYOUT, BestTrial, Standings

SPACE = SearchSpace(
    batch_size=(8, 16), learning_rate=(1e-7, 1e-6, 1e-5), epochs=(5, 10, 40), alpha=(0.0, 1.0, 10.0)
)

values = st.one_of(st.floats(0, 3), st.sampled_from([0.5, 0.5, np.nan, np.inf]), st.just(PRUNED))
histories = st.lists(st.lists(values, max_size=5), max_size=6)


def rows_of(numbers, values):
    """Return the columns of the log for some trials, by their cost or what they are instead."""
    value = np.array([np.nan if v == PRUNED else v for v in values], np.float64)
    rows = {
        "number": np.array(numbers, np.int64),
        "state": np.array([state_of(v) for v in values], object),
        **SPACE.columns(np.array(numbers, np.int64)),
        "val_cost": value,
        "val_accuracy": 1 - value,
        "val_cost_avg": 3 - value,  # whose best is the worst of the others
        "val_accuracy_avg": value - 2,
    }
    assert tuple(rows) == SOFTMAX_LAYOUT.standings
    return rows


def state_of(value):
    return PRUNED if value == PRUNED else COMPLETE if np.isfinite(value) else FAIL


def best_of(number, value, select="last"):
    figures = {"last": value, "average": 3 - value}
    return BestTrial(
        number, SPACE[number], figures[select], value, 1 - value, 3 - value, value - 2
    )  # fmt: skip


@pytest.mark.parametrize("select", READOUTS)
@given(histories, st.randoms(use_true_random=False))
def test_counts_and_best_are_those_of_the_whole_history(select, batches, random):
    numbers = list(range(sum(map(len, batches))))
    random.shuffle(numbers)
    standings, told = Standings(len(SPACE), replace(SOFTMAX_LAYOUT, select=select)), []
    for batch in batches:
        number = [numbers.pop() for _ in batch]
        told += zip(number, batch, strict=True)
        standings.count(rows_of(number, batch))
        assert standings.states == Counter(state_of(v) for _, v in told)
        assert standings.finished == len(told)
        closed = {n for n, _ in told} | {standings.total}
        assert np.flatnonzero(standings.closed).tolist() == sorted(closed)
        complete = [best_of(n, v, select) for n, v in told if state_of(v) == COMPLETE]
        best = min(complete, key=lambda trial: (trial.value, trial.number), default=None)
        assert standings.best_trial == best


def test_the_ten_best_are_kept_in_order():
    standings, costs = Standings(16), [((7 * i) % 16) / 16 for i in range(16)]
    for start in range(0, 16, 4):
        standings.count(rows_of(list(range(start, start + 4)), costs[start : start + 4]))
    assert [(t.value, t.number) for t in standings.top] == sorted(
        zip(costs, range(16), strict=True)
    )[:10]


def test_a_new_study_knows_nothing():
    standings = Standings(7)
    assert (standings.total, standings.finished, standings.best_trial) == (7, 0, None)
    assert standings.closed.tolist() == [False] * 7 + [True]
    assert standings.closed[NO_TRIAL]


def test_the_lowest_number_wins_a_tie_in_whatever_order():
    for order in ([4, 2], [2, 4]):
        standings = Standings(5)
        for number in order:
            standings.count(rows_of([number], [0.5]))
        assert standings.best_trial == best_of(2, 0.5)
