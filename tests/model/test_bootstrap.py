"""Costs on resamples against losses drawn one by one, and how often pairs are told apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.bootstrap import RESAMPLES, TAIL, differences, near, resample_counts
from model.pack import PackState, advance
from model.scoring import score
from model.softmax import SoftmaxRegression

N_CLASSES = 4
COLUMNS = [(1e-6, 0.0), (5e-6, 0.1), (2e-6, 10.0)]


def images(n, seed=0):
    random = np.random.default_rng(seed)
    looks, y = random.uniform(0, 255, (N_CLASSES, 20)), random.integers(0, N_CLASSES, n)
    X = np.clip(looks[y] + random.normal(0, 90, (n, 20)), 0, 255).astype(np.float32)
    return X, y


def trained(X, y, columns=COLUMNS):
    learning_rate, alpha = np.array(columns).T
    start = PackState.start(8, learning_rate, alpha, n_features=20, n_classes=N_CLASSES, seed=0)
    return advance(start, X, y, 2)


def textbook_losses(column, X, y, X_val, y_val):
    """Return -log p of each label by the textbook trainer."""
    learning_rate, alpha = column
    model = SoftmaxRegression(8, learning_rate, 2, alpha, seed=0, dtype=np.float64)
    model.fit(X, y, N_CLASSES)
    logits = X_val.astype(np.float64) @ model.W + model.b
    logits -= logits.max(axis=1, keepdims=True)
    return np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y_val)), y_val]


def test_every_resample_draws_as_many_as_there_are_with_replacement():
    counts = resample_counts(500, seed=3)
    assert counts.shape == (500, RESAMPLES)
    assert (counts.sum(axis=0, dtype=int) == 500).all()
    # Binomial with mean 1 and variance 1 - 1/n: every count is drawn on its own.
    assert counts.mean(axis=1).std() == pytest.approx((1 / RESAMPLES) ** 0.5, rel=0.15)
    assert counts.var() == pytest.approx(1 - 1 / 500, rel=0.02)
    np.testing.assert_array_equal(counts, resample_counts(500, seed=3))
    assert (counts != resample_counts(500, seed=4)).any()


@pytest.mark.parametrize("n", [1, 255, 256, 257, 700])  # about the rows that are scored at once
def test_a_packs_costs_on_resamples_are_the_means_of_the_drawn_losses(n):
    (X, y), (X_val, y_val) = images(64), images(n, seed=1)
    counts = resample_counts(n, seed=0, resamples=20)
    scores = score(trained(X, y), X_val, y_val, counts)
    assert scores.resampled.shape == (len(COLUMNS), 20)
    for column, resampled in zip(COLUMNS, scores.resampled, strict=True):
        losses = textbook_losses(column, X, y, X_val, y_val)
        drawn = [np.repeat(losses, counts[:, b]).mean() for b in range(20)]
        np.testing.assert_allclose(resampled, drawn, rtol=1e-4)


def test_resampling_changes_no_bit_of_cost_and_accuracy():
    (X, y), (X_val, y_val) = images(64), images(600, seed=1)
    state = trained(X, y)
    plain, more = score(state, X_val, y_val), score(state, X_val, y_val, resample_counts(600, 0))
    assert plain.resampled.shape == (len(COLUMNS), 0)
    np.testing.assert_array_equal(plain.cost, more.cost)
    np.testing.assert_array_equal(plain.accuracy, more.accuracy)


def test_a_column_that_diverged_spoils_no_other_one():
    (X, y), (X_val, y_val) = images(64), images(300, seed=1)
    counts = resample_counts(300, 0)
    scores = score(trained(X, y, [*COLUMNS, (1e3, 1e9)]), X_val, y_val, counts)
    alone = score(trained(X, y), X_val, y_val, counts)
    assert not np.isfinite(scores.cost[-1])
    assert not near(scores.cost, scores.resampled, 1e9)[-1]
    np.testing.assert_allclose(scores.resampled[:-1], alone.resampled, rtol=1e-4)


# --- Comparing


def pair(random, shift, n=400, shared=1.0):
    """Return the losses of two trials that mostly find the same examples hard."""
    hard = shared * random.gamma(1.0, 1.0, n)
    return hard + random.normal(0, 0.3, n), hard + random.normal(shift, 0.3, n)


def compared(best, others, counts):
    n = len(best)
    resampled = (np.atleast_2d(others) @ counts / n).astype(np.float32)
    return differences(resampled, (best @ counts / n).astype(np.float32))


def test_intervals_are_the_ordered_differences_of_a_bootstrap_by_hand():
    best, other = pair(np.random.default_rng(0), 0.02)
    counts = resample_counts(400, 0)
    told = compared(best, other, counts)
    drawn = [np.repeat(np.arange(400), counts[:, b]) for b in range(RESAMPLES)]
    gaps = np.sort([other[rows].mean() - best[rows].mean() for rows in drawn])
    k = round(TAIL * RESAMPLES)
    np.testing.assert_allclose([told.low[0], told.high[0]], [gaps[k - 1], gaps[-k - 1]], atol=1e-6)
    assert told.chance[0] == pytest.approx(np.mean(gaps <= 0), abs=2 / RESAMPLES)
    # By the central limit theorem the interval is 1.645 standard errors to either side.
    error = np.std(other - best) / 400**0.5
    middle = np.mean(other - best)
    assert (told.high[0] - told.low[0]) / 2 == pytest.approx(1.645 * error, rel=0.1)
    assert (told.low[0] + told.high[0]) / 2 == pytest.approx(middle, abs=0.1 * error)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.floats(-10, 10))
def test_the_same_losses_are_never_told_apart_and_far_worse_ones_always(seed, level):
    random = np.random.default_rng(seed)
    best = level + pair(random, 0)[0]
    worse = best + random.uniform(0.01, 2, len(best))
    told = compared(best, [best, worse], resample_counts(400, seed))
    assert told.open.tolist() == [True, False]
    assert told.chance.tolist() == [1, 0]
    assert (told.low[0], told.high[0]) == (0, 0)


def test_equally_good_trials_are_told_apart_as_often_as_the_level_says():
    random = np.random.default_rng(0)
    counts = resample_counts(400, 0)
    pairs = [pair(random, 0) for _ in range(1000)]
    told = [compared(best, other, counts).open[0] for best, other in pairs]
    # 5 %, give or take three standard errors and what 400 examples are short of many.
    assert 1 - np.mean(told) == pytest.approx(TAIL, abs=0.025)


def test_pairs_are_told_apart_that_unpaired_intervals_leave_together():
    best, other = pair(np.random.default_rng(1), 0.08)
    assert not compared(best, other, resample_counts(400, 0)).open[0]
    assert other.mean() - best.mean() < (best.std() + other.std()) / 400**0.5


# --- What may be left out


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 1.5), st.floats(-0.2, 0.3))
def test_nothing_is_far_that_cannot_be_told_from_the_best(seed, shared, shift):
    random = np.random.default_rng(seed)
    one, other = pair(random, shift, shared=shared)
    best, other = sorted((one, other), key=np.mean)
    counts = resample_counts(400, seed, resamples=200)
    told = compared(best, other, counts)
    resampled = (other[None] @ counts / 400).astype(np.float32)
    assert near(other.mean()[None], resampled, best.mean())[0] or not told.open[0]


def test_what_is_near_does_not_depend_on_what_stands_beside_it():
    random = np.random.default_rng(0)
    cost, resampled = random.normal(1, 0.02, 50), random.normal(1, 0.01, (50, 64)).astype("f4")
    together = near(cost, resampled, 0.98)
    alone = [near(cost[i : i + 1], resampled[i : i + 1], 0.98)[0] for i in range(50)]
    assert together.tolist() == alone
    assert near(cost, np.asfortranarray(resampled), 0.98).tolist() == alone
    assert 0 < together.sum() < 50
    assert (near(cost, resampled, 0.99) | ~together).all()  # what is near stays near a worse best
