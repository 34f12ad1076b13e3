"""Whole sweeps through the command line: what they print, write, and leave alone."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from command_line import (
    AXES,
    assert_same_results,
    contents,
    invoke,
    table,
    write_grid,
    write_images,
)

from model.shuffle import split_order
from model.softmax import SoftmaxRegression
from search.config import SearchSpace
from search.record import SOFTMAX_LAYOUT, RunFolder, of_replicates

COLUMNS = {
    "number": "int64",
    "state": "string",
    "batch_size": "int32",
    "learning_rate": "double",
    "epochs": "int32",
    "alpha": "double",
    "val_cost": "double",
    "val_accuracy": "double",
    "val_cost_avg": "double",
    "val_accuracy_avg": "double",
    "val_cost_std": "double",
    "val_accuracy_std": "double",
    "val_cost_avg_std": "double",
    "val_accuracy_avg_std": "double",
    "replicates": "list<element: struct<seed: int64, fold: int32, val_cost: double, "
    "val_accuracy: double, val_cost_avg: double, val_accuracy_avg: double>>",
    "train_cost": "double",
    "last_cost": "double",
    "last_epoch": "int32",
    "reports": "map<int32, double ('reports')>",
    "seconds": "double",
    "pack": "int32",
    "node": "string",
    "started_at": "timestamp[us, tz=UTC]",
    "finished_at": "timestamp[us, tz=UTC]",
    "attempt": "int32",
    "error": "string",
    "source": "string",
}
SPACE = SearchSpace(**{name: tuple(values) for name, values in AXES.items()})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with a small data set and a grid for it."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "data.npz")
    write_grid(tmp_path / "tiny.toml", "./data.npz")
    return tmp_path


@pytest.fixture
def command(folder, capfd):
    """Return a function that runs the command in this process, on one grid unless told."""

    def run(*args: object):
        grid = () if {"--grid", "--resume"} & set(args) else ("--grid", "./tiny.toml")
        return invoke(capfd, *grid, *args, "--executor", "serial")

    return run


@pytest.fixture
def run_dir(folder, command):
    """Sweep once; return the run's folder."""
    assert command().code == 0
    return folder / "runs" / "tiny"


def summary_of(run_dir):
    return json.loads((run_dir / "summary.json").read_text())


def data_with(folder, name, **changed):
    """Write the small data set again, with other arrays or, where they are None, without."""
    with np.load(folder / "data.npz") as saved:
        arrays = {**saved, **changed}
    np.savez(folder / name, **{key: value for key, value in arrays.items() if value is not None})


# --- The result


def test_the_result_is_printed_in_the_traditional_order(folder, command):
    outcome = command()
    assert outcome.code == 0
    names = [
        "best number of epochs", "best alpha", "best learning rate", "best mini-batch size",
        "validation cost", "test cost after retraining", "test rows correct",
    ]  # fmt: skip
    printed = [line.strip() for line in outcome.out.splitlines() if line.startswith("  ")]
    assert [line.split("  ")[0] for line in printed] == names
    summary = summary_of(folder / "runs" / "tiny")
    params, test = summary["best"]["params"], summary["test"]
    assert [float(line.removesuffix(" %").split()[-1]) for line in printed] == [
        params["epochs"],
        params["alpha"],
        params["learning_rate"],
        params["batch_size"],
        round(summary["best"]["val_cost"], 4),
        round(test["cost"], 4),
        round(100 * test["accuracy"], 2),
    ]
    assert "16 trials on data; run folder runs/tiny" in outcome.err


def test_the_summary_keeps_its_contract(run_dir):
    summary = summary_of(run_dir)
    log = table(run_dir)
    best = log.loc[log.val_cost.idxmin()]
    assert summary["state"] == "complete"
    assert summary["trials"] == {"total": 16, "complete": 16, "pruned": 0, "failed": 0}
    assert summary["best"] == {
        "number": best.number,
        "params": {name: best[name] for name in AXES},
        "val_cost": best.val_cost,
        "val_accuracy": best.val_accuracy,
        "val_cost_avg": best.val_cost_avg,
        "val_accuracy_avg": best.val_accuracy_avg,
    }
    assert set(summary["test"]) == {"cost", "accuracy"}
    assert set(summary["tests"]) == {"last", "average"}
    assert (summary["select"], summary["tests"]["last"]) == ("last", summary["test"])
    manifest = json.loads((run_dir / "manifest.json").read_text())
    about = {"name": "data", "fingerprint": summary["dataset"]["fingerprint"]}
    assert manifest["dataset"] == about
    assert summary["dataset"] == about | {"rows": "rows"}
    assert len(summary["dataset"]["fingerprint"]) == 16
    epochs = max(AXES["epochs"]) * len(log) // len(AXES["epochs"])
    assert summary["arithmetic"] == {
        "trained_epochs": epochs, "unpruned_epochs": epochs, "saved": 0.0
    }  # fmt: skip
    timing = summary["timing"]
    assert timing["compute_s"] == pytest.approx(log.seconds.sum())
    assert timing["wall_s"] >= timing["startup_s"] + timing["training_s"] > 0
    assert timing["gflops"] > 0


