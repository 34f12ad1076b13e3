"""Runs with seeds and folds, through the command line."""

import random
import re

import numpy as np
import pytest
from command_line import (
    AXES,
    assert_same_results,
    invoke,
    logged_files,
    pretend,
    table,
    trained_links,
    write_images,
)
from reports import Page
from searches import RANGES, SERIAL, assert_whole, refused, search, summary_of, write_search

from model.shuffle import split_order
from model.softmax import SoftmaxRegression
from search.record.log import trial_log
from search.run import main
from search.storage import arrays

ROWS, PIXELS, SEEDS, FOLDS = 61, 13, 2, 3
TOP = f"seeds = {SEEDS}\nfolds = {FOLDS}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with data, and a grid of 16 trials with and without replicates."""
    pretend(1.0, AXES["batch_size"], PIXELS, 3)  # so every epoch is a link
    path = tmp_path_factory.mktemp("replicates")
    write_images(path / "data.npz", rows=ROWS, pixels=PIXELS)
    for name, top in {"plain": "", "both": TOP}.items():
        write_search(path / f"{name}.toml", AXES, top=top)
    return path


@pytest.fixture(autouse=True)
def _there(folder, monkeypatch):
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def both(folder):
    """Return the folder of a run with two seeds and three folds, from beginning to end."""
    run_dir = folder / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["--grid", "./both.toml", "--run-dir", str(run_dir), *SERIAL]) == 0
    return run_dir


