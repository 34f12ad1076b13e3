"""Sweeps back to back: memory, descriptors, threads, files and processes end as they began.

The full form takes a quarter of an hour for each of two tests; ``SOAK_MINUTES`` sets another time:

    python -m pytest -m rehearsal tests/faults/test_soak.py -s

The one with clusters needs a process 1 that reaps: else what Ray leaves stays as zombies.
"""

import gc
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest
from command_line import finish, start, write_grid, write_images

from search.run import main

COMMAND = ("--grid", "./tiny.toml", "--no-progress", "--run-dir", "run")


def held_here():
    """Return what this process holds: memory, descriptors and threads."""
    gc.collect()
    process = psutil.Process()
    return {
        "MiB": process.memory_info().rss / 2**20,
        "descriptors": process.num_fds(),
        "threads": threading.active_count(),
    }


def left_around():
    """Return what programs leave on a machine: shared memory, temporary files, processes."""
    return {
        "shared memory": len(list(Path("/dev/shm").iterdir())),
        "temporary files": len(list(Path(tempfile.gettempdir()).glob("packsweep-*"))),
        "processes": sum(
            any(
                "/ray/" in part or part.startswith("ray::")
                for part in process.info["cmdline"] or ()
            )
            or process.info["status"] == psutil.STATUS_ZOMBIE
            for process in psutil.process_iter(["cmdline", "status"])
        ),
    }


def soak_minutes():
    """Return for how many minutes a test in full goes on."""
    return float(os.environ.get("SOAK_MINUTES", "15"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "data.npz")
    write_grid(tmp_path / "tiny.toml", "./data.npz")
    return tmp_path


def soak(folder, go_on):
    """Run sweeps in this process; return what it held after the third one, and at the end."""
    first, count = {}, 0
    while count < 4 or go_on():
        assert main([*COMMAND, "--executor", "serial", "--fresh"]) == 0
        shutil.rmtree(next(folder.glob("run.*"), folder / "none"), ignore_errors=True)
        count += 1
        if count == 3:  # what is imported late is there by then
            first = held_here()
    return count, first, held_here()


def test_some_sweeps_in_one_process_leave_nothing_open(folder):
    _, first, last = soak(folder, go_on=lambda: False)
    assert last["descriptors"] <= first["descriptors"]
    assert last["threads"] <= first["threads"]


@pytest.mark.rehearsal
@pytest.mark.timeout(7200)
def test_many_sweeps_in_one_process_leave_nothing_open(folder, capsys):
    end = time.monotonic() + 60 * soak_minutes()
    count, first, last = soak(folder, lambda: time.monotonic() < end)
    with capsys.disabled():
        sys.stdout.write(f"\n{count} sweeps: {first} -> {last}")
    assert last["MiB"] < first["MiB"] + 50
    assert last["descriptors"] <= first["descriptors"]
    assert last["threads"] <= first["threads"]


@pytest.mark.rehearsal
@pytest.mark.timeout(7200)
def test_many_clusters_leave_nothing_behind(folder, capsys):
    end = time.monotonic() + 60 * soak_minutes()
    around, count, first = left_around(), 0, {}
    while count < 4 or time.monotonic() < end:
        shutil.rmtree(next(folder.glob("run.*"), folder / "none"), ignore_errors=True)
        assert finish(start(*COMMAND, "--executor", "ray", "--fresh", cwd=folder)).code == 0
        count += 1
        if count == 3:
            first = held_here()
    last = held_here()
    deadline = time.monotonic() + 90  # agents of Ray take a minute to see that it is gone
    while (later := left_around()) != around and time.monotonic() < deadline:
        time.sleep(1)
    with capsys.disabled():
        sys.stdout.write(f"\n{count} clusters: {around} -> {later}, {first} -> {last}")
    assert last["MiB"] < first["MiB"] + 50
    assert last["descriptors"] <= first["descriptors"]
    assert all(later[name] <= around[name] for name in around), (around, later)
