"""Runs whose trials are compared by averaged weights, through the command line."""

import json

import numpy as np
import pytest
from command_line import table, write_images
from searches import LISTS, Textbook, assert_whole, refused, search, summary_of, write_search
from textbook import averaged

from model.softmax import SoftmaxRegression
from search import load_study
from search.runs import main as runs
from search.status import main as status

# Steps so large that the last weights jitter, and images enough for several readings an epoch.
AXES = LISTS | {"learning_rate": [3e-7, 1.5e-6, 5e-6]}
FIGURES = ["val_cost", "val_accuracy", "val_cost_avg", "val_accuracy_avg"]
HALVING = 'name = "halving"\ninterval = 2'
AVERAGE = 'select = "average"'


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with data, grids, and a run for each readout."""
    path = tmp_path_factory.mktemp("select")
    write_images(path / "data.npz", rows=1000)
    with np.load(path / "data.npz") as data:
        arrays = dict(data)
    for name in ("y", "y_test"):  # labels that nothing tells, or the more epochs the better
        arrays[name][::4] = np.random.default_rng(1).integers(0, 3, 250)
    np.savez(path / "data.npz", **arrays)
    write_search(path / "last.toml", AXES)
    write_search(path / "average.toml", AXES, top=AVERAGE)
    return path


@pytest.fixture
def folder(made, monkeypatch):
    """Work in that folder."""
    monkeypatch.chdir(made)
    return made


@pytest.fixture
def both(folder, capfd):
    """Return the folders of the two runs, which are made once."""
    for name in ("last", "average"):
        if not (folder / "runs" / name).exists():
            search(capfd, "--grid", f"./{name}.toml")
    return folder / "runs" / "last", folder / "runs" / "average"


@pytest.mark.xdist_group("select")
def test_the_best_trial_is_the_lowest_of_its_readout_and_both_are_logged_alike(both):
    last, average = map(table, both)
    assert_whole(last, 36)
    assert_whole(average, 36, "average")
    assert last[FIGURES].equals(average[FIGURES])
    assert last.val_cost.idxmin() != last.val_cost_avg.idxmin()
    for run_dir, column in zip(both, ("val_cost", "val_cost_avg"), strict=True):
        summary, log = summary_of(run_dir), table(run_dir)
        assert summary["best"]["number"] == log[column].idxmin()
        assert [trial["number"] for trial in summary["top"]] == [
            *log.sort_values([column, "number"]).number[:10]
        ]
        assert load_study(run_dir).best_trial.number == log[column].idxmin()


@pytest.mark.xdist_group("select")
def test_averages_are_those_of_a_textbook(folder, both):
    textbook = Textbook(folder / "data.npz")
    X, y, train, validation = textbook.parts
    for row in table(both[1]).sample(6, random_state=0).itertuples():
        model = averaged(
            row.batch_size, row.learning_rate, row.epochs, row.alpha, X[train], y[train], 3
        )
        assert row.val_cost_avg == pytest.approx(model.cost(X[validation], y[validation]), 1e-4)
        correct = np.mean(model.predict(X[validation]) == y[validation])
        assert row.val_accuracy_avg == pytest.approx(correct)
        assert row.last_cost == row.val_cost_avg


@pytest.mark.xdist_group("select")
def test_the_model_has_the_averaged_weights(folder, both):
    with np.load(folder / "data.npz") as data:
        X, y, X_test, y_test = (data[name] for name in ("X", "y", "X_test", "y_test"))
    summary = summary_of(both[1])
    model = SoftmaxRegression.load(both[1] / "best_model.npz")
    assert summary["test"] == summary["tests"]["average"] != summary["tests"]["last"]
    assert model.cost(X_test, y_test) == pytest.approx(summary["test"]["cost"], 1e-5)
    assert np.mean(model.predict(X_test) == y_test) == summary["test"]["accuracy"]
    last = SoftmaxRegression(**summary["best"]["params"], dtype=np.float64)
    # The final training sees the images in the order of the split.
    order = np.concatenate(Textbook(folder / "data.npz").parts[2:])
    last.fit(X[order], y[order], 3)
    assert last.cost(X_test, y_test) == pytest.approx(summary["tests"]["last"]["cost"], 1e-4)


@pytest.mark.xdist_group("select")
def test_whoever_shows_the_run_shows_what_selects(both, capfd):
    last, average = both
    cost = table(average).val_cost_avg.min()
    for main, args in ((status, [average]), (runs, [])):
        assert main([str(arg) for arg in args]) == 0
        assert f" {cost:.4f}" in capfd.readouterr().out
    assert status([str(average)]) == 0
    shown = capfd.readouterr().out.split("The best trials:\n")[1].splitlines()[1:11]
    lowest = sorted(table(average).val_cost_avg)[:10]
    assert [line.split()[1] for line in shown] == [f"{cost:.4f}" for cost in lowest]
    assert runs(["--compare", str(last), str(average)]) == 0
    told = capfd.readouterr().out
    assert "select: last and average" in told
    assert "differ by 0 at most" in told
    page = (average / "report.html").read_text()
    assert "averaged weights *" in page
    assert f"{summary_of(average)['tests']['last']['cost']:.4f}" in page


@pytest.mark.xdist_group("select")
def test_both_readouts_stand_in_the_result(both, capfd):
    printed = search(capfd, "--resume", both[1]).out
    tests = summary_of(both[1])["tests"]
    for title, name in (("last weights ", "last"), ("averaged weights *", "average")):
        (line,) = [line for line in printed.splitlines() if line.startswith(title)]
        assert line.endswith(f"{tests[name]['cost']:.4f}  {100 * tests[name]['accuracy']:.2f} %")


@pytest.mark.xdist_group("select")
def test_a_run_is_not_continued_by_another_readout(both, capfd):
    text = refused(capfd, "--grid", "./last.toml", "--run-dir", both[1])
    assert "select: the run has average, the command last" in text


def test_another_readout_is_refused(folder, capfd):
    write_search(folder / "mean.toml", AXES, top='select = "mean"')
    text = refused(capfd, "--grid", "./mean.toml")
    assert 'select = "mean"' in text
    assert '"last" or "average"' in text


@pytest.mark.xdist_group("select")
@pytest.mark.parametrize(("source", "name"), [(0, "average"), (1, "last")])
def test_trials_are_reused_whatever_selects(both, capfd, source, name):
    run_dir = both[source].parent / f"again-{name}"
    search(capfd, "--grid", f"./{name}.toml", "--run-dir", run_dir, "--reuse", both[source])
    log, own = table(run_dir), table(both[1 - source])
    assert_whole(log, 36, name)
    assert log.source.notna().all()
    assert log[[*FIGURES, "last_cost"]].equals(own[[*FIGURES, "last_cost"]])
    one, other = summary_of(run_dir), summary_of(both[1 - source])
    for key in ("best", "top", "test", "tests"):
        assert one[key] == other[key]


@pytest.mark.xdist_group("select")
def test_a_pruner_goes_by_what_selects_and_forgets_reports_of_the_other(folder, both, capfd):
    write_search(folder / "pruned.toml", AXES, pruner=HALVING, top=AVERAGE)
    search(capfd, "--grid", "./pruned.toml")
    log, whole = table(folder / "runs" / "pruned"), table(both[1])
    assert_whole(log, 36, "average")
    assert (log.state == "PRUNED").any()
    textbook = Textbook(folder / "data.npz")
    X, y, train, validation = textbook.parts
    for row in log[log.state == "PRUNED"].sample(2, random_state=0).itertuples():
        assert dict(row.reports)[row.last_epoch] == row.last_cost
        model = averaged(
            row.batch_size, row.learning_rate, row.last_epoch, row.alpha, X[train], y[train], 3
        )
        assert row.last_cost == pytest.approx(model.cost(X[validation], y[validation]), 1e-4)
    complete = log[log.state == "COMPLETE"]
    np.testing.assert_allclose(
        complete.val_cost_avg, whole.val_cost_avg[complete.number], rtol=1e-4
    )
    write_search(folder / "other.toml", AXES, pruner=HALVING)
    search(capfd, "--grid", "./other.toml", "--reuse", "runs/pruned")
    other = table(folder / "runs" / "other")
    assert_whole(other, 36)
    reused = other[other.source.notna()]
    assert len(reused) == len(complete)
    assert reused.reports.isna().all()
    assert json.loads((folder / "runs" / "other" / "manifest.json").read_text())["reuse"]
