"""What the tests of sampled and pruned searches share: small searches, and a textbook beside."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import Outcome, invoke

from model.shuffle import split_order
from model.softmax import SoftmaxRegression
from search.config import AXES

SERIAL = ("--executor", "serial", "--no-progress")
LISTS = {
    "batch_size": [4, 12],
    "learning_rate": [1e-7, 1e-6, 5e-6],
    "epochs": [2, 4, 8],
    "alpha": [0.0, 10.0],
}
RANGES = {
    "batch_size": [4, 8, 12],
    "learning_rate": "{low = 1e-7, high = 5e-6, log = true}",
    "epochs": "{low = 2, high = 12, step = 2}",
    "alpha": "{low = 0.0, high = 10.0}",
}
RANGES_OF_BATCHES = RANGES | {"batch_size": "{low = 4, high = 12, step = 4}"}


def write_search(
    path: Path,
    axes: dict[str, Sequence[float] | str],
    sampler: str = "",
    pruner: str = "",
    top: str = "",
) -> Path:
    """Write a file of settings; sampler and pruner are lines of their tables."""
    space = "\n".join(f"{name} = {values}" for name, values in axes.items())
    tables = {"sampler": sampler, "pruner": pruner}
    rest = "\n".join(f"[{name}]\n{lines}" for name, lines in tables.items() if lines)
    path.write_text(f'dataset = "./data.npz"\n{top}\n[space]\n{space}\n{rest}\n')
    return path


def search(capfd: pytest.CaptureFixture[str], *args: object) -> Outcome:
    """Search in this process, which shall succeed."""
    outcome = invoke(capfd, *args, *SERIAL)
    assert outcome.code == 0, outcome.err
    return outcome


def refused(capfd: pytest.CaptureFixture[str], *args: object) -> str:
    """Give a command that is refused as wrong usage; return its message."""
    outcome = invoke(capfd, *args, *SERIAL)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: ")
    assert "Traceback" not in outcome.err
    return outcome.err


def summary_of(run_dir: Path) -> dict:
    """Read the summary of a finished run."""
    return json.loads((run_dir / "summary.json").read_text())


def assert_same_log(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Compare all that two logs say but when and where, bit for bit."""
    varying = ["seconds", "started_at", "finished_at", "node"]
    pd.testing.assert_frame_equal(
        one.drop(columns=varying), other.drop(columns=varying), check_exact=True
    )


def assert_whole(log: pd.DataFrame, total: int, select: str = "last") -> None:
    """Check that each trial has one row, and each row what its state promises."""
    assert log.number.tolist() == list(range(total))
    complete, pruned = (log[log.state == state] for state in ("COMPLETE", "PRUNED"))
    assert len(complete) + len(pruned) == total
    figures = ["val_cost", "val_accuracy", "val_cost_avg", "val_accuracy_avg"]
    selected = {"last": "val_cost", "average": "val_cost_avg"}[select]
    assert (complete[selected] == complete.last_cost).all()
    assert (complete.last_epoch == complete.epochs).all()
    assert np.isfinite(complete[figures]).all(axis=None)
    assert pruned[figures].isna().all(axis=None)
    assert (pruned.last_epoch < pruned.epochs).all()
    assert np.isfinite(log.last_cost).all()


def assert_in_space(log: pd.DataFrame, axes: dict[str, Sequence[float] | str]) -> None:
    """Check the params of a log against lists, and against the ranges of this file."""
    for name, values in axes.items():
        if not isinstance(values, str):
            assert set(log[name]) <= set(values)
    if isinstance(axes["epochs"], str):
        assert set(log.epochs) <= set(range(2, 13, 2))
        assert log.learning_rate.between(1e-7, 5e-6).all()
        assert log.alpha.between(0.0, 10.0).all()
    assert set(log.batch_size) <= {4, 8, 12}


class Textbook:
    """Trains single trajectories of a data set, one row of mathematics after the other."""

    def __init__(self, data: Path, seed: int = 0) -> None:
        with np.load(data) as saved:
            X, y = saved["X"].astype(np.float64), saved["y"]
        order = split_order(len(y), seed)
        self._train, self._validation = order[: -len(y) // 5], order[-len(y) // 5 :]
        self._X, self._y, self._seed = X, y, seed

    @property
    def parts(self) -> tuple[np.ndarray, ...]:
        """Images, labels, and which of them train and score."""
        return self._X, self._y, self._train, self._validation

    def cost(self, row: pd.Series, epochs: int) -> float:
        """Return the validation cost of a trial's trajectory after some epochs."""
        model = SoftmaxRegression(
            row.batch_size, row.learning_rate, epochs, row.alpha,
            seed=self._seed, dtype=np.float64,
        )  # fmt: skip
        model.fit(self._X[self._train], self._y[self._train], n_classes=3)
        return model.cost(self._X[self._validation], self._y[self._validation])

    def check(self, log: pd.DataFrame) -> None:
        """Compare the newest cost of every trial."""
        expected = [self.cost(row, row.last_epoch) for row in log.itertuples()]
        np.testing.assert_allclose(log.last_cost, expected, rtol=1e-4)


def costs_by_params(log: pd.DataFrame) -> dict[tuple[float, ...], float]:
    """Return the newest cost of each trial by its params."""
    return dict(zip(log[list(AXES)].itertuples(index=False, name=None), log.last_cost, strict=True))
