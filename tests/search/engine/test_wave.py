"""Which trial stands for a column, and which trial repeats an earlier one."""

import numpy as np

from search.config import load_config
from search.engine import FirstSeen, newest_trials
from search.plan import make_plan
from search.record import Proposal


def proposal(first, *params):
    chosen = [
        {"batch_size": 8, "learning_rate": rate, "epochs": epochs, "alpha": 0.0}
        for rate, epochs in params
    ]
    return Proposal(0, first, chosen, [{}] * len(chosen), {}, widths={8: 4})


def longest_trials(plan):
    return {
        (pack.index, m): pack.numbers[m, pack.stops.index(epochs)]
        for pack in plan.packs
        for m, epochs in enumerate(pack.epochs)
    }


def test_of_a_sampled_wave_the_newest_trial_of_a_column_need_not_be_its_longest():
    # The same trajectory is asked for with 40 epochs first, and with 10 and 20 later.
    plan = proposal(7, (1e-6, 40), (1e-6, 10), (1e-5, 10), (1e-6, 20)).plan((5,))
    assert newest_trials(plan) == {(0, 0): 10, (0, 1): 9}
    assert longest_trials(plan) == {(0, 0): 7, (0, 1): 9}


def test_of_a_grid_it_is():
    space = load_config("full").space
    numbers = np.arange(len(space))
    plan = make_plan(numbers, space.columns(numbers), dict.fromkeys(space.axes["batch_size"], 64))
    assert newest_trials(plan) == longest_trials(plan)


def test_a_trial_repeats_the_first_one_with_its_params_whenever_that_was():
    a, b, c = (1e-6, 1), (1e-6, 2), (1e-5, 1)
    seen = FirstSeen()
    assert seen.register(proposal(0, a, b, a, a)) == {2: 0, 3: 0}
    assert seen.register(proposal(4, c, b, c)) == {5: 1, 6: 4}
    assert seen.register(proposal(7, b, c)) == {7: 1, 8: 4}
