"""The optimality gap through the command line."""

import json
import signal

import numpy as np
import pandas as pd
import pytest
from command_line import assert_same_results, contents, invoke, table, write_grid, write_images
from reports import Page
from searches import Textbook, refused, write_search
from textbook import averaged

from model.softmax import SoftmaxRegression
from search.engine import optima

SERIAL = ("--executor", "serial", "--no-progress")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with a small data set and a grid of 16 trials."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "data.npz")
    write_grid(tmp_path / "tiny.toml", "./data.npz", alpha=[0.1, 1000.0])
    return tmp_path


@pytest.fixture
def command(folder, capfd):
    """Return a function that runs the command in this process."""

    def run(*args: object):
        grid = () if "--resume" in args else ("--grid", "./tiny.toml")
        return invoke(capfd, *grid, *args, *SERIAL)

    return run


@pytest.fixture
def sought(monkeypatch):
    """Return the list of the alphas whose optimum a task has begun to find."""
    alphas, original = [], optima.find_optimum

    def find_optimum(examples, alpha):
        alphas.append(alpha)
        return original(examples, alpha)

    monkeypatch.setattr(optima, "find_optimum", find_optimum)
    return alphas


class Crash(BaseException):
    """Stands for a kill."""


def interrupt(monkeypatch):
    """Let the system ask to stop while the second optimum is found."""
    original = optima.find_optimum

    def find_optimum(examples, alpha):
        if alpha == 1000.0:
            signal.raise_signal(signal.SIGTERM)
        return original(examples, alpha)

    monkeypatch.setattr(optima, "find_optimum", find_optimum)


def result_of(run_dir):
    """Return what a run found, and not when."""
    summary = json.loads((run_dir / "summary.json").read_text())
    for row in (summary["optimum"] or {"alphas": []})["alphas"]:
        del row["seconds"]
    return {name: value for name, value in summary.items() if name not in ("timing", "seal")}


def penalised(row, parts, model):
    X, y, train, _ = parts
    return model.cost(X[train], y[train]) + row.alpha / 2 * (model.W**2).sum()


@pytest.mark.parametrize("select", ["last", "average"])
def test_each_trial_has_the_textbooks_training_cost_above_its_optimum(folder, command, select):
    grid = folder / "tiny.toml"
    grid.write_text(f'select = "{select}"\n{grid.read_text()}')
    outcome = command("--optimum")
    assert outcome.code == 0, outcome.err
    log, told = table(folder / "runs/tiny"), result_of(folder / "runs/tiny")["optimum"]
    costs = {row["alpha"]: row["cost"] for row in told["alphas"]}
    assert sorted(costs) == [0.1, 1000.0]
    parts = Textbook(folder / "data.npz").parts
    X, y, train, _ = parts
    for row in log.itertuples():
        params = (row.batch_size, row.learning_rate, row.epochs, row.alpha)
        if select == "average":
            model = averaged(*params, X[train], y[train], 3)
        else:
            model = SoftmaxRegression(*params, dtype=np.float64).fit(X[train], y[train], 3)
        assert row.train_cost == pytest.approx(penalised(row, parts, model), 1e-4)
    assert (log.train_cost - log.alpha.map(costs) > -1e-6).all()
    assert (told["with_train_cost"], told["without_train_cost"]) == (16, 0)
    best = json.loads((folder / "runs/tiny/summary.json").read_text())["best"]
    assert told["best_train_cost"] == log.train_cost[best["number"]]
    assert "The optimum of each alpha on the training rows:\n" in outcome.out
    assert "The best trial ends " in outcome.out
    assert "no training cost" not in outcome.out


def test_the_report_has_the_table_and_the_smallest_gaps(folder, command):
    assert command("--optimum").code == 0
    page = Page((folder / "runs/tiny/report.html").read_text(encoding="utf-8"))
    assert "The optimality gap" in page.text
    (head,) = [i for i, row in enumerate(page.rows) if row[:3] == ["alpha", "cost", "gradient"]]
    told = result_of(folder / "runs/tiny")["optimum"]["alphas"]
    assert [row[:2] for row in page.rows[head + 1 : head + 3]] == [
        [f"{row['alpha']:g}", f"{row['cost']:.4f}"] for row in told
    ]
    log = table(folder / "runs/tiny")
    log["gap"] = log.train_cost - log.alpha.map({row["alpha"]: row["cost"] for row in told})
    for name in ("learning_rate", "batch_size", "epochs"):
        for line, alpha in zip(page.specs[f"gap-{name}"]["data"], (0.1, 1000.0), strict=True):
            smallest = log[log.alpha == alpha].groupby(name).gap.min()
            np.testing.assert_allclose(line["y"], smallest, rtol=1e-4)
    assert "gap-alpha" not in page.charts


def test_without_training_costs_the_report_has_the_table_alone(folder, command):
    assert command().code == 0
    report = folder / "runs/tiny/report.html"
    assert "The optimality gap" not in report.read_text(encoding="utf-8")
    assert command("--optimum").code == 0
    page = Page(report.read_text(encoding="utf-8"))
    assert "The optimality gap" in page.text
    assert not [name for name in page.charts if name.startswith("gap-")]


def test_killed_in_the_middle_it_finds_what_is_missing(folder, command, sought, monkeypatch):
    assert command("--optimum", "--run-dir", "whole").code == 0
    original = optima.find_optimum

    def find_optimum(examples, alpha):
        if alpha == 1000.0:
            raise Crash
        return original(examples, alpha)

    with monkeypatch.context() as patch:
        patch.setattr(optima, "find_optimum", find_optimum)
        with pytest.raises(Crash):
            command("--optimum")
    sought.clear()
    assert command("--optimum").code == 0
    assert sought == [1000.0]
    assert result_of(folder / "runs/tiny") == result_of(folder / "whole")
    assert_same_results(table(folder / "runs/tiny"), table(folder / "whole"))


