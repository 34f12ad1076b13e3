"""Replicates are planned like trials, and a trial gets its one row when it has all of them."""

import numpy as np
import pytest

from search.config import Replicate, SearchSpace, load_config, replicates_of
from search.plan import NO_TRIAL, make_plan, replicated, workers_each
from search.record import (
    READOUTS,
    Books,
    Checkpoints,
    ReplicateBooks,
    Standings,
    TrialLog,
    training_books,
)

SPACE = SearchSpace(batch_size=(8, 16), learning_rate=(1e-6, 1e-5), epochs=(2, 4), alpha=(0.0, 1.0))
TOTAL = len(SPACE)
FIGURES = [name for readout in READOUTS.values() for name in (readout.cost, readout.accuracy)]
PARTS = [Replicate(5, None), Replicate(6, None), Replicate(7, None)]


def config(**settings):
    smoke = load_config("smoke")
    return type(smoke).from_dict(smoke.to_dict() | settings)


def test_seeds_and_folds_multiply_and_one_of_each_is_a_trial():
    both = replicates_of(config(seed=4, seeds=2, folds=3))
    assert both == [Replicate(seed, fold) for seed in (4, 5) for fold in (0, 1, 2)]
    assert replicates_of(config(seed=4)) == [Replicate(4, None)]
    assert [workers_each(config(seeds=3), n) for n in (1, 6, 8)] == [1, 2, 2]


def test_each_replicate_has_packs_of_its_own_of_the_same_trials():
    plan = make_plan(np.arange(TOTAL), SPACE.columns(), {8: 3, 16: 4}, first_pack=7)
    whole = replicated(plan, 3, TOTAL)
    n = len(plan.packs)
    assert [pack.index for pack in whole.packs] == list(range(7, 7 + 3 * n))
    for i, pack in enumerate(whole.packs):
        same = plan.packs[i % n]
        assert pack.replicate == i // n
        assert pack.columns is same.columns
        assert ((pack.numbers == NO_TRIAL) == (same.numbers == NO_TRIAL)).all()
    numbers = np.concatenate([pack.numbers.ravel() for pack in whole.packs])
    assert sorted(numbers[numbers != NO_TRIAL]) == list(range(3 * TOTAL))


def books_of(folder):
    """Take up a run as a command does."""
    trial_log = TrialLog(folder / "trials", {"dataset": "tiny"})
    books = Books(trial_log, Checkpoints(folder / "checkpoints"), Standings(TOTAL))
    books.count_log()
    training = training_books(books, PARTS)
    training.count_log()
    training.log_complete_trials()
    return books, training


def rows_of(replicate, trials, diverged=()):
    """Return the log's columns for one replicate of some trials, with figures of their numbers."""
    trials = np.array(trials)
    numbers = trials + replicate * TOTAL
    fails = np.isin(numbers, diverged)
    costs = np.where(fails, np.nan, numbers**1.5)
    return {
        "number": numbers,
        "state": np.where(fails, "FAIL", "COMPLETE"),
        **SPACE.columns(trials),
        **{name: costs / (i + 1) for i, name in enumerate(FIGURES)},
        "last_cost": costs,
        "last_epoch": SPACE.columns(trials)["epochs"],
        "seconds": numbers / 100,
        "error": np.where(fails, "diverged", None),
        "reports": None,
        "pack": replicate,
        "node": "here",
        "started_at": 1.0 + replicate,
        "finished_at": 2.0 + replicate,
        "attempt": 1,
        "source": None,
    }


def write(training, name, rows, *, killed=False):
    """Log rows as a command does, or as one that is killed as soon as they are written."""
    (training.trial_log.write if killed else training.log)(name, rows)


def logged(books):
    return books.trial_log.read().sort_by("number").to_pylist()