def test_the_run_folder_holds_the_files_of_the_contract(run_dir):
    assert {path.name for path in run_dir.iterdir() if not path.name.startswith(".")} == {
        "manifest.json", "trials", "checkpoints", "resamples", "best_model.npz", "summary.json",
        "report.html", "sweep.log", "links.jsonl", "refits.json",
    }  # fmt: skip
    assert list((run_dir / "checkpoints").iterdir()) == []
    assert not list(run_dir.rglob(".tmp-*"))


def test_the_log_has_one_row_for_each_trial_with_the_columns_of_the_contract(run_dir):
    log = table(run_dir)
    types = pd.read_parquet(run_dir / "trials", dtype_backend="pyarrow").dtypes
    assert {name: str(kind.pyarrow_dtype) for name, kind in types.items()} == COLUMNS
    assert log.number.tolist() == list(range(16))
    for number, params in enumerate(SPACE):
        assert {name: log.loc[number, name] for name in AXES} == dict(params)
    assert (log.state == "COMPLETE").all()
    assert log.error.isna().all()
    assert (log.attempt == 1).all()
    assert np.isfinite(log.val_cost).all()
    assert log.val_accuracy.between(0, 1).all()
    assert (log.started_at <= log.finished_at).all()
    assert (log.last_cost == log.val_cost).all()
    assert (log.last_epoch == log.epochs).all()
    assert log.reports.isna().all()
    assert log.source.isna().all()
    assert log[list(of_replicates(SOFTMAX_LAYOUT))].isna().all(axis=None)


