"""A sweep on rows that stay in their file gives what it gives on arrays, and tells of a file."""

import numpy as np
import pandas as pd
import pytest

import search
from model import seen_rows
from model.errors import DataError
from search.errors import PacksweepError
from search.run import main

SPACE = {
    "batch_size": [16, 32],
    "learning_rate": [0.01, 0.1],
    "epochs": [1, 3],
    "alpha": [0.0, 0.01],
}
GRID = {"features": "standardized", "select": "average", "space": SPACE}
QUIET = {"executor": "serial", "progress": False}
COLUMNS = ["number", "val_cost", "val_accuracy", "val_cost_avg", "last_epoch"]


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    y = np.arange(400) % 4
    X = (random.normal(size=(400, 6)) + 2 * np.eye(4, 6)[y]).astype(np.float16)
    (tmp_path / "rows").mkdir()
    for part, rows in (("train", slice(0, 300)), ("test", slice(300, None))):
        np.save(tmp_path / "rows" / f"X_{part}.npy", X[rows])
        np.save(tmp_path / "rows" / f"y_{part}.npy", y[rows])
    return tmp_path / "rows"


def sweep(data, run, **options):
    return search.sweep(GRID, data, folder=run, **QUIET, **options)


@pytest.fixture
def in_place(monkeypatch):
    """Let rows of any size stay where they are."""
    monkeypatch.setattr(seen_rows, "MOST_LAID_OUT", 0)


def test_it_gives_the_log_and_the_model_of_arrays(folder, tmp_path, monkeypatch):
    laid_out = sweep(folder, tmp_path / "arrays")
    monkeypatch.setattr(seen_rows, "MOST_LAID_OUT", 0)
    parts = ("X_train", "y_train", "X_test", "y_test")
    maps = tuple(np.load(folder / f"{part}.npy", mmap_mode="r") for part in parts)
    for data, run in ((folder, "files"), (maps, "maps")):
        found = sweep(data, tmp_path / run)
        pd.testing.assert_frame_equal(found.log()[COLUMNS], laid_out.log()[COLUMNS])
        assert found.summary.test == laid_out.summary.test
        np.testing.assert_array_equal(found.model.W, laid_out.model.W)


def changed(path):
    X = np.load(path)
    X[0] += 1
    path.unlink()  # whoever has it open still reads the old one
    np.save(path, X)


@pytest.mark.parametrize(
    ("harm", "said"),
    [(changed, "has changed"), (lambda path: path.unlink(), "can no longer be read")],
)
@pytest.mark.usefixtures("in_place")
def test_a_file_that_changes_on_the_way_stops_it_with_one_message(folder, tmp_path, harm, said):
    def on_event(event):
        if event.kind == "advanced" and (folder / "X_train.npy").exists():
            harm(folder / "X_train.npy")

    with pytest.raises(DataError, match=said):
        sweep(folder, tmp_path / "run", on_event=on_event)


class StopError(Exception):
    pass


@pytest.mark.usefixtures("in_place")
def test_a_file_that_changed_before_it_goes_on_is_told(folder, tmp_path, capfd):
    def stop(event):
        if event.kind == "advanced":
            raise StopError

    with pytest.raises(StopError):
        sweep(folder, tmp_path / "run", on_event=stop)
    kept = (folder / "X_train.npy").read_bytes()
    changed(folder / "X_train.npy")
    with pytest.raises(PacksweepError, match="other settings") as caught:
        sweep(folder, tmp_path / "run")
    assert "  dataset: the run" in str(caught.value)
    (folder / "X_train.npy").unlink()
    code = main(["--resume", str(tmp_path / "run"), "--executor", "serial", "--no-progress"])
    told = capfd.readouterr().err
    assert code == 2
    assert told.startswith(f"error: {folder}")
    assert "Traceback" not in told
    (folder / "X_train.npy").write_bytes(kept)
    assert sweep(folder, tmp_path / "run").summary.trials.complete == 16
