"""Features of a sweep through the command line: who sees them, and who does not."""

import json

import numpy as np
import pytest
from command_line import contents, invoke, table, write_grid, write_images
from sklearn.preprocessing import StandardScaler

from model.shuffle import split_order
from model.softmax import SoftmaxRegression

FITTING = {"batch_size": [16], "learning_rate": [1e-2, 1e-1], "epochs": [3], "alpha": [0.0, 0.01]}


@pytest.fixture
def command(tmp_path, monkeypatch, capfd):
    """Return a function that sweeps a small grid in this process with some features."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "data.npz")
    text = write_grid(tmp_path / "grid.toml", "./data.npz", **FITTING).read_text()

    def run(features: str, *args: object):
        (tmp_path / "grid.toml").write_text(f'features = "{features}"\n{text}')
        return invoke(
            capfd, "--grid", "./grid.toml", *args, "--executor", "serial", "--no-progress"
        )

    return run


def test_trials_see_features_and_the_final_model_takes_pixels(tmp_path, command):
    outcome = command("standardized")
    assert outcome.code == 0
    assert outcome.out.startswith("4 trials on data, standardized features: 4 complete, in ")
    run_dir = tmp_path / "runs" / "grid"
    assert "4 trials on data, standardized features, started" in (
        run_dir / "report.html"
    ).read_text()  # fmt: skip
    summary = json.loads((run_dir / "summary.json").read_text())
    assert summary["features"] == "standardized"
    with np.load(tmp_path / "data.npz") as saved:
        X, y, X_test, y_test = (saved[name] for name in ("X", "y", "X_test", "y_test"))
    order = split_order(len(y), 0)
    train, validation = order[:-12], order[-12:]
    scaler = StandardScaler().fit(X[train])
    for trial in table(run_dir).itertuples():
        model = SoftmaxRegression(
            trial.batch_size, trial.learning_rate, trial.epochs, trial.alpha, dtype=np.float64
        ).fit(scaler.transform(X[train]), y[train])
        cost = model.cost(scaler.transform(X[validation]), y[validation])
        assert trial.val_cost == pytest.approx(cost, 1e-4)
    # The final training sees all images by the statistics of the training part.
    textbook = SoftmaxRegression(**summary["best"]["params"], dtype=np.float64)
    textbook.fit(scaler.transform(X[order]), y[order])
    final = SoftmaxRegression.load(run_dir / "best_model.npz")
    expected = textbook.predict_proba(scaler.transform(X_test))
    np.testing.assert_allclose(final.predict_proba(X_test), expected, atol=1e-4)
    assert summary["test"]["cost"] == pytest.approx(final.cost(X_test, y_test), 1e-5)


def test_raw_features_are_not_spoken_of(tmp_path, command):
    outcome = command("raw")
    assert outcome.out.startswith("4 trials on data: ")
    assert " features, started" not in (tmp_path / "runs" / "grid" / "report.html").read_text()


def test_a_run_is_not_continued_with_other_features(tmp_path, command):
    assert command("unit").code == 0
    before = contents(tmp_path / "runs")
    outcome = command("standardized")
    assert (outcome.code, outcome.out) == (2, "")
    assert "features: the run has unit, the command standardized" in outcome.err
    assert contents(tmp_path / "runs") == before


def test_trials_of_other_features_are_not_reused(command):
    assert command("unit").code == 0
    outcome = command("raw", "--reuse", "runs/grid", "--run-dir", "other")
    assert outcome.code == 2
    assert "features: unit there, raw here" in outcome.err


def test_features_that_there_are_not_are_refused(command):
    outcome = command("whitened")
    assert outcome.code == 2
    assert 'features must be "raw", "unit" or "standardized"' in outcome.err
