"""Rows that stay in their source train to the bits of rows that are laid out, without a copy."""

import os
import pickle
import platform
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.bootstrap import resample_counts
from model.data.dataset import Dataset
from model.errors import DataError
from model.examples import Examples
from model.features import Features
from model.mapped import MappedRows, Stamp
from model.pack import PackState
from model.results import LegTask
from model.seen_rows import MOST_LAID_OUT, SeenRows, stays_in_place
from model.shuffle import resample_rng
from model.tasks import run_link, run_refit

DTYPES = ("float16", "float32", "float64", "uint8", "int16", "int32", "int64")


def source(dtype, seed, n=60, features=5):
    random = np.random.default_rng(seed)
    X = random.normal(20, 9, size=(n, features))
    return X.astype(dtype), np.concatenate([np.arange(3), random.integers(0, 3, n - 3)])


def mapped(folder, name, X):
    np.save(folder / f"{name}.npy", X)
    return np.load(folder / f"{name}.npy", mmap_mode="r")


def start(features=5, width=3):
    rates, alphas = np.geomspace(1e-3, 1e-2, width), np.full(width, 1e-3)
    return PackState.start(8, rates, alphas, n_features=features, n_classes=3, seed=0)


def numbers(result):
    """Return every number of a link's result."""
    found = [result.state.V, result.state.b, result.state.scale]
    for leg in result.legs:
        found += [leg.train_cost, *leg.metrics.values()]
        for scores in leg.scores.values():
            found += [scores.cost, scores.accuracy, scores.resampled]
    return [part for part in found if part is not None]


@settings(max_examples=25, deadline=None)
@given(
    dtype=st.sampled_from(DTYPES),
    features=st.sampled_from(["raw", "unit", "standardized"]),
    folds=st.sampled_from([0, 3]),
    own_validation=st.booleans(),
    weighted=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_memory_map_trains_to_the_bits_of_an_array(
    tmp_path_factory, dtype, features, folds, own_validation, weighted, seed
):
    folder = tmp_path_factory.mktemp("rows")
    X, y = source(dtype, seed)
    own = {}
    if own_validation and not folds:
        X_val, y_val = source(dtype, seed + 1, n=30)
        own = {"X_val": X_val, "y_val": y_val}
    if weighted:
        own["weights"] = np.random.default_rng(seed).exponential(size=len(y))
    asked = {
        "select": "average", "features": features, "folds": folds, "resampled": not folds,
        "train_costs": not folds, "metrics": ("top_2_accuracy", "f1_macro", "roc_auc_ovr"),
    }  # fmt: skip
    arrays = Examples.from_dataset(Dataset("a", X, y, **own), 1 / 3, seed, **asked)
    if "X_val" in own:
        own["X_val"] = mapped(folder, "val", own["X_val"])
    data = Dataset("a", mapped(folder, "train", X), y, **own)
    maps = Examples.from_dataset(data, 1 / 3, seed, **asked, in_place=True)
    assert len(maps.files) == 1 + ("X_val" in own)
    sent = pickle.loads(pickle.dumps(maps))
    carried = pickle.loads(pickle.dumps(maps.with_rows()))
    assert not carried.files
    legs = [LegTask(1, np.arange(3), np.arange(2)), LegTask(3, np.arange(2), np.arange(2))]
    for replicate in range(max(1, folds)):
        expected = numbers(run_link(arrays, start(), np.arange(3), legs, replicate))
        for examples in (maps, sent, carried):
            found = numbers(run_link(examples, start(), np.arange(3), legs, replicate))
            for mine, theirs in zip(found, expected, strict=True):
                np.testing.assert_array_equal(mine, theirs)
    params = {"batch_size": 8, "learning_rate": 1e-3, "epochs": 2, "alpha": 0.1}
    last = run_refit(maps, params, 1).states["last"]
    np.testing.assert_array_equal(last.V, run_refit(arrays, params, 1).states["last"].V)
    np.testing.assert_array_equal(np.asarray(maps.all().X), arrays.all().X)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(DTYPES), st.integers(0, 99))
def test_features_are_those_of_float64(dtype, seed):
    X, _ = source(dtype, seed)
    random = np.random.default_rng(seed)
    features = Features(random.normal(20, 3, 5), random.exponential(size=5))
    rows = random.permutation(60)[:40]
    wide = (X[rows].astype(np.float64) - features.shift) * features.scale
    found = features.apply(X, rows)
    if np.dtype(dtype).itemsize < 8:
        np.testing.assert_array_equal(found, wide.astype(np.float32))
    np.testing.assert_allclose(found, wide, rtol=1e-6, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 70), st.integers(1, 200), st.integers(0, 99))
def test_resamples_are_drawn_one_after_the_other(n, resamples, seed):
    random = resample_rng(seed)
    drawn = [np.bincount(random.integers(0, n, n), minlength=n) for _ in range(resamples)]
    np.testing.assert_array_equal(resample_counts(n, seed, resamples), np.array(drawn).T)


