"""A process that has read a log ends as it should: no thread of a library is in its way."""

import subprocess
import sys

import pytest
from command_line import write_grid, write_images

from search.run import main


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a run with two files in its log."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "data.npz")
    write_grid(tmp_path / "tiny.toml", "./data.npz")
    assert main(["--grid", "./tiny.toml", "--executor", "serial", "--run-dir", "run"]) == 0
    return tmp_path / "run"


def test_who_has_read_a_log_ends_with_0(run):
    code = """if True:
        from pathlib import Path
        from search.record import RunFolder, read_log
        folder = RunFolder(Path("run"))
        read_log(folder.trials, run=folder.run)
    """
    commands = [[sys.executable, "-c", code]] * 4 + [[sys.executable, "-m", "search.status", "run"]]
    for command in commands:
        done = subprocess.run(command, cwd=run.parent, check=False, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
