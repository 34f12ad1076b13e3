"""Data sets of one's own through the command line: loaded, said aloud, true to the last figure."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from command_line import invoke
from sklearn.datasets import load_breast_cancer, load_iris

from model.softmax import SoftmaxRegression

SERIAL = ("--executor", "serial", "--no-progress")
GRID = """
features = "standardized"
select = "average"
{more}
[space]
batch_size = [16]
learning_rate = [0.03, 0.1]
epochs = [5, 20]
alpha = [0, 1e-3]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with iris as tables, and a small grid."""
    monkeypatch.chdir(tmp_path)
    iris = load_iris(as_frame=True)
    frame = iris.data.assign(species=iris.target_names[iris.target])
    frame.to_csv("iris.csv", index=False)
    (tmp_path / "parts").mkdir()
    frame[::2].to_parquet("parts/train.parquet")
    frame[1::2].to_parquet("parts/test.parquet")
    grid()
    return tmp_path


def grid(more="", name="tiny.toml"):
    with open(name, "w") as file:  # noqa: PTH123 - beside the command
        file.write(GRID.format(more=more))


def summary(run):
    return json.loads((run / "summary.json").read_text())


def test_a_table_without_a_grid_of_ones_own(folder, capfd):
    outcome = invoke(capfd, "--dataset", "iris.csv", "--target", "species", *SERIAL)
    assert outcome.code == 0
    said = outcome.err.splitlines()
    assert said[0].startswith("iris.csv: 150 rows x 4 features (float64, 0.1 to 7.9), 3 classes (s")
    assert "sepal length (cm), sepal width (cm)" in said[1]
    run = folder / "runs" / "tabular-iris"
    assert f"1260 trials on iris; run folder {run.relative_to(folder)}" in outcome.err
    found = summary(run)
    assert found["best"]["val_accuracy"] > 0.9
    page = (run / "report.html").read_text()
    assert "The data set has no test rows" in page
    assert "images" not in page[page.index("<body>") : page.index("<script>")]
    again = invoke(capfd, "--dataset", "iris.csv", "--target", "species", *SERIAL)
    assert (again.code, again.out) == (0, outcome.out)


def test_labels_stand_everywhere_as_they_were_written(folder, capfd):
    outcome = invoke(
        capfd, "--grid", "./tiny.toml", "--dataset", "parts", "--target", "species", *SERIAL
    )
    assert outcome.code == 0
    run, names = folder / "runs" / "tiny", ["setosa", "versicolor", "virginica"]
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["dataset"]["classes"] == names
    assert manifest["config"]["reading"]["target"] == "species"
    file = next((run / "trials").glob("*.parquet"))
    assert json.loads(pq.read_schema(file).metadata[b"classes"]) == names
    model = SoftmaxRegression.load(run / "best_model.npz")
    test = pd.read_parquet("parts/test.parquet")
    predicted = model.predict(test[list(model.feature_names)].to_numpy())
    assert model.feature_names == tuple(test.columns[:4])
    assert np.mean(predicted == test["species"]) == summary(run)["test"]["accuracy"]


def test_told_figures_are_those_of_the_saved_model_in_a_fresh_process(folder, capfd):
    X, y = load_breast_cancer(return_X_y=True)
    X = X + 1e7 * X.std(axis=0)
    np.savez("far.npz", X_train=X[::2], y_train=y[::2], X_test=X[1::2], y_test=y[1::2])
    outcome = invoke(capfd, "--grid", "./tiny.toml", "--dataset", "far.npz", *SERIAL)
    assert outcome.code == 0
    run = folder / "runs" / "tiny"
    told = summary(run)["test"]
    assert told["accuracy"] > 0.95
    code = (
        "import json, sys, numpy as np; from pathlib import Path\n"
        "from model.softmax import SoftmaxRegression\n"
        "model, data = SoftmaxRegression.load(Path(sys.argv[1])), np.load('far.npz')\n"
        "X, y = data['X_test'], data['y_test']\n"
        "one = np.mean([model.predict(row[None])[0] == label for row, label in zip(X, y)])\n"
        "print(json.dumps([model.cost(X, y), model.accuracy(X, y), float(one)]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, run / "best_model.npz"],
        capture_output=True, text=True, check=True, cwd=folder,
    )  # fmt: skip
    assert json.loads(found.stdout) == [told["cost"], told["accuracy"], told["accuracy"]]


def test_a_dry_run_says_what_would_be_loaded(folder, capfd):
    np.savez("mine.npz", X=np.eye(12)[:, :4], y=np.arange(12) % 2 + 1, X_val=np.eye(4))
    outcome = invoke(capfd, "--grid", "smoke", "--dataset", "mine.npz", "--dry-run")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0] == (
        "mine.npz: 12 rows x 4 features (float64, 0 to 1), 2 classes (1, 2); not used: X_val"
    )
    assert "move the weights too little" in lines[1]
    assert "--grid tabular" in lines[1]
    assert not (folder / "runs").exists()


def test_a_grid_that_learns_nothing_says_so_first(folder, capfd):
    outcome = invoke(
        capfd, "--grid", "smoke", "--dataset", "iris.csv", "--target", "species", *SERIAL
    )
    assert outcome.code == 0
    told = outcome.out.index("no more than always naming the largest class")
    assert told < outcome.out.index("best number of epochs")


def test_a_run_is_continued_from_its_own_manifest(folder, capfd):
    grid('[reading]\nmissing = "mean"')
    args = ("--grid", "./tiny.toml", "--dataset", "iris.csv", "--target", "species", *SERIAL)
    assert invoke(capfd, *args).code == 0
    run = folder / "runs" / "tiny"
    (run / "summary.json").unlink()
    outcome = invoke(capfd, "--resume", "runs/tiny", *SERIAL)
    assert outcome.code == 0
    refused = invoke(capfd, *args[:4], "--target", "petal width (cm)", *SERIAL)
    assert refused.code == 2
    assert "regression" in refused.err
    settled = invoke(capfd, "--resume", "runs/tiny", "--target", "x")
    assert settled.code == 2
    assert "leave --target out" in settled.err


@pytest.mark.parametrize(
    "more", ["folds = 3", "folds = 3\nseeds = 2", 'folds = 2\nfeatures = "unit"']
)
def test_folds_with_fitted_features(folder, capfd, more):
    grid(more)
    text = GRID.format(more=more)
    if "unit" in more:
        text = text.replace('features = "standardized"', "", 1)
    (folder / "tiny.toml").write_text(text)
    outcome = invoke(
        capfd, "--grid", "./tiny.toml", "--dataset", "parts", "--target", "species", *SERIAL
    )
    assert outcome.code == 0
    found = summary(folder / "runs" / "tiny")
    assert found["test"]["accuracy"] > (0.5 if "unit" in more else 0.8)
    model = SoftmaxRegression.load(folder / "runs" / "tiny" / "best_model.npz")
    train = pd.read_parquet("parts/train.parquet").iloc[:, :4].to_numpy()
    if "unit" not in more:  # the final training's features are those of all rows
        np.testing.assert_allclose(model.features.shift, train.mean(axis=0), rtol=1e-12)


def test_weights_and_a_validation_part_of_ones_own(folder, capfd):
    rows = pd.read_csv("iris.csv").assign(weight=np.linspace(1, 3, 150))
    (folder / "own").mkdir()
    rows[::2].to_csv("own/train.csv", index=False)
    rows[1::4].to_csv("own/validation.csv", index=False)
    rows[3::4].to_csv("own/test.csv", index=False)
    args = ("--dataset", "own", "--target", "species", "--weights", "weight", *SERIAL)
    outcome = invoke(capfd, "--grid", "./tiny.toml", *args)
    assert outcome.code == 0
    assert "test set of 37 rows, validation set of 38 rows, weighted rows" in outcome.err
    run = folder / "runs" / "tiny"
    model = SoftmaxRegression.load(run / "best_model.npz")
    test = rows[3::4]
    weighted = np.average(
        model.predict(test.iloc[:, :4].to_numpy()) == test["species"], weights=test["weight"]
    )
    assert summary(run)["test"]["accuracy"] == pytest.approx(weighted, rel=1e-12)
    grid("folds = 3", "folds.toml")
    refused = invoke(capfd, "--grid", "./folds.toml", *args)
    assert refused.code == 2
    assert "has its own validation rows" in refused.err


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("--dataset", "iris.csv"), "which column holds the labels? Give --target COLUMN"),
        (("--dataset", "iris.csv", "--target", "specis"), "Did you mean 'species'?"),
        (("--dataset", "iris.csv", "--keys", "X=a"), "--keys names the arrays"),
        (("--dataset", "digits", "--target", "a"), "digits is complete as it is"),
        (("--dataset", "iris.csv", "--keys", "X"), "is not a list such as X=images,y=labels"),
        (("--dataset", "iris.csv", "--keys", "Q=a"), "keys must be a table such as"),
        (("--dataset", "parts"), "such as --target 'species'"),
        (("--dataset", "."), "holds no training data"),
    ],
)
def test_a_mistake_is_one_message(folder, capfd, args, expected):
    if args[1] == ".":
        for path in folder.glob("*.csv"):
            path.unlink()
    outcome = invoke(capfd, *args, *SERIAL)
    assert outcome.code == 2
    assert expected in outcome.err
    assert "Traceback" not in outcome.err
    assert not (folder / "runs").exists()