def test_a_link_on_a_memory_map_takes_no_memory_for_its_rows(tmp_path):
    n, features = 20_000, 512
    X, y = np.zeros((n, features), np.float16), np.arange(n) % 3
    X[np.arange(n), y] = 1
    data = Dataset("a", mapped(tmp_path, "X", X), y)
    del X
    legs = [LegTask(1, np.arange(3), np.arange(3))]

    def train():
        examples = Examples.from_dataset(
            data, 0.2, 0, features="standardized", resampled=False, in_place=True
        )
        assert len(data.fingerprint) == 16
        run_link(examples, start(features), np.arange(3), legs)

    train()  # what is loaded and compiled once
    tracemalloc.start()
    try:
        train()
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # In float32 the rows are 39 MiB. A chunk that features are fitted on is 4 MiB, in float64.
    assert taken < 16 * 2**20


# --- the file


def test_a_part_of_a_map_is_found_in_its_file(tmp_path):
    X, _ = source("float32", 0)
    whole = mapped(tmp_path, "X", X)
    for part in (whole, whole[7:31], np.asarray(whole)[7:], whole.reshape(30, 10)):
        rows = pickle.loads(pickle.dumps(MappedRows.of(part)))
        np.testing.assert_array_equal(rows.array, part)
    assert len(pickle.dumps(MappedRows.of(whole))) < 1000


def test_what_is_no_part_of_a_file_stays_an_array(tmp_path):
    X, _ = source("float32", 0)
    whole = mapped(tmp_path, "X", X)
    mine = np.load(tmp_path / "X.npy", mmap_mode="c")
    mine[0] = 0  # which the file does not know
    for rows in (X, mine, whole[::2], whole[:, 1:], whole + 1, whole[np.arange(9)]):
        assert MappedRows.of(rows) is None
    (tmp_path / "X.npy").unlink()
    assert MappedRows.of(whole) is None


def rewritten(path):
    X = np.load(path)
    path.unlink()
    np.save(path, X + 1)


@pytest.mark.parametrize(
    ("harm", "said"),
    [(rewritten, "has changed"), (lambda path: path.unlink(), "can no longer be read")],
)
def test_a_file_that_is_not_what_it_was_is_one_message(tmp_path, harm, said, monkeypatch):
    X, y = source("float32", 0)
    data = Dataset("a", mapped(tmp_path, "X", X), y)
    examples = Examples.from_dataset(data, 0.2, 0, in_place=True)
    elsewhere = pickle.loads(pickle.dumps(examples))
    harm(tmp_path / "X.npy")
    legs = [LegTask(1, np.arange(3), np.arange(3))]
    for mine in (examples, elsewhere):
        with pytest.raises(DataError, match=said) as caught:
            run_link(mine, start(), np.arange(3), legs)
        assert str(tmp_path / "X.npy") in str(caught.value)
        assert not mine.files[0].is_here()
    # On another machine it may never have been: that is trouble of this machine only.
    monkeypatch.setattr(platform, "node", lambda: "another")
    with pytest.raises(FileNotFoundError if said.startswith("can no longer") else DataError):
        run_link(elsewhere, start(), np.arange(3), legs)


def test_a_file_that_was_written_again_in_place_and_dated_back_is_told(tmp_path):
    X, _ = source("float32", 0)
    rows = pickle.loads(pickle.dumps(MappedRows.of(mapped(tmp_path, "X", X))))
    np.save(tmp_path / "X.npy", X + 1)
    os.utime(tmp_path / "X.npy", ns=(rows.stamp.changed, rows.stamp.changed))
    found = Stamp.of(tmp_path / "X.npy")
    assert (found.size, found.changed) == (rows.stamp.size, rows.stamp.changed)
    with pytest.raises(DataError, match="has changed"):
        _ = rows.array


# --- which rows stay


def test_small_rows_are_laid_out_and_wide_ones_in_memory_too(tmp_path):
    narrow, wide = np.zeros((3, 2), np.float16), np.zeros((3, 2))
    assert not stays_in_place(MOST_LAID_OUT, narrow)
    assert stays_in_place(MOST_LAID_OUT + 1, narrow, None)
    assert not stays_in_place(MOST_LAID_OUT + 1, wide)
    assert not stays_in_place(MOST_LAID_OUT + 1, narrow, wide)
    assert stays_in_place(MOST_LAID_OUT + 1, mapped(tmp_path, "X", wide))
    # Fashion-MNIST is laid out.
    assert MOST_LAID_OUT >= 60_000 * 784 * 4


def test_seen_rows_are_like_an_array():
    X, _ = source("uint8", 0)
    order = np.arange(60)[::-1].copy()
    seen = SeenRows((X[:20], X[20:]), order, Features(np.zeros(1), np.ones(1)))
    assert (seen.shape, len(seen)) == ((60, 5), 60)
    np.testing.assert_array_equal(np.asarray(seen), X[::-1])
    np.testing.assert_array_equal(np.asarray(seen, np.float64), X[::-1])
    np.testing.assert_array_equal(seen.part(slice(3, 9))[np.array([0, 2])], X[::-1][[3, 5]])
    with pytest.raises(ValueError, match="made again"):
        np.asarray(seen, copy=False)
