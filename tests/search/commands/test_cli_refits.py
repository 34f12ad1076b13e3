"""Final trainings with several seeds, through the command line."""

import json
import signal

import numpy as np
import pytest
from command_line import contents, invoke, table, write_grid, write_images

from model.softmax import SoftmaxRegression
from search.engine import refits as refit

QUICK = {"batch_size": [16], "learning_rate": [1e-6], "epochs": [1], "alpha": [0.0, 10.0]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with a small data set and a grid of two trials."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "data.npz")
    write_grid(tmp_path / "tiny.toml", "./data.npz", **QUICK)
    return tmp_path


@pytest.fixture
def command(folder, capfd):
    """Return a function that runs the command in this process."""

    def run(*args: object):
        grid = () if "--resume" in args else ("--grid", "./tiny.toml")
        return invoke(capfd, *grid, *args, "--executor", "serial", "--no-progress")

    return run


@pytest.fixture
def trained(monkeypatch):
    """Return the list of the seeds with which a final training has begun."""
    seeds, original = [], refit.run_refit

    def run_refit(examples, params, seed):
        seeds.append(seed)
        return original(examples, params, seed)

    monkeypatch.setattr(refit, "run_refit", run_refit)
    return seeds


def interrupt_in(monkeypatch, seed):
    """Let the system ask to stop while a final training with this seed runs."""
    original = refit.run_refit

    def run_refit(examples, params, of):
        if of == seed:
            signal.raise_signal(signal.SIGTERM)
        return original(examples, params, of)

    monkeypatch.setattr(refit, "run_refit", run_refit)


def result_of(run_dir):
    """Return what a run found, and not when."""
    summary = json.loads((run_dir / "summary.json").read_text())
    return {name: value for name, value in summary.items() if name not in ("timing", "seal")}


def test_each_final_training_has_a_seed_of_its_own(folder, command, trained):
    outcome = command("--refits", 3, "--seed", 5)
    assert (outcome.code, trained) == (0, [5, 6, 7])
    assert "on all training rows with 3 seeds ..." in outcome.err
    assert "\n(3 final trainings) " in outcome.out
    found = result_of(folder / "runs" / "tiny")
    refits, params = found["refits"], found["best"]["params"]
    assert refits["seeds"] == trained
    with np.load(folder / "data.npz") as data:
        order = np.random.default_rng([5, 0]).permutation(len(data["y"]))  # that of the split
        X, y = data["X"][order].astype(np.float64), data["y"][order]
        for seed, cost in zip(trained, refits["last"]["cost"]["values"], strict=True):
            textbook = SoftmaxRegression(**params, seed=seed, dtype=np.float64).fit(X, y)
            assert cost == pytest.approx(textbook.cost(data["X_test"], data["y_test"]), 1e-4)
    assert found["test"]["cost"] == refits["last"]["cost"]["values"][0]
    assert SoftmaxRegression.load(folder / "runs" / "tiny" / "best_model.npz").seed == 5


def test_a_finished_run_trains_those_that_it_lacks(folder, command, trained):
    assert command("--refits", 4, "--run-dir", "once").code == 0
    assert command("--run-dir", "more").code == 0
    run_dir = folder / "more"
    before, model = contents(run_dir / "trials"), (run_dir / "best_model.npz").read_bytes()
    trained.clear()
    outcome = command("--resume", "more", "--refits", 4)
    assert (outcome.code, trained) == (0, [1, 2, 3])
    assert "(4 final trainings)" in outcome.out
    assert "4 final trainings" in (run_dir / "report.html").read_text()
    assert result_of(run_dir) == result_of(folder / "once")
    assert contents(run_dir / "trials") == before
    assert (run_dir / "best_model.npz").read_bytes() == model


def test_fewer_than_there_are_train_nothing_and_take_nothing_away(folder, command):
    assert command("--refits", 2).code == 0
    before = contents(folder / "runs")
    for fewer in ((), ("--refits", 1), ("--refits", 2)):
        outcome = command(*fewer)
        assert outcome.code == 0
        assert "(2 final trainings)" in outcome.out
    assert contents(folder / "runs") == before


@pytest.mark.parametrize("finished", [True, False])
def test_an_interrupted_phase_goes_on_where_it_was(folder, command, trained, monkeypatch, finished):
    assert command("--refits", 4, "--run-dir", "whole").code == 0
    if finished:
        assert command().code == 0
    with monkeypatch.context() as patch:
        interrupt_in(patch, seed=2)
        outcome = command("--refits", 4)
    assert outcome.code == 130
    assert outcome.err.endswith(f"--resume {folder}/runs/tiny --executor=serial --refits=4\n")
    assert (folder / "runs" / "tiny" / "summary.json").exists() == finished
    trained.clear()
    assert command("--resume", "runs/tiny", "--refits", 4).code == 0
    assert trained == [3]
    assert result_of(folder / "runs" / "tiny") == result_of(folder / "whole")


def test_what_an_interrupted_phase_has_beyond_what_is_asked_is_not_told(
    folder, command, monkeypatch
):
    with monkeypatch.context() as patch:
        interrupt_in(patch, seed=2)
        assert command("--refits", 4).code == 130
    assert command().code == 0
    assert result_of(folder / "runs" / "tiny")["refits"] is None


def test_figures_that_cannot_be_used_are_made_again(folder, command, trained):
    run_dir = folder / "runs" / "tiny"
    assert command("--refits", 2).code == 0
    before = result_of(run_dir)
    for text in ("", "[]", '{"params": {}, "tests": {}}', '{"tests": {"0": 1}}'):
        (run_dir / "refits.json").write_text(text)
        (run_dir / "summary.json").unlink()
        trained.clear()
        assert command("--refits", 2).code == 0
        assert trained == [0, 1]
        assert result_of(run_dir) == before


def test_a_lost_model_is_made_again_and_nothing_else(folder, command, trained):
    run_dir = folder / "runs" / "tiny"
    assert command("--refits", 3).code == 0
    model = (run_dir / "best_model.npz").read_bytes()
    for name in ("best_model.npz", "summary.json"):
        (run_dir / name).unlink()
    trained.clear()
    assert command("--refits", 3).code == 0
    assert trained == [0]
    assert (run_dir / "best_model.npz").read_bytes() == model


def test_without_test_images_there_is_nothing_to_compare(folder, command):
    with np.load(folder / "data.npz") as saved:
        np.savez(folder / "untested.npz", X=saved["X"], y=saved["y"])
    outcome = command("--dataset", "untested.npz", "--refits", 2)
    assert (outcome.code, outcome.out) == (2, "")
    assert "untested has no test rows. Leave --refits out" in outcome.err
    assert not (folder / "runs").exists()


def test_where_every_trial_diverged_there_is_nothing_to_repeat(folder, command, trained):
    axes = QUICK | {"learning_rate": [1e25], "alpha": [1e15]}
    write_grid(folder / "tiny.toml", "./data.npz", **axes)
    for _ in range(2):
        assert command("--refits", 2).code == 1
    assert trained == []
    assert (table(folder / "runs" / "tiny").state == "FAIL").all()


@pytest.mark.parametrize("count", ["0", "-1", "two"])
def test_a_number_of_final_trainings_is_checked(command, count):
    outcome = command("--refits", count)
    assert outcome.code == 2
    assert "is not a whole number from 1 to 1000" in outcome.err
