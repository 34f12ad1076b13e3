"""`packsweep model RUN --predict ROWS`: labels and probabilities of rows in a file."""

import io
import sys

import numpy as np
import pandas as pd
import pytest

import search
from model.trainers import Trainer
from search.model import main

pytestmark = pytest.mark.xdist_group("predicting")  # their runs are made once

SGD = "partial_fit:sklearn.linear_model.SGDClassifier"
FOREST = "warm_start:sklearn.ensemble.RandomForestClassifier"


def table(n, seed):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    frame = pd.DataFrame({
        "width": rng.normal(size=n) + y,
        "colour": np.array(["red", "dark green", "blue"])[(y + (rng.random(n) < 0.2)) % 3],
        "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 9, n), "D"),
        "kind": np.array(["ash tree", "birch", "cedar, red"])[y],
    })  # fmt: skip
    frame.loc[1, "width"] = np.nan
    return frame


class Silent(Trainer):
    """A trainer that does not predict."""

    version = "1"

    def advance(self, state, params, epochs, data):
        return 0

    def score(self, state, data):
        return {"cost": 1.0, "accuracy": 0.0}


GRIDS = {
    "softmax": {
        "space": {"batch_size": [8], "learning_rate": [0.1], "alpha": [0.0], "epochs": [3]},
        "features": "standardized",
    },
    "sgd": {
        "space": {"loss": ["log_loss"], "epochs": [2]}, "trainer": SGD, "features": "standardized",
    },
    "forest": {"space": {"max_depth": [3], "epochs": [4]}, "trainer": FOREST},
    "silent": {"space": {"a": [1], "epochs": [1]}, "trainer": f"{__name__}:Silent"},
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder, train, test = tmp_path_factory.mktemp("runs"), table(90, 0), table(30, 1)
    found = {}
    for name, grid in GRIDS.items():
        data = {
            "X": train.drop(columns="kind"), "y": train["kind"].to_numpy(str),
            "X_test": test.drop(columns="kind"), "y_test": test["kind"].to_numpy(str),
        }  # fmt: skip
        found[name] = search.sweep(
            grid, data, folder=folder / name, missing="mean", executor="serial", progress=False
        )
    return found


def asked(run, rows, *more):
    return main([str(run.folder), "--predict", str(rows), "--trust", *map(str, more)])


@pytest.mark.parametrize("name", ["softmax", "sgd", "forest"])
def test_what_is_predicted_has_the_accuracy_that_was_told(runs, name, tmp_path, capsys):
    test = table(30, 1)
    test.to_csv(tmp_path / "rows.csv", index=False)
    assert asked(runs[name], tmp_path / "rows.csv") == 0
    out, err = capsys.readouterr()
    found = pd.read_csv(io.StringIO(out))
    told = runs[name].summary.test.accuracy
    assert np.mean(found["predicted"] == test["kind"]) == told
    assert list(found)[1:] == ["p(ash tree)", "p(birch)", "p(cedar, red)"]
    np.testing.assert_allclose(found.iloc[:, 1:].sum(axis=1), 1)
    assert "does not look at kind" in err


@pytest.mark.parametrize("name", ["softmax", "sgd"])
def test_files_of_all_formats_hold_the_same(runs, name, tmp_path, capsys):
    table(9, 2).drop(columns="kind").to_parquet(tmp_path / "rows.parquet")
    files = [tmp_path / f"p.{ending}" for ending in ("csv", "parquet", "npz")]
    assert asked(runs[name], tmp_path / "rows.parquet", *files) == 0
    text, columns, arrays = pd.read_csv(files[0]), pd.read_parquet(files[1]), np.load(files[2])
    pd.testing.assert_frame_equal(text, columns, check_dtype=False)
    assert arrays["predicted"].tolist() == text["predicted"].tolist()
    np.testing.assert_array_equal(arrays["probabilities"], columns.iloc[:, 1:])
    assert capsys.readouterr().out.split() == list(map(str, files))
    assert asked(runs[name], tmp_path / "rows.parquet", files[0]) == 2
    assert "--force" in capsys.readouterr().err


def test_arrays_are_rows_of_features(tmp_path, capsys):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = rng.normal(size=(60, 2, 2)) + y[:, None, None]
    found = search.sweep(
        GRIDS["forest"], (X.reshape(60, 4), y), folder=tmp_path / "run", executor="serial",
        progress=False,
    )  # fmt: skip
    expected = found.model.predict(X)
    np.save(tmp_path / "rows.npy", X)
    np.savez(tmp_path / "rows.npz", X=X, y=y)
    pd.DataFrame(X.reshape(60, 4), columns=list("abcd")).to_csv(tmp_path / "rows.csv", index=False)
    for rows in ("rows.npy", "rows.npz", "rows.csv"):
        assert asked(found, tmp_path / rows) == 0
        read = pd.read_csv(io.StringIO(capsys.readouterr().out))
        assert read["predicted"].tolist() == expected.tolist()
    np.save(tmp_path / "rows.npy", X[:, :1])
    assert asked(found, tmp_path / "rows.npy") == 2
    assert "the shape (n, 4)" in capsys.readouterr().err
    np.save(tmp_path / "rows.npy", np.where(X > 1, np.nan, X))
    assert asked(found, tmp_path / "rows.npy") == 2
    assert "holds nan at feature" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop(columns="width"), "lacks width"),
        (lambda t: t.assign(width="wide"), "holds text, and numbers in the training rows"),
        (lambda t: t.iloc[:0], "has no rows"),
    ],
)
def test_rows_that_the_model_does_not_take_are_told_in_one_message(
    runs, change, said, tmp_path, capsys
):
    change(table(9, 2)).to_csv(tmp_path / "rows.csv", index=False)
    assert asked(runs["sgd"], tmp_path / "rows.csv") == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_what_else_is_refused(runs, tmp_path, capsys):
    rows = tmp_path / "rows.csv"
    assert asked(runs["sgd"], rows) == 2
    assert "there is no such file" in capsys.readouterr().err
    table(9, 2).to_csv(rows, index=False)
    assert asked(runs["sgd"], rows, tmp_path / "p.onnx") == 2
    assert "not a format of predictions. There are .csv" in capsys.readouterr().err
    assert asked(runs["silent"], rows) == 2
    assert "let it be a model.trainers.Predicts" in capsys.readouterr().err
    assert main([str(runs["sgd"].folder), "--predict", str(rows)]) == 2
    assert "Add --trust" in capsys.readouterr().err


def test_labels_are_visible_in_a_terminal_and_themselves_in_a_file(tmp_path, capsys, monkeypatch):
    y = np.array(["a\x1b[2J", "b\tc"] * 20)
    X = np.random.default_rng(0).normal(size=(40, 2)) + (y == y[0])[:, None]
    found = search.sweep(
        GRIDS["forest"], (X, y), folder=tmp_path / "run", executor="serial", progress=False
    )
    np.save(tmp_path / "rows.npy", X)
    assert asked(found, tmp_path / "rows.npy") == 0
    read = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert set(read["predicted"]) == set(y)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert asked(found, tmp_path / "rows.npy") == 0
    out = capsys.readouterr().out
    assert r"a\x1b[2J" in out
    assert "\x1b" not in out
    assert len(out.splitlines()) == 41
