"""Folds part the rows, and training on all but one of them needs no copy of the images."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from model.pack import PackState, advance, advance_averaging
from model.shuffle import all_but, fold_rows

SIZES = st.integers(2, 40).flatmap(lambda k: st.tuples(st.just(k), st.integers(k, 500)))


@settings(deadline=None)
@given(SIZES)
def test_each_row_is_in_one_fold_and_trains_the_others(sizes):
    folds, n = sizes
    parts = [np.arange(n)[fold_rows(n, folds, fold)] for fold in range(folds)]
    assert np.concatenate(parts).tolist() == list(range(n))
    lengths = [len(part) for part in parts]
    assert 1 <= min(lengths) <= max(lengths) <= min(lengths) + 1
    for fold, part in enumerate(parts):
        train = all_but(n, fold_rows(n, folds, fold))
        assert sorted([*part, *train]) == list(range(n))
        assert (np.diff(train) > 0).all()


def test_training_on_some_rows_gives_the_bits_of_a_copy_of_them():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (50, 9)).astype(np.float32)
    y = rng.integers(0, 3, 50)
    rates, alphas = np.array([1e-6, 5e-6]), np.array([0.0, 10.0])
    start = PackState.start(4, rates, alphas, n_features=9, n_classes=3, seed=3)
    rows = all_but(50, fold_rows(50, 4, 1))
    for some, copied in (
        (advance(start, X, y, 2, rows), advance(start, X[rows], y[rows], 2)),
        *zip(
            advance_averaging(start, X, y, 2, rows),
            advance_averaging(start, X[rows], y[rows], 2),
            strict=True,
        ),
    ):
        assert (some.V == copied.V).all()
        assert (some.b == copied.b).all()