def textbook(folder, row, seed, fold):
    """Return cost and accuracy of one training, by plain mathematics."""
    with np.load(folder / "data.npz") as saved:
        X, y = saved["X"].astype(np.float64), saved["y"]
    order = split_order(ROWS, 0)  # that of the first seed, whatever the shuffles' is
    scored = order[ROWS * fold // FOLDS : ROWS * (fold + 1) // FOLDS]
    trained = order[~np.isin(order, scored)]
    model = SoftmaxRegression(
        row.batch_size, row.learning_rate, row.epochs, row.alpha, seed=seed, dtype=np.float64
    )
    model.fit(X[trained], y[trained], n_classes=3)
    return model.cost(X[scored], y[scored]), (model.predict(X[scored]) == y[scored]).mean()


def test_each_training_is_that_of_the_textbook_and_a_trial_is_their_mean(folder, both):
    log = table(both)
    assert_whole(log, 16)
    for row in log.itertuples():
        assert [(part["seed"], part["fold"]) for part in row.replicates] == [
            (seed, fold) for seed in range(SEEDS) for fold in range(FOLDS)
        ]
        for part in row.replicates:
            cost, accuracy = textbook(folder, row, part["seed"], part["fold"])
            assert part["val_cost"] == pytest.approx(cost, rel=1e-4)
            assert part["val_accuracy"] == pytest.approx(accuracy)
        for name in ("val_cost", "val_accuracy", "val_cost_avg", "val_accuracy_avg"):
            parts = [part[name] for part in row.replicates]
            assert getattr(row, name) == pytest.approx(np.mean(parts), rel=1e-12)
            assert getattr(row, f"{name}_std") == pytest.approx(np.std(parts, ddof=1), rel=1e-9)


def test_the_first_of_several_seeds_has_the_bits_of_a_run_with_one(folder, capfd):
    search(capfd, "--grid", "./plain.toml", "--run-dir", "one")
    search(capfd, "--grid", "./plain.toml", "--run-dir", "three", "--seeds", 3)
    one, three = table(folder / "one"), table(folder / "three")
    for name in ("val_cost", "val_accuracy", "val_cost_avg", "val_accuracy_avg"):
        assert [parts[0][name] for parts in three.replicates] == one[name].tolist()
    assert one[["replicates", "val_cost_std", "val_accuracy_avg_std"]].isna().all(axis=None)
    assert not (folder / "one" / "replicates").exists()
    links = [len(trained_links(folder / name)) for name in ("one", "three")]
    assert links[1] == 3 * links[0]
    assert (three.seconds > 0).all()


class Killed(BaseException):
    """Ends a command at once, as a signal would."""


def kill_after(patch, writes):
    """Let the next command end before its write of that number."""
    left = iter(range(writes))

    def before(function):
        def counted(*args):
            if next(left, None) is None:
                raise Killed
            return function(*args)

        return counted

    patch.setattr(trial_log, "rename_durably", before(trial_log.rename_durably))
    patch.setattr(trial_log, "write_durably", before(trial_log.write_durably))
    patch.setattr(arrays, "write_whole", before(arrays.write_whole))


def test_killed_again_and_again_it_ends_as_if_undisturbed(folder, both):
    command = ["--grid", "./both.toml", "--run-dir", "killed", *SERIAL]
    chance, kills = random.Random(0), 0
    while True:
        with pytest.MonkeyPatch.context() as patch:
            kill_after(patch, chance.randint(2, 12))
            try:
                assert main(command) == 0
            except Killed:
                kills += 1
            else:
                break
        if logged_files(folder / "killed"):
            assert table(folder / "killed").number.is_unique
    assert kills >= 8
    log, undisturbed = table(folder / "killed"), table(both)
    assert_same_results(log, undisturbed)
    assert log.val_cost_std.tolist() == undisturbed.val_cost_std.tolist()
    assert [list(x) for x in log.replicates] == [list(x) for x in undisturbed.replicates]
    links = trained_links(folder / "killed")
    assert len(links) == len(set(links))
    assert not list((folder / "killed").rglob(".staged-*"))
    assert not list((folder / "killed" / "checkpoints").iterdir())


def test_the_result_tells_mean_and_deviation(folder, both, capfd):
    told = search(capfd, "--grid", "./both.toml", "--run-dir", both).out
    best, row = summary_of(both)["best"], table(both).sort_values("val_cost").iloc[0]
    assert best["number"] == row.number
    assert best["val_cost_std"] == row.val_cost_std
    assert best["replicates"] == list(row.replicates)
    assert summary_of(both)["trainings"] == {"each": 6, "with": "2 seeds and 3 folds"}
    assert f"validation cost             {row.val_cost:.4f} +- {row.val_cost_std:.4f}\n" in told
    assert re.search(r"\ntrial +cost +\+- +correct ", told)
    assert "Each trial was trained 6 times, with 2 seeds and 3 folds: " in told
    page = Page((both / "report.html").read_text())
    assert f"{row.val_cost:.4f} \N{PLUS-MINUS SIGN} {row.val_cost_std:.4f}" in page.text


def test_a_sampler_is_told_the_means(folder, capfd, monkeypatch):
    from search.tuning.tuner import Tuner

    told, tell = [], Tuner.tell
    monkeypatch.setattr(
        Tuner, "tell", lambda self, rows, attrs: (told.extend(rows), tell(self, rows, attrs))[1]
    )
    write_search(
        folder / "tpe.toml", RANGES, 'name = "tpe"\ntrials = 12\nbatch = 4', top="seeds = 2"
    )
    search(capfd, "--grid", "./tpe.toml")
    log = table(folder / "runs" / "tpe")
    assert_whole(log, 12)
    assert [row["number"] for row in told] == list(range(12))
    assert [row["val_cost"] for row in told] == log.val_cost.tolist()
    means = [np.mean([part["val_cost"] for part in parts]) for parts in log.replicates]
    np.testing.assert_allclose(log.val_cost, means, rtol=1e-12)


def test_a_run_takes_over_the_trials_of_one_with_the_same_seeds_and_folds(folder, both, capfd):
    write_search(folder / "wider.toml", AXES | {"alpha": [0.0, 1.0, 10.0]}, top=TOP)
    search(capfd, "--grid", "./wider.toml", "--reuse", both)
    log = table(folder / "runs" / "wider")
    assert_whole(log, 24)
    reused = log[log.source.notna()]
    assert len(reused) == 16
    assert reused.val_cost_std.tolist() == table(both).val_cost_std.tolist()
    assert all(len(parts) == SEEDS * FOLDS for parts in log.replicates)
    message = refused(capfd, "--grid", "./plain.toml", "--run-dir", "other", "--reuse", both)
    assert "\n  seeds: 2 there, 1 here" in message
    assert "\n  folds: 3 there, 0 here" in message


def test_another_number_of_seeds_is_another_run(both, capfd):
    message = refused(capfd, "--grid", "./both.toml", "--run-dir", both, "--seeds", 3)
    assert "seeds: the run has 2, the command 3" in message
    assert message.count("the run has") == 1


def test_with_folds_the_validation_fraction_has_no_part(folder, both, capfd):
    write_search(folder / "both2.toml", AXES, top=f"{TOP}\nvalidation_fraction = 0.5")
    search(capfd, "--grid", "./both2.toml", "--run-dir", both)


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ("seeds = 0", "seeds = 0: seeds must be a whole number from 1 to 1000\n"),
        ("folds = 1", "folds = 1: folds must be a whole number from 2 to 1000, or 0 for none\n"),
        ("folds = 62", "has 61 training rows, too few for folds = 62"),
        (f"seed = {2**63 - 2}\nseeds = 3", "leaves no room for seeds = 3"),
        ('seeds = 2\npruner = {name = "median"}', 'but the pruner "median" would judge a single'),
    ],
)
def test_what_cannot_be_is_refused_in_one_message(folder, capfd, top, message):
    write_search(folder / "bad.toml", AXES, top=top)
    told = refused(capfd, "--grid", "./bad.toml")
    assert message in told
    assert len(told.splitlines()) == 1
    assert not (folder / "runs" / "bad").exists()


def test_a_dry_run_tells_how_often_each_trial_is_trained(capfd):
    told = invoke(capfd, "--grid", "./both.toml", "--dry-run", "--workers", 6).out
    assert "trials          16\ntrainings       6 of each, with 2 seeds and 3 folds\n" in told
    assert "trajectories    48, shared" in told
    assert "packs           12, of 4 trajectories" in told