def test_every_trial_has_the_cost_of_a_textbook_training_of_its_own(folder, run_dir):
    with np.load(folder / "data.npz") as data:
        X, y = data["X"].astype(np.float64), data["y"]
    order = split_order(len(y), seed=0)
    train, validation = order[: -len(y) // 5], order[-len(y) // 5 :]
    log = table(run_dir)
    for number, params in enumerate(SPACE):
        model = SoftmaxRegression(
            params["batch_size"], params["learning_rate"], params.epochs, params["alpha"],
            seed=0, dtype=np.float64,
        )  # fmt: skip
        model.fit(X[train], y[train], n_classes=3)
        assert log.val_cost[number] == pytest.approx(model.cost(X[validation], y[validation]), 1e-4)


def test_the_saved_model_reproduces_the_test_figures(folder, run_dir):
    model = SoftmaxRegression.load(run_dir / "best_model.npz")
    with np.load(folder / "data.npz") as data:
        X, y = data["X_test"], data["y_test"]
    test = summary_of(run_dir)["test"]
    assert model.cost(X, y) == pytest.approx(test["cost"], 1e-5)
    assert (model.predict(X) == y).mean() == test["accuracy"]


def test_the_winner_is_trained_again_on_all_training_images(folder, run_dir):
    with np.load(folder / "data.npz") as data:
        X, y = data["X"], data["y"]
    order = split_order(len(y), seed=0)
    params = summary_of(run_dir)["best"]["params"]
    textbook = SoftmaxRegression(**params, seed=0, dtype=np.float64).fit(X[order], y[order])
    model = SoftmaxRegression.load(run_dir / "best_model.npz")
    np.testing.assert_allclose(model.W, textbook.W, rtol=1e-3, atol=1e-8)


def test_the_selection_never_sees_the_test_set(folder, command, run_dir):
    with np.load(folder / "data.npz") as saved:
        data_with(folder, "wrecked.npz", y_test=saved["y_test"][::-1])
    assert command("--dataset", "wrecked.npz", "--run-dir", "wrecked").code == 0
    whole, wrecked = summary_of(run_dir), summary_of(folder / "wrecked")
    assert wrecked["best"] == whole["best"]
    assert wrecked["test"] != whole["test"]
    assert_same_results(table(folder / "wrecked"), table(run_dir))


def test_a_data_set_without_test_images_is_searched_all_the_same(folder, command):
    data_with(folder, "untested.npz", X_test=None, y_test=None)
    outcome = command("--dataset", "untested.npz")
    assert outcome.code == 0
    assert "the data set has no test rows" in outcome.out
    summary = summary_of(folder / "runs" / "tiny")
    assert summary["test"] is None
    assert summary["best"]["val_cost"] == table(folder / "runs" / "tiny").val_cost.min()


def test_a_sweep_in_which_every_trial_diverges_ends_with_1_and_a_complete_log(folder, command):
    write_grid(folder / "wild.toml", "./data.npz", learning_rate=[1e20, 1e25], alpha=[1e10, 1e15])
    for _ in range(2):  # told again the second time
        outcome = command("--grid", "wild.toml")
        assert outcome.code == 1
        assert outcome.err.endswith(
            "error: Every trial diverged. The learning rate times alpha is 1e+30 at least, and "
            "from 2 on the penalty makes weights grow: give lower learning rates or smaller "
            "alphas.\n"
        )
        assert "16 failed" in outcome.out
    log = table(folder / "runs" / "wild")
    assert log.number.tolist() == list(range(16))
    assert (log.state == "FAIL").all()
    assert (log.error == "diverged").all()
    assert log.val_cost.isna().all()
    assert log.val_accuracy.isna().all()
    assert log.last_cost.isna().all()
    assert (log.last_epoch == log.epochs).all()
    summary = summary_of(folder / "runs" / "wild")
    assert (summary["best"], summary["test"]) == (None, None)


def test_a_trial_that_diverges_is_never_the_best(folder, command):
    write_grid(folder / "mixed.toml", "./data.npz", learning_rate=[1e20, 1e-6], alpha=[1e10, 10.0])
    assert command("--grid", "mixed.toml").code == 0
    log = table(folder / "runs" / "mixed")
    assert set(log.state) == {"COMPLETE", "FAIL"}
    assert (log.val_cost.isna() == (log.state == "FAIL")).all()
    assert summary_of(folder / "runs" / "mixed")["best"]["val_cost"] == log.val_cost.min()


# --- The same command, and others, in a folder that holds a run


def test_the_same_command_again_prints_the_result_and_trains_nothing(command, run_dir):
    before = contents(run_dir)
    outcome = command()
    assert outcome.code == 0
    assert "best number of epochs" in outcome.out
    assert contents(run_dir) == before


@pytest.mark.parametrize("lost", ["summary.json", "report.html", "best_model.npz"])
def test_a_run_without_a_summary_is_finished_again_without_training_trials(command, run_dir, lost):
    log, result = contents(run_dir / "trials"), summary_of(run_dir)
    (run_dir / "summary.json").unlink()
    (run_dir / lost).unlink(missing_ok=True)
    outcome = command()
    assert outcome.code == 0
    assert "16 of them done" in outcome.err
    assert (run_dir / lost).exists()
    assert contents(run_dir / "trials") == log
    again = summary_of(run_dir)
    assert (again["best"], again["test"]) == (result["best"], result["test"])


def test_a_lost_file_of_the_log_is_trained_again_to_the_same_bits(command, run_dir):
    before = table(run_dir)
    (run_dir / "summary.json").unlink()
    next(run_dir.glob("trials/pack-00001-*.parquet")).unlink()
    assert command().code == 0
    assert_same_results(table(run_dir), before)


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--seed", "1"], ["seed: the run has 0, the command 1"]),
        (["--grid", "other/tiny.toml"], ["alpha: the run has [0.0, 10.0], the command [0.0, 1.0]"]),
        (["--dataset", "other.npz"], ["dataset: the run has data (", "the command other ("]),
        (["--seed", "7", "--dataset", "other.npz"], ["seed: ", "dataset: "]),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_changed_settings_are_named_and_nothing_is_touched(
    folder, command, run_dir, args, named, finished
):
    (folder / "other").mkdir()
    write_grid(folder / "other" / "tiny.toml", "../data.npz", alpha=[0.0, 1.0])
    data_with(folder, "other.npz", y=np.arange(60)[::-1] % 3)
    if not finished:
        (run_dir / "summary.json").unlink()
    before = contents(run_dir)
    outcome = command(*args)
    assert (outcome.code, outcome.out) == (2, "")
    assert all(text in outcome.err for text in named)
    assert "--fresh" in outcome.err
    assert contents(run_dir) == before


def test_a_single_changed_pixel_is_noticed(folder, command, run_dir):
    with np.load(folder / "data.npz") as saved:
        X = saved["X"]
    X[30, 5] ^= 1
    data_with(folder, "data.npz", X=X)
    before = contents(run_dir)
    for args in ([], ["--resume", run_dir]):
        outcome = command(*args)
        assert (outcome.code, outcome.out) == (2, "")
        assert "dataset: the run has data (" in outcome.err
    assert contents(run_dir) == before


def test_fresh_keeps_the_old_run_beside_the_new_one(folder, command, run_dir):
    before = contents(run_dir)
    outcome = command("--fresh", "--seed", "1")
    assert outcome.code == 0
    (old,) = [path for path in (folder / "runs").iterdir() if path != run_dir]
    assert f"The old run is kept in {old}" in outcome.err
    assert contents(old) == before
    assert json.loads((run_dir / "manifest.json").read_text())["config"]["seed"] == 1
    assert command("--resume", old).code == 0


def test_a_run_is_resumed_from_anywhere_by_its_folder_alone(
    folder, command, run_dir, monkeypatch, tmp_path_factory
):
    before = table(run_dir)
    (run_dir / "summary.json").unlink()
    for file in run_dir.glob("trials/pack-00000-*"):
        file.unlink()
    (folder / "tiny.toml").unlink()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert command("--resume", run_dir).code == 0
    assert_same_results(table(run_dir), before)


@pytest.mark.parametrize("known", ["auto", "digits", "fashion-mnist"])
@pytest.mark.parametrize("earlier", [False, True])
def test_a_file_called_like_a_known_data_set_is_known_by_any_path(folder, command, known, earlier):
    name = f"{known}.npz"
    (folder / "data.npz").rename(folder / name)
    assert command("--dataset", name).code == 0
    run_dir = folder / "runs" / "tiny"
    if earlier:  # when the name was the path as it was typed
        manifest = RunFolder(run_dir).existing_manifest()
        dataset = {**manifest.dataset, "name": f"../elsewhere/{name}"}
        RunFolder(run_dir).write_manifest(replace(manifest, dataset=dataset))
    before = table(run_dir)
    for args in (
        ["--resume", run_dir],
        ["--dataset", folder / name],
        ["--dataset", f"../{folder.name}/{name}"],
        ["--dataset", name, "--extend"],
    ):
        outcome = command(*args)
        assert outcome.code == 0, outcome.err
    assert_same_results(table(run_dir), before)
    outcome = command("--dataset", folder / name, "--reuse", run_dir, "--run-dir", "other")
    assert outcome.code == 0, outcome.err
    assert table(folder / "other")["seconds"].sum() == 0


def test_a_link_is_resumed_by_its_own_name(folder, command):
    """As in the cache of a hub, where what is behind a link has no ending."""
    rows = np.random.default_rng(0).normal(size=(60, 3))
    frame = pd.DataFrame(rows, columns=list("abc")).assign(label=["x", "y"] * 30)
    frame.to_csv(folder / "0f3a", index=False)
    (folder / "train.csv").symlink_to("0f3a")
    assert command("--dataset", "train.csv", "--target", "label").code == 0
    outcome = command("--resume", folder / "runs" / "tiny")
    assert outcome.code == 0, outcome.err


def test_a_dry_run_writes_nothing(folder, command):
    before = contents(folder)
    outcome = command("--dry-run")
    assert (outcome.code, outcome.err) == (0, "")
    assert "16" in outcome.out
    assert contents(folder) == before
    assert set(folder.iterdir()) == {folder / "data.npz", folder / "tiny.toml"}


# --- Promises about seeds and words


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(folder, command):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert command("--seed", seed, "--run-dir", name).code == 0
    assert_same_results(table(folder / "a"), table(folder / "b"))
    a, b, c = (summary_of(folder / name) for name in "abc")
    assert (a["best"], a["test"]) == (b["best"], b["test"])
    assert (table(folder / "a").val_cost != table(folder / "c").val_cost).all()
    assert a["test"] != c["test"]


@pytest.mark.parametrize("name", ["a:bug:b", "[bold]x[/]", "a b", "\N{SNOWMAN}", "long" * 40])
def test_any_folder_is_named_as_it_was_given(folder, command, name):
    outcome = command("--run-dir", name, "--no-progress")
    assert outcome.code == 0
    assert outcome.out.endswith(f"Log, model and report are in {name}\n")
    assert f"run folder {name}\n" in outcome.err
    assert len(table(folder / name)) == 16


def test_no_progress_leaves_progress_out(command):
    assert " a second, " in command("--run-dir", "loud").err
    assert " a second, " not in command("--run-dir", "quiet", "--no-progress").err


def test_the_log_can_be_read_without_this_program(run_dir):
    code = f"import pandas as pd; print(len(pd.read_parquet({str(run_dir / 'trials')!r})))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        check=True, capture_output=True, text=True, cwd="/",
    )  # fmt: skip
    assert done.stdout == "16\n"
