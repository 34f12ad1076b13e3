"""What the tests of the command line share: small data, small grids, and the command itself."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cluster.executor import SerialExecutor
from model.seal import Seal
from model.speed import SpeedModel
from search.engine import calibration
from search.record import RunFolder, Ties, read_links
from search.run import main
from search.storage import json_content

AXES = {
    "batch_size": [4, 16],
    "learning_rate": [1e-6, 5e-6],
    "epochs": [1, 3],
    "alpha": [0.0, 10.0],
}


# What python is given to start the command.
RUN = ("-m", "search.run")

# Seconds after which it is thought to hang: what takes some takes a minute on a busy machine.
LIMIT = 240.0


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit code, and what it printed."""

    code: int
    out: str
    err: str


def invoke(capfd: pytest.CaptureFixture[str], *args: object) -> Outcome:
    """Run the command in this process."""
    capfd.readouterr()
    try:
        code = main([str(arg) for arg in args])
    except SystemExit as end:  # argparse leaves this way
        code = end.code if isinstance(end.code, int) else 1
    return Outcome(code, *capfd.readouterr())


class Hold:
    """Keeps a command that is started in mid-sweep, be the machine fast or slow.

    A test that does something to a sweep that is under way must not have to be quicker than it.

    Parameters
    ----------
    links : int
        How many links are not held.
    parent : Path
        A folder that the command and its workers see too.
    what : str
        Who waits: "command", as soon as so many links that end trials are in the log; "workers"
        of Ray, at the beginning of every link but the first so many; "workers:refit" and the like,
        at that of other tasks; "before:share" and the like, the command before it asks that of its
        executor. With "hanging" for "workers" the command gives up after seconds; with "failing"
        they do not wait, but fail on the machine whose id is in the file "bad" of the folder.

    Attributes
    ----------
    folder : Path
    run : tuple of str
        In place of `RUN`.
    """

    def __init__(self, links: int, parent: Path, what: str = "command") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hold-", dir=parent))
        self.run = (str(Path(__file__).with_name("held.py")), str(self.folder), what, str(links))

    def waiting(self) -> list[tuple[str, int]]:
        """Return the host and the number of each process that has come to wait."""
        names = [path.name.split() for path in self.folder.iterdir() if path.name != "go"]
        return sorted((host, int(process)) for host, process in names)

    def go(self) -> None:
        """Hold nothing any more."""
        (self.folder / "go").touch()


def start(
    *args: object, cwd: Path, hold: Hold | None = None, **options: object
) -> subprocess.Popen[str]:
    """Start the command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, *(hold.run if hold else RUN), *map(str, args)],
        cwd=cwd, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )  # fmt: skip


def finish(process: subprocess.Popen[str], timeout: float = LIMIT) -> Outcome:
    """Wait for a started command; one that does not end is killed, and the test fails."""
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        end(process)
    return Outcome(process.returncode, out, err)


def end(process: subprocess.Popen[str]) -> None:
    """Kill a started command where it still runs."""
    with process:  # closes its pipes too
        process.kill()


def wait_until(
    condition: Callable[[], bool], process: subprocess.Popen[str], pause: float = 0.005
) -> None:
    """Wait for something that a started command does."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert process.poll() is None, f"ended too soon: {process.communicate()}"
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(pause)


def start_until(
    links: int, run_dir: Path, *args: object, cwd: Path
) -> tuple[subprocess.Popen[str], Hold]:
    """Start the command and wait until the log of its run holds so many links.

    It is held a little later, so it may be anywhere in a link but not at its end.
    """
    hold = Hold(links - logged_files(run_dir) + 2, cwd)
    process = start(*args, cwd=cwd, hold=hold)
    try:
        wait_until(lambda: logged_files(run_dir) >= links, process, pause=0.001)
    except BaseException:
        end(process)
        raise
    return process, hold


def write_grid(path: Path, dataset: str, **axes: Sequence[float]) -> Path:
    """Write a grid of 16 trials, or with other values where they are given."""
    space = "\n".join(f"{name} = {list(values)}" for name, values in (AXES | axes).items())
    path.write_text(f'dataset = "{dataset}"\n[space]\n{space}\n')
    return path


def write_images(path: Path, rows: int = 60, pixels: int = 12, classes: int = 3) -> Path:
    """Write images that look like their class, as many for the test."""
    random = np.random.default_rng(0)
    looks = random.integers(0, 256, (classes, pixels))
    y = np.arange(2 * rows) % classes
    X = np.clip(looks[y] + random.normal(0, 60, (2 * rows, pixels)), 0, 255).astype(np.uint8)
    np.savez(path, X=X[:rows], y=y[:rows], X_test=X[rows:], y_test=y[rows:])
    return path


def pretend(
    seconds: float, batch_sizes: Sequence[int], pixels: int, classes: int, workers: int = 1
) -> None:
    """Let the commands to come believe that a row costs so many seconds."""
    executor, line = SerialExecutor(), (seconds, 0.0)
    executor.workers = workers
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            calibration, "measure", lambda *shape: SpeedModel(dict.fromkeys(shape[0], line), line)
        )
        assert calibration.calibrate(executor, batch_sizes, pixels, classes).scoring == line


def table(run_dir: Path) -> pd.DataFrame:
    """Read the log of a run, by trial number, as any reader of parquet would."""
    return pd.read_parquet(run_dir / "trials").sort_values("number", ignore_index=True)


def tied(run_dir: Path) -> Ties | None:
    """Return what the summary of a run says of trials that cannot be told from the best one."""
    summary = RunFolder(run_dir).read_summary()
    assert summary
    return summary.indistinguishable


def assert_same_results(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Compare what two logs say of each trial, bit for bit."""
    figures = ["val_cost", "val_accuracy", "val_cost_avg", "val_accuracy_avg"]
    names = ["number", "state", *AXES, *figures, "error"]
    pd.testing.assert_frame_equal(one[names], other[names], check_exact=True)


def logged_files(run_dir: Path) -> int:
    """Count the finished links in the log of a run, which need not be there yet."""
    return len(list(run_dir.glob("trials/[!.]*.parquet")))


def change_manifest(run_dir: Path, **changes: object) -> None:
    """Replace entries of a run's manifest, and seal it again."""
    path = run_dir / "manifest.json"
    manifest = json.loads(path.read_bytes())
    del manifest["seal"]
    path.write_bytes(json_content(manifest | changes, Seal(manifest["run"], path.name)))


def trained_links(run_dir: Path) -> list[tuple[int, int, int]]:
    """Return (pack, start, end) of each link that was trained, as often as it was."""
    links = read_links(RunFolder(run_dir))
    return [(link.pack, link.start_epoch, link.epoch) for link in links if link.trained_epochs]


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return all files of a folder but the lock, with time and content."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def is_root() -> bool:
    """Whether permissions do not count and file systems can be mounted."""
    return os.geteuid() == 0
