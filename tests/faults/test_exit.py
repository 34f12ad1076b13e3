"""A process that has read a log ends as it should: no thread of a library is in its way."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from command_line import write_grid, write_images
from pyarrow import csv, feather, parquet
from reports import finished_run

from search.run import main

LATE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
int PyGILState_Ensure(void) {
    static int (*real)(void);
    if (!real) real = dlsym(RTLD_NEXT, "PyGILState_Ensure");
    if (syscall(SYS_gettid) != getpid()) {
        fputs("a thread wants Python\\n", stderr);
        usleep(300000);
    }
    return real();
}
"""


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """Return surroundings in which other threads are late when they want Python."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("late")
    (folder / "late.c").write_text(LATE)
    command = ["cc", "-shared", "-fPIC", "-o", "late.so", "late.c", "-ldl"]
    subprocess.run(command, cwd=folder, check=True)
    surroundings = os.environ | {"LD_PRELOAD": str(folder / "late.so")}
    # A thread of a library that reads an object of Python's, and wants Python for it.
    code = "import io; from pyarrow import csv; csv.read_csv(io.BytesIO(b'a\\n1\\n'))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=surroundings, check=True, capture_output=True, text=True
    )
    if "a thread wants Python" not in done.stderr:
        pytest.skip("needs a Python in a shared library: another one holds no thread back")
    return surroundings


def tables(folder):
    """Write a table in each format that is read by a library's threads."""
    columns = {f"c{i}": np.arange(600.0) * i for i in range(20)}
    table = pa.table(columns | {"label": np.arange(600) % 3})
    csv.write_csv(table, folder / "rows.csv")
    parquet.write_table(table, folder / "rows.parquet")
    feather.write_feather(table, folder / "rows.feather", compression="lz4")


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


def test_no_thread_is_started_to_read_a_log_without_seals(tmp_path):
    run = finished_run(tmp_path / "run", np.linspace(1, 2, 16))[0].path
    code = f"""if True:
        import os
        from pathlib import Path
        from search.record import RunFolder, read_log
        folder = RunFolder(Path({str(run)!r}))
        before = len(os.listdir("/proc/self/task"))
        read_log(folder.trials, run=folder.run)
        print(len(os.listdir("/proc/self/task")) - before)
    """
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "0\n"


@pytest.mark.parametrize(
    "command",
    [["status"], *(["data", f"rows.{end}"] for end in ("csv", "parquet", "feather"))],
    ids=["log", "csv", "parquet", "feather"],
)
def test_no_thread_of_a_library_wants_python_when_a_command_ends(command, late, tmp_path):
    """Such a thread is late now and then on a busy machine, and aborts the process at its end."""
    tables(tmp_path)
    command = command + ["--target", "label"] * (command[0] == "data")
    finished_run(tmp_path / "runs" / "run", np.linspace(1, 2, 16))
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-m", "search", *command],
            cwd=tmp_path, env=late, check=False, capture_output=True, text=True,
        )  # fmt: skip
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
