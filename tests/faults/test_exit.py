"""A process that has read a log ends as it should: no thread of a library is in its way."""

import os
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


@pytest.mark.parametrize(
    "command",
    [["-m", "search.run"], ["-m", "search.report"], ["-m", "search"], ["/folder/packsweep"]],
    ids=["run", "report", "search", "packsweep"],
)
def test_an_interrupt_while_a_command_is_imported_shows_no_traceback(command, tmp_path):
    """The first module that is imported after ours sends it."""
    module = command[1] if command[0] == "-m" else "search.commands"
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, signal\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'model':\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
    )
    arguments = command
    if command[0] != "-m":  # as the script that an installer writes
        script = tmp_path / "packsweep"
        script.write_text(f"from {module} import main\nmain()\n")
        arguments = [str(script)]
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path, check=False, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": paths},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "")


def test_who_imports_the_package_keeps_the_handler_of_interrupts():
    code = "import signal, search; print(signal.getsignal(2) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "True\n"
