"""The study against the whole history of what it was told."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from search.store import COMPLETE, FAIL
from search.study import BestTrial, Study

values = st.one_of(st.floats(0, 3), st.sampled_from([0.5, 0.5, np.nan, np.inf]))
histories = st.lists(st.lists(values, max_size=5), max_size=6)


@given(histories, st.randoms(use_true_random=False))
def test_counts_and_best_are_those_of_the_whole_history(batches, random):
    numbers = list(range(sum(map(len, batches))))
    random.shuffle(numbers)
    study, told = Study(100), []
    for batch in batches:
        number, value = [numbers.pop() for _ in batch], np.array(batch, np.float64)
        told += zip(number, batch, strict=True)
        study.tell(np.array(number, np.int64), value, 1 - value)
        finite = [(v, n) for n, v in told if np.isfinite(v)]
        assert study.states == {COMPLETE: len(finite), FAIL: len(told) - len(finite)}
        assert study.finished == len(told)
        best = min(finite, default=None)
        assert study.best_trial == (best and BestTrial(best[1], best[0], 1 - best[0]))


def test_a_new_study_knows_nothing():
    study = Study(7)
    assert (study.total, study.finished, study.best_trial) == (7, 0, None)


def test_the_lowest_number_wins_a_tie_in_whatever_order():
    for order in ([4, 2], [2, 4]):
        study = Study(5)
        for number in order:
            study.tell(np.array([number]), np.array([0.5]), np.array([0.9]))
        assert study.best_trial == BestTrial(2, 0.5, 0.9)