def test_a_trial_is_logged_with_mean_and_deviation_when_its_last_replicate_is_in(tmp_path):
    books, training = books_of(tmp_path)
    write(training, "a", rows_of(2, [0, 1, 2]))
    write(training, "b", rows_of(0, [1, 2, 3]))
    assert logged(books) == []
    assert training.standings.finished == 0
    write(training, "c", rows_of(1, [0, 1, 2, 3]))
    one, two = logged(books)
    assert (one["number"], two["number"]) == (1, 2)
    costs = np.array([2, 2 + TOTAL, 2 + 2 * TOTAL]) ** 1.5
    for i, name in enumerate(FIGURES):
        assert two[name] == pytest.approx(np.mean(costs / (i + 1)), rel=1e-12)
        assert two[f"{name}_std"] == pytest.approx(np.std(costs / (i + 1), ddof=1), rel=1e-12)
        assert [part[name] for part in two["replicates"]] == list(costs / (i + 1))
    assert [(part["seed"], part["fold"]) for part in two["replicates"]] == [
        (5, None), (6, None), (7, None),
    ]  # fmt: skip
    assert two["last_cost"] == two["val_cost"]
    assert two["seconds"] == pytest.approx((6 + 3 * TOTAL) / 100)
    assert (two["pack"], two["state"], two["error"]) == (1, "COMPLETE", None)
    assert training.standings.finished == 2
    assert books.standings.best_trial.value == one["val_cost"]


def test_a_trial_with_a_diverged_replicate_has_failed(tmp_path):
    books, training = books_of(tmp_path)
    for r in range(3):
        write(training, str(r), rows_of(r, [0, 1], diverged=[1 + TOTAL]))
    good, bad = logged(books)
    assert good["state"] == "COMPLETE"
    assert (bad["state"], bad["error"]) == ("FAIL", "diverged")
    empty = ["val_cost", "val_cost_std", "val_accuracy", "val_cost_avg_std", "last_cost"]
    assert {bad[name] for name in empty} == {None}
    assert [part["val_accuracy"] is None for part in bad["replicates"]] == [False, True, False]
    assert bad["replicates"][2]["val_cost"] == pytest.approx((1 + 2 * TOTAL) ** 1.5)
    assert books.standings.states == {"COMPLETE": 1, "FAIL": 1}


def test_rows_that_a_killed_command_did_not_write_are_written_by_the_next(tmp_path):
    _, training = books_of(tmp_path)
    for r in range(3):
        write(training, str(r), rows_of(r, [0, 1, 5]), killed=r == 2)
    books, _ = books_of(tmp_path)
    assert [row["number"] for row in logged(books)] == [0, 1, 5]
    assert {row["pack"] for row in logged(books)} == {2}  # that ended last
    before = logged(books)
    books, training = books_of(tmp_path)
    assert logged(books) == before
    assert training.closed[[0, 5, TOTAL + 1, 2 * TOTAL + 5, -1]].all()
    assert not training.closed[[2, TOTAL + 2]].any()


def test_trial_files_that_were_taken_away_are_made_again_beside_the_others(tmp_path):
    books, training = books_of(tmp_path)
    for trials in ([2, 3], [0, 1], [4]):
        for r in range(3):
            write(training, f"{trials[0]}-{r}", rows_of(r, trials))
    before = logged(books)
    (tmp_path / "trials" / "trials-from-000000000.parquet").unlink()
    (tmp_path / "trials" / "trials-from-000000004.parquet").unlink()
    (tmp_path / "trials" / ".staged-trials-from-000000004.parquet").write_bytes(b"half a file")
    books, _ = books_of(tmp_path)
    assert logged(books) == before
    assert len(list((tmp_path / "trials").iterdir())) == 2


def test_a_trial_that_has_its_row_needs_no_replicates(tmp_path):
    books, training = books_of(tmp_path)
    for r in range(3):
        write(training, str(r), rows_of(r, [0, 1]))
    for path in (tmp_path / "replicates").iterdir():
        path.unlink()
    books, training = books_of(tmp_path)
    assert training.closed[[0, 1, TOTAL, TOTAL + 1, 2 * TOTAL]].all()
    assert isinstance(training, ReplicateBooks)
    assert [row["number"] for row in logged(books)] == [0, 1]
