"""When a sweep has had enough: a pure decision on what has ended so far."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from search.config import objective_of
from search.engine import Enough, Limits
from search.record import COMPLETE, SOFTMAX_LAYOUT, Standings

BY_ACCURACY = replace(SOFTMAX_LAYOUT, objective=objective_of("accuracy"))


def told(standings, costs, accuracies=None):
    """Count trials that have ended at once, the next numbers."""
    first, n = standings.finished, len(costs)
    figures = {name: np.array(costs) for name in standings.layout.figures}
    if accuracies is not None:
        figures["val_accuracy"] = np.array(accuracies)
    standings.count({
        "number": np.arange(first, first + n),
        "state": np.full(n, COMPLETE),
        "batch_size": np.full(n, 8), "learning_rate": np.full(n, 1e-6),
        "epochs": np.full(n, 5), "alpha": np.zeros(n),
        **figures,
    })  # fmt: skip
    return standings


def test_nothing_ends_before_a_trial_has():
    limits = Limits(seconds=1.0, value=10.0, patience=1)
    assert limits.reached(Standings(4), 1e9, 0, 100) is None


def test_a_budget_lets_each_command_get_on():
    standings = told(Standings(9), [0.5])
    enough = Enough(Limits(seconds=1.0), standings, lambda: 5.0)
    assert enough() is None
    told(standings, [0.6])
    assert enough() is not None


def test_each_limit_is_told_by_its_name():
    standings = told(Standings(9), [0.5, 0.7])
    assert "budget of 5 s" in Limits(seconds=5).reached(standings, 5.0, 1, 0)
    assert Limits(seconds=5).reached(standings, 4.9, 1, 0) is None
    assert "has reached 0.5" in Limits(value=0.5).reached(standings, 0.0, 1, 0)
    assert Limits(value=0.49).reached(standings, 0.0, 1, 0) is None
    assert "2 trials in a row" in Limits(patience=2).reached(standings, 0.0, 1, 2)
    assert Limits(patience=2).reached(standings, 0.0, 1, 1) is None


def test_of_an_objective_that_grows_more_is_enough():
    standings = told(Standings(9, BY_ACCURACY), [0.5, 0.7], [0.8, 0.9])
    assert Limits(value=0.9).reached(standings, 0.0, 1, 0)
    assert Limits(value=0.91).reached(standings, 0.0, 1, 0) is None


@given(
    st.lists(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=4), max_size=12),
    st.integers(1, 8),
)
def test_patience_counts_what_ended_after_the_best_one(links, patience):
    standings = Standings(50)
    enough, best, since = Enough(Limits(patience=patience), standings, lambda: 0.0), None, 0
    assert enough() is None
    for costs in links:
        told(standings, costs)
        better = best is None or min(costs) < best
        best, since = (min(costs), 0) if better else (best, since + len(costs))
        assert (enough() is not None) == (since >= patience)


def test_patience_goes_on_from_what_an_earlier_command_has_seen():
    standings = told(Standings(9), [0.5, 0.7, 0.8])
    assert Enough(Limits(patience=2), standings, lambda: 0.0, since_best=2)() is not None
    assert Enough(Limits(patience=3), standings, lambda: 0.0, since_best=2)() is None
