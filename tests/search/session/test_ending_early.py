"""Sweeps that end before all trials are trained: with a model, a reason, and a way to go on."""

import json

import numpy as np
import pytest
from rich.console import Console

import search
from model.softmax import SoftmaxRegression
from search.command import Start
from search.engine import Limits
from search.session import Options, sweep
from search.watch import RunState, status_lines

GRID = {
    "dataset": "digits",
    "space": {
        "batch_size": [64, 128, 256],
        "learning_rate": [1e-7, 1e-6],
        "epochs": [1, 2, 3],
        "alpha": [0.0],
    },
}
TRIALS = 18

# In several waves, of trainings that are short.
SEARCH = {
    "dataset": "digits",
    "space": {
        "batch_size": [64, 128, 256],
        "learning_rate": {"low": 5e-8, "high": 1e-5, "log": True},
        "epochs": {"low": 1, "high": 4},
        "alpha": {"low": 0.01, "high": 10000, "log": True},
    },
    "sampler": {"name": "tpe", "options": {"multivariate": True}},
}


def swept(folder, **options):
    return search.sweep(GRID, folder=folder, executor="serial", progress=False, **options)


def rows_of(folder):
    log = search.load(folder)
    return log.drop(columns=["seconds", "started_at", "finished_at", "reports", "replicates"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The sweep in one go."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    swept(folder)
    return folder


@pytest.fixture
def early(tmp_path):
    """A sweep whose budget was used up by its first links."""
    folder = tmp_path / "run"
    swept(folder, budget=1e-9)
    return folder


def test_it_has_a_model_a_report_and_says_why(early):
    summary = json.loads((early / "summary.json").read_text())
    ended = sum(summary["trials"][state] for state in ("complete", "pruned", "failed"))
    assert 0 < ended < TRIALS
    assert summary["state"] == "ended early"
    assert "the budget of" in summary["ended_early"]
    model = SoftmaxRegression.load(early / "best_model.npz")
    assert model.epochs == summary["best"]["params"]["epochs"]
    assert summary["test"] is not None
    assert f"{TRIALS - ended} trials were left out" in (early / "report.html").read_text()


def test_status_says_that_it_can_go_on(early):
    lines = status_lines(RunState.read(early))
    assert lines[0].endswith("ended early, because the budget of 0 s is used up")
    assert lines[-1].endswith(f"--resume {early}")


def test_it_goes_on_to_the_log_of_one_that_was_never_stopped(early, whole):
    before = rows_of(early).set_index("number")
    summary = swept(early).summary
    assert summary.ended_early is None
    assert summary.state == "complete"
    assert rows_of(early).equals(rows_of(whole))
    assert before.equals(rows_of(early).set_index("number").loc[before.index])
    assert summary.best.params == search.sweep(folder=whole, grid=GRID, executor="serial",
                                               progress=False).best_params  # fmt: skip


def test_several_small_budgets_lead_to_the_same_end(tmp_path, whole):
    folder, commands = tmp_path / "run", 0
    while swept(folder, budget=1e-9).summary.ended_early:
        commands += 1
        assert commands < TRIALS
    assert commands
    assert rows_of(folder).equals(rows_of(whole))


def test_a_good_enough_trial_ends_it_and_is_told_again_at_once(tmp_path, whole):
    costs = search.load(whole).val_cost
    folder, value = tmp_path / "run", float(np.sort(costs)[-2])
    summary = swept(folder, target_value=value).summary
    assert summary.best.val_cost <= value
    assert summary.ended_early == f"the best trial has reached {value:g}"
    stamp = (folder / "summary.json").stat().st_mtime_ns
    assert swept(folder, target_value=value).summary == summary
    assert (folder / "summary.json").stat().st_mtime_ns == stamp


def test_patience_ends_it(tmp_path):
    sizes = [64, 96, 128, 192, 256, 384]  # the smallest, which is trained first, is the best
    grid = GRID | {"space": GRID["space"] | {"batch_size": sizes, "epochs": [1]}}
    summary = search.sweep(
        grid, folder=tmp_path / "run", executor="serial", progress=False, patience=1
    ).summary
    assert "in a row were no better" in summary.ended_early


def test_a_sampled_search_ends_early_and_goes_on_as_if_it_had_not(tmp_path):
    def searched(folder, **options):
        return search.sweep(
            SEARCH, folder=folder, executor="serial", progress=False, trials=80, **options
        )

    searched(tmp_path / "whole")
    assert searched(tmp_path / "run", budget=1e-9).summary.ended_early
    assert searched(tmp_path / "run").summary.ended_early is None
    assert rows_of(tmp_path / "run").equals(rows_of(tmp_path / "whole"))


def test_a_limit_that_the_last_link_reaches_leaves_nothing_out(tmp_path, whole):
    best = float(search.load(whole).val_cost.min())
    summary = swept(tmp_path / "run", target_value=best / 2).summary
    assert summary.ended_early is None


def test_the_command_says_what_was_left_out(tmp_path, capsys):
    options = Options(
        grid="smoke", executor="serial", run_dir=tmp_path / "run", progress=False, patience=1
    )
    assert options.limits == Limits(patience=1)
    sweep(options, Console(width=70), Console(quiet=True), Start())
    out = " ".join(capsys.readouterr().out.split())
    assert ("It has ended early" in out) == (RunState.read(tmp_path / "run").name == "ended early")


def test_while_it_goes_on_nobody_is_told_an_earlier_result(early, monkeypatch):
    """The model may become another one before its figures are written."""
    with monkeypatch.context() as broken:
        broken.setattr("search.session.ending.Ending.finish_run", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            swept(early)
    assert not (early / "summary.json").exists()
    assert RunState.read(early).name == "interrupted"
    assert swept(early).summary.state == "complete"


def test_a_budget_waits_for_a_trial_that_is_complete(tmp_path):
    grid = GRID | {"space": GRID["space"] | {"epochs": [8]}}
    summary = search.sweep(
        grid, folder=tmp_path / "run", executor="serial", progress=False,
        pruner="halving", budget=1e-9,
    ).summary  # fmt: skip
    assert summary.best is not None
