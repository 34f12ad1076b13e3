"""What the result says of the gap: numbers, and careful words."""

import numpy as np
import pytest
from summaries import summary_of, trial_of

from search.record import AlphaFigures, OptimumFigures
from search.report.sections.optimum import optimum_table, smallest
from search.result import gaps, lacks_optimum, optimum_rows
from search.result.optimality_gap import optimum_lines


def row(alpha, cost, val_cost, converged=True):
    return AlphaFigures(
        alpha=alpha, cost=cost, gradient_norm=3e-7 if converged else 0.08, converged=converged,
        val_cost=val_cost, val_accuracy=0.85, seconds=9.0, test_cost=0.44, test_accuracy=0.846,
    )  # fmt: skip


def summary(rows, val_cost=0.43, train_cost=0.4, alpha=1.0, without=0):
    optimum = OptimumFigures(
        alphas=tuple(rows), best_train_cost=train_cost, with_train_cost=10,
        without_train_cost=without,
    )  # fmt: skip
    return summary_of(best=trial_of(alpha=alpha, val_cost=val_cost), optimum=optimum)


def said(*args, **more):
    return " ".join(optimum_lines(summary(*args, **more), None)[-2:])


ROWS = [row(1.0, 0.3, 0.42), row(10.0, 0.35, 0.41)]


def test_what_is_far_from_its_optimum_was_not_trained_enough():
    text = said(ROWS, val_cost=0.5)
    assert "ends 0.1000 above the optimum of its alpha 1: its training cost" in text
    assert "points to too little training" in text
    assert "0.0800 of the difference is on the way to the optimum, 0.0100 between the" in text


def test_what_is_near_it_while_another_validates_better_has_the_wrong_alpha():
    text = said(ROWS, val_cost=0.421, train_cost=0.30001)
    assert "ends less than 0.0001 above the optimum" in text
    assert "The optimum of alpha 10 validates best, at 0.4100; the trial's is 0.4210" in text
    assert "points to the alpha rather than to too little training" in text


def test_early_stopping_at_an_alpha_whose_optimum_overfits_is_a_matter_of_alpha():
    text = said([row(1.0, 0.3, 0.6), row(10.0, 0.35, 0.41)])
    assert "points to the alpha: training on at this one would not lower" in text
    assert text.endswith("the optimum of the other would, by 0.0200.")


def test_where_no_optimum_validates_better_more_training_is_no_help():
    text = said(ROWS, val_cost=0.4)
    assert "no better than the trial's 0.4000: going on to an optimum" in text


def test_one_that_did_not_converge_is_a_bound():
    rows = [row(1.0, 0.3, 0.42, converged=False), ROWS[1]]
    text = said(rows)
    assert "ends at least 0.1000 above" in text
    assert (
        "0.3000 or less (Newton's method ended at a gradient of 8e-02, 1e-05 was required)" in text
    )
    assert optimum_rows(summary(rows).optimum)[1][1] == "< 0.3000"
    assert optimum_table(summary(rows).optimum).has_bounds
    assert not optimum_table(summary(ROWS).optimum).has_bounds


def test_trials_without_a_training_cost_are_counted():
    assert said(ROWS, without=5).endswith(
        "5 of 15 complete trials have no training cost: a command without --optimum has trained "
        "them, or a run that selects by the other readout."
    )
    text = said(ROWS, train_cost=None)
    assert "above the optimum of its alpha 1 is not known: it has no training cost." in text


def test_a_run_without_optima_says_nothing_of_them():
    found = summary_of(best=trial_of())
    assert lacks_optimum(found)
    assert optimum_lines(found, None) == []
    assert optimum_table(found.optimum) is None
    assert not lacks_optimum(summary_of(best=None))
    assert not lacks_optimum(summary(ROWS))


def test_a_narrow_terminal_gets_narrow_lines():
    assert max(map(len, optimum_lines(summary(ROWS), 50))) <= 58
    assert max(map(len, optimum_lines(summary(ROWS), 80))) <= 80


def test_gaps_are_above_the_optimum_of_ones_own_alpha():
    found = gaps(np.array([10.0, 1.0, 1.0, 5.0]), np.array([0.45, 0.3, np.nan, 1.0]),
                 summary(ROWS).optimum)  # fmt: skip
    assert found == pytest.approx([0.1, 0.0, np.nan, np.nan], nan_ok=True)


def test_the_smallest_gap_of_a_bin_passes_over_unknown_ones():
    found = smallest(np.array([0, 0, 1, 3]), np.array([0.2, 0.1, np.nan, 3.0]), 4)
    np.testing.assert_array_equal(found, [0.1, np.nan, np.nan, 3.0])
