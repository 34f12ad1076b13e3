"""Small runs of each kind, finished and half finished, for tests that change their files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import write_grid, write_images

from search.engine import Orchestrator
from search.record import TrialLog


class Crash(BaseException):
    """Stands for a kill."""


@dataclass(frozen=True)
class Kind:
    """A sweep that leaves files of some kinds.

    Attributes
    ----------
    grid : tuple of str
        The beginning of the command.
    links : int
        Links after which it is half finished.
    """

    grid: tuple[str, ...]
    links: int


KINDS = {
    "grid": Kind(("--grid", "./tiny.toml", "--optimum", "--refits", "2"), 2),
    "replicates": Kind(("--grid", "./tiny.toml", "--seeds", "2"), 3),
    "search": Kind(
        ("--grid", "./range.toml", "--sampler", "random", "--trials", "24", "--reuse", "other"), 2
    ),
    "trainer": Kind(("--grid", "./trained.toml"), 3),
    "pruned": Kind(("--grid", "./tiny.toml", "--pruner", "halving"), 3),
}


TRAINED = """
dataset = "./data.npz"
trainer = "partial_fit:sklearn.linear_model.SGDClassifier"
[space]
loss = ["log_loss", "hinge"]
alpha = [0.0001, 0.1, 1.0]
epochs = [1, 2, 4]
"""


def prepare(folder: Path) -> None:
    """Write the data and the grids that the commands name."""
    write_images(folder / "data.npz")
    write_grid(folder / "tiny.toml", "./data.npz")
    space = {"learning_rate": [1e-6, 2e-6, 5e-6], "alpha": [0.0, 10.0]}
    grid = write_grid(folder / "range.toml", "./data.npz", **space)
    grid.write_text(grid.read_text() + "[sampler]\nname = 'random'\ntrials = 24\nbatch = 6\n")
    (folder / "trained.toml").write_text(TRAINED)


def command(kind: str, run: str, *more: str) -> tuple[str, ...]:
    """Return what `invoke` takes for a run of a kind."""
    return (*KINDS[kind].grid, "--executor", "serial", "--no-progress", "--run-dir", run, *more)


def crash_after(patch: pytest.MonkeyPatch, links: int) -> None:
    """Let the commands to come die after some links, with the rows of the last one staged."""
    record, publish = Orchestrator._record, TrialLog.publish
    left = iter(range(links - 1))

    def counted(*args: object) -> None:
        if next(left, None) is None:
            patch.setattr(TrialLog, "publish", crash)
        record(*args)

    def crash(*args: object) -> None:
        raise Crash

    patch.setattr(Orchestrator, "_record", counted)
    patch.setattr(TrialLog, "publish", publish)


def make_runs(folder: Path, kind: str, run: Callable[..., object]) -> None:
    """Make ``whole``, ``half`` and, with another seed, ``strange`` of a kind, and what they reuse.

    Parameters
    ----------
    folder : Path
        The working directory.
    kind : str
    run : callable
        Runs the command.
    """
    prepare(folder)
    if "--reuse" in KINDS[kind].grid:
        run(*command("grid", "other"))
    run(*command(kind, "whole"))
    with pytest.MonkeyPatch.context() as patch:
        crash_after(patch, KINDS[kind].links)
        with pytest.raises(Crash):
            run(*command(kind, "half"))
    if "--reuse" not in KINDS[kind].grid:
        run(*command(kind, "strange", "--seed", "7"))
