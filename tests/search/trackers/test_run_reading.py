"""What a tracker is told of runs of every kind, compared with their logs and summaries."""

import json

import pytest
from command_line import table, write_grid, write_images

from search.config import objective_of
from search.record import SOFTMAX_LAYOUT, Layout, RunFolder, read_log
from search.record.log.reading import schema_of
from search.run import main
from search.storage import place
from search.trackers import OPTUNA, TENSORBOARD, Target, open_tracker, read_run, send
from search.trackers.run_reading import figures_of, trial_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return a folder with a run of two seeds, and one that was pruned."""
    folder = tmp_path_factory.mktemp("told")
    write_images(folder / "data.npz")
    write_grid(folder / "tiny.toml", "./data.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, given in {
            "seeds": ("--grid", "./tiny.toml", "--seeds", "2"),
            "pruned": ("--grid", "./tiny.toml", "--pruner", "halving"),
        }.items():
            main([*given, "--run-dir", name, "--executor", "serial", "--no-progress"])
    return folder


@pytest.mark.parametrize("name", ["seeds", "pruned"])
def test_trials_are_those_of_the_log(runs, name):
    run, trials = read_run(place(str(runs / name)))
    log = table(runs / name)
    assert [trial.number for trial in trials] == log.number.tolist()
    assert [trial.state for trial in trials] == log.state.tolist()
    assert (run.ended, run.total, run.finished) == (len(log), len(log), True)
    for trial, row in zip(trials, log.itertuples(), strict=True):
        assert trial.figures.get("val_cost", None) == pytest.approx(row.val_cost, nan_ok=True) or (
            trial.state == "PRUNED" and "val_cost" not in trial.figures
        )
        assert trial.params["epochs"] == row.epochs
        assert trial.finished_at == row.finished_at


def test_replicates_are_a_series(runs):
    _, trials = read_run(place(str(runs / "seeds")))
    for trial, row in zip(trials, table(runs / "seeds").itertuples(), strict=True):
        costs = [replicate["val_cost"] for replicate in row.replicates]
        assert trial.series["val_cost_of_replicate"] == ((0, costs[0]), (1, costs[1]))
        assert trial.figures["val_cost_std"] == row.val_cost_std


def test_a_trial_has_the_params_of_its_own_part_of_the_grid(runs):
    layout = Layout((("loss", "O"), ("eta0", "<f8"), ("epochs", "<i4")))
    row = dict.fromkeys(schema_of(layout).names) | {
        "number": 3, "state": "COMPLETE", "loss": "log", "epochs": 2, "val_cost": 0.5,
        "last_epoch": 2,
    }  # fmt: skip
    trial = trial_of(row, layout)
    assert (trial.params, trial.figures) == ({"loss": "log", "epochs": 2}, {"val_cost": 0.5})
    assert (trial.value, trial.facts, trial.series) == (0.5, {}, {})


def test_the_best_is_the_greatest_where_the_objective_says_so(runs):
    by_accuracy = Layout(SOFTMAX_LAYOUT.dtypes, objective=objective_of("accuracy"))
    rows = RunFolder(runs / "pruned").trials
    log = read_log(rows, run=RunFolder(runs / "pruned").run).to_pylist()
    trials = [trial_of(row, by_accuracy) for row in log]
    values = [trial.value for trial in trials if trial.value is not None]
    figures = figures_of(trials, len(log), by_accuracy, None)
    assert figures["best_value"] == max(values) == max(row["val_accuracy"] or 0 for row in log)


def test_costs_at_the_rungs_are_a_series(runs):
    _, trials = read_run(place(str(runs / "pruned")))
    reports = [dict(reports or ()) for reports in table(runs / "pruned").reports]
    assert [dict(trial.series.get("reports", ())) for trial in trials] == reports
    assert any(trial.state == "PRUNED" for trial in trials)


def test_the_run_has_the_figures_of_its_summary(runs):
    run, _ = read_run(place(str(runs / "pruned")), "there", "python -m x")
    summary = json.loads((runs / "pruned" / "summary.json").read_text())
    assert run.figures["best_cost"] == summary["best"]["val_cost"]
    assert run.figures["best_number"] == summary["best"]["number"]
    assert run.figures["trials_pruned"] == summary["trials"]["pruned"]
    assert run.figures.get("test_accuracy") == (summary["test"] or {}).get("accuracy")
    assert run.texts["fingerprint"] == summary["dataset"]["fingerprint"]
    assert (run.name, run.name_there, run.texts["command"]) == ("tiny", "there", "python -m x")
    assert set(run.contents) == {"summary.json", "report.html"}


@pytest.mark.parametrize("name", ["seeds", "pruned"])
@pytest.mark.parametrize("kind", [OPTUNA, TENSORBOARD])
def test_every_tracker_takes_them(runs, name, kind, tmp_path):
    run, trials = read_run(place(str(runs / name)))
    target = Target(kind, str(tmp_path / "there.journal"))
    assert send(run, trials, open_tracker(target, run)).new == len(trials)
    assert not send(run, trials, open_tracker(target, run)).anything