def test_nothing_else_depends_on_it(folder, command, sought):
    assert command("--run-dir", "plain").code == 0
    assert command("--run-dir", "asked", "--optimum").code == 0
    assert sought == [0.1, 1000.0]
    assert_same_results(table(folder / "asked"), table(folder / "plain"))
    plain, asked = (result_of_any(folder / name) for name in ("plain", "asked"))
    del asked["optimum"]
    assert plain == asked
    assert table(folder / "plain").train_cost.isna().all()
    assert not (folder / "plain" / "optimum").exists()


def result_of_any(run_dir):
    summary = json.loads((run_dir / "summary.json").read_text())
    return {name: value for name, value in summary.items() if name not in ("timing", "seal")}


def test_a_finished_run_finds_them_later_and_says_what_it_lacks(folder, command, sought):
    assert command("--refits", 2).code == 0
    before = contents(folder / "runs/tiny/trials")
    outcome = command("--resume", "runs/tiny", "--optimum")
    assert (outcome.code, sought) == (0, [0.1, 1000.0])
    assert "16 of 16 complete trials have no training cost" in outcome.out
    assert "is not known: it has no training cost." in outcome.out
    assert "(2 final trainings)" in outcome.out
    assert contents(folder / "runs/tiny/trials") == before
    files = contents(folder / "runs")
    assert command("--optimum").out == command().out
    assert (len(sought), contents(folder / "runs")) == (2, files)


def test_more_final_trainings_leave_it_as_it_is(folder, command, sought):
    assert command("--optimum").code == 0
    told = result_of(folder / "runs/tiny")["optimum"]
    assert command("--refits", 2).code == 0
    assert result_of(folder / "runs/tiny")["optimum"] == told
    assert len(sought) == 2


def test_an_interrupted_search_goes_on_where_it_was(folder, command, sought, monkeypatch):
    assert command("--optimum", "--run-dir", "whole").code == 0
    with monkeypatch.context() as patch:
        interrupt(patch)
        outcome = command("--optimum")
    assert outcome.code == 130
    assert outcome.err.endswith(f"--resume {folder}/runs/tiny --executor=serial --optimum\n")
    sought.clear()
    assert command("--resume", "runs/tiny", "--optimum").code == 0
    assert sought == [1000.0]
    assert result_of(folder / "runs/tiny") == result_of(folder / "whole")


def test_one_that_is_not_reached_is_told_as_a_bound(folder, command, monkeypatch):
    monkeypatch.setattr("model.optima.optimum.MAX_ITERATIONS", 1)
    outcome = command("--optimum")
    assert outcome.code == 0
    assert "ends at least " in outcome.out
    assert " or less (Newton's method ended at a gradient of " in outcome.out
    assert not any(row["converged"] for row in result_of(folder / "runs/tiny")["optimum"]["alphas"])
    assert "is a bound" in (folder / "runs/tiny/report.html").read_text()


def test_with_seeds_it_is_the_mean_of_the_training_costs(folder, command):
    assert command("--seeds", 2, "--optimum", "--run-dir", "both").code == 0
    log = table(folder / "both")
    single = pd.read_parquet(folder / "both/replicates").set_index("number").train_cost.sort_index()
    np.testing.assert_allclose(log.train_cost, (single[:16] + single[16:].to_numpy()) / 2)


def test_training_costs_are_reused_with_the_readout_that_they_are_of(folder, command):
    assert command("--optimum", "--run-dir", "old").code == 0
    assert command("--reuse", "old", "--run-dir", "same", "--optimum").code == 0
    assert (table(folder / "same").train_cost == table(folder / "old").train_cost).all()
    grid = folder / "tiny.toml"
    grid.write_text(f'select = "average"\n{grid.read_text()}')
    outcome = command("--reuse", "old", "--run-dir", "other", "--optimum")
    assert table(folder / "other").train_cost.isna().all()
    assert "16 of 16 complete trials have no training cost" in outcome.out


def test_without_test_images_there_are_no_test_figures(folder, command):
    with np.load(folder / "data.npz") as saved:
        np.savez(folder / "untested.npz", X=saved["X"], y=saved["y"])
    assert command("--dataset", "untested.npz", "--optimum").code == 0
    rows = result_of(folder / "runs/tiny")["optimum"]["alphas"]
    assert [row["test_cost"] for row in rows] == [None, None]


def test_where_every_trial_diverged_there_is_nothing_to_compare(folder, command):
    write_grid(folder / "tiny.toml", "./data.npz", learning_rate=[1e25], alpha=[1e15])
    for _ in range(2):
        assert command("--optimum").code == 1
    assert result_of_any(folder / "runs/tiny").get("optimum") is None


def test_what_has_no_optima_is_refused_before_anything_starts(folder, capfd):
    axes = {"batch_size": [4], "learning_rate": [1e-6], "epochs": [1]}
    ranges = axes | {"alpha": "{low = 0.0, high = 10.0}"}
    write_search(folder / "range.toml", ranges, 'name = "random"\ntrials = 2')
    write_search(folder / "folds.toml", axes | {"alpha": [1.0]}, top="folds = 3")
    for name in ("range", "folds"):
        assert "--optimum finds " in refused(capfd, "--grid", f"./{name}.toml", "--optimum")
    assert not (folder / "runs").exists()
