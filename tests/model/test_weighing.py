"""Parts of a split of which no row counts are refused, and no others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.data.dataset import Dataset
from model.data.weighing import check_parts_count
from model.errors import DataError
from model.shuffle import fold_rows, split_order

N, SEED, FRACTION = 20, 3, 0.2
ORDER = split_order(N, SEED)
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(N, 2)), np.arange(N) % 2


def data_of(weights, **parts):
    weights = None if weights is None else np.asarray(weights, float)
    return Dataset(name="data", X=X, y=Y, weights=weights, **parts)


def zero_at(rows):
    weights = np.ones(N)
    weights[ORDER[rows]] = 0
    return weights


def refused(weights, said, folds=0, **parts):
    with pytest.raises(DataError, match=said):
        check_parts_count(data_of(weights, **parts), FRACTION, SEED, folds)


def test_a_validation_part_that_does_not_count_is_refused():
    refused(
        zero_at(slice(16, None)),
        r"^data: all 4 rows of the validation part have weight 0; in the whole data set 16 of 20 "
        r"rows have a larger weight\. Give another validation_fraction, another",
    )
    refused(zero_at(slice(0, 16)), "all 16 rows of the training part have weight 0")


def test_one_row_that_counts_is_enough():
    check_parts_count(data_of(zero_at(slice(17, None))), FRACTION, SEED)
    check_parts_count(data_of(zero_at(slice(1, 16))), FRACTION, SEED)
    check_parts_count(data_of(None), FRACTION, SEED)
    check_parts_count(data_of(None), FRACTION, SEED, 5)


def test_rows_to_compare_by_of_its_own_leave_all_training_rows_in_one_part():
    own = {"X_val": X, "y_val": Y}
    check_parts_count(data_of(zero_at(slice(16, None)), **own), FRACTION, SEED)
    check_parts_count(data_of(None, **own, weights_val=np.arange(N) * 1.0), FRACTION, SEED)


def test_a_weight_that_the_trainer_takes_for_0_does_not_count():
    weights = zero_at(slice(0, 16))
    refused(np.where(weights == 0, 1e-60, weights), "the training part")


@pytest.mark.parametrize("fold", range(5))
def test_a_fold_that_does_not_count_is_refused(fold):
    rows = fold_rows(N, 5, fold)
    refused(
        zero_at(rows), rf"rows of fold {fold + 1} of 5, which compares trials, have weight 0", 5
    )
    # That of the fold alone: the first other one compares by nothing.
    refused(1 - zero_at(rows), r"rows of .*fold [12] of 5", 5)


def test_the_training_part_of_a_fold_is_named():
    with pytest.raises(DataError, match="rows of the training part of fold 1 of 2 have"):
        check_parts_count(data_of(1 - zero_at(fold_rows(N, 2, 0))), FRACTION, SEED, 2)
    refused(zero_at([7]), f"fold 8 of {N}, which", N)


@settings(max_examples=200, deadline=None)
@given(
    counted=st.lists(st.booleans(), min_size=N, max_size=N).filter(any),
    folds=st.integers(2, N) | st.just(0),
    seed=st.integers(0, 5),
)
def test_it_is_refused_if_and_only_if_a_part_has_no_weight(counted, folds, seed):
    weights = np.array(counted, float)
    laid = weights[split_order(N, seed)]
    if folds:
        parts = [np.arange(N)[fold_rows(N, folds, fold)] for fold in range(folds)]
        parts += [np.setdiff1d(np.arange(N), part) for part in parts]
    else:
        parts = [np.arange(16), np.arange(16, N)]
    if all(laid[part].sum() > 0 for part in parts):
        check_parts_count(data_of(weights), FRACTION, seed, folds)
    else:
        with pytest.raises(DataError, match=r"^data: .* ha(ve|s) weight 0; in the whole"):
            check_parts_count(data_of(weights), FRACTION, seed, folds)
