"""Sweeps that are stopped in every way: nothing is lost, nothing is done twice."""

import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager

import pytest
from command_line import (
    LIMIT,
    assert_same_results,
    end,
    finish,
    invoke,
    is_root,
    logged_files,
    pretend,
    start,
    start_until,
    table,
    tied,
    trained_links,
    wait_until,
    write_grid,
    write_images,
)

from search.run import main

SERIAL = ("--executor", "serial", "--no-progress")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with data and a grid of 288 trials and many links."""
    # Links of one epoch each, of which every other one finishes trials.
    pretend(1.0, [8, 16, 64], 196, 10)
    path = tmp_path_factory.mktemp("killed")
    write_images(path / "data.npz", rows=1000, pixels=196, classes=10)
    grid = write_grid(
        path / "medium.toml",
        "./data.npz",
        batch_size=[8, 16, 64],
        learning_rate=[1e-8, 1e-7],
        epochs=range(2, 26, 2),
        alpha=[0.0, 0.1, 1.0, 10.0],
    )
    grid.write_text(f'select = "average"\n{grid.read_text()}')
    return path


@pytest.fixture(scope="module")
def undisturbed(folder):
    """Return the log of a sweep that ran from beginning to end."""
    grid, run_dir = str(folder / "medium.toml"), str(folder / "undisturbed")
    data = str(folder / "data.npz")
    assert main(["--grid", grid, "--dataset", data, "--run-dir", run_dir, *SERIAL]) == 0
    assert logged_files(folder / "undisturbed") >= 30
    assert len(trained_links(folder / "undisturbed")) == 3 * 24
    return table(folder / "undisturbed")


@pytest.fixture
def endless(tmp_path):
    """Start a sweep whose first link takes hours, in a folder with its data."""
    pretend(1e-12, [4], 13, 3)  # images of 13 pixels are measured nowhere else
    write_images(tmp_path / "data.npz", rows=2000, pixels=13)
    write_grid(tmp_path / "long.toml", "./data.npz", batch_size=[4], epochs=[100_000])
    process = start("--grid", "./long.toml", *SERIAL, cwd=tmp_path)
    try:
        assert any("run folder" in line for line in process.stderr)
        yield process
    finally:
        end(process)


def sweep(run_dir):
    return ("--grid", "./medium.toml", "--run-dir", run_dir, *SERIAL)


def assert_each_once(run_dir, undisturbed):
    log = table(run_dir)
    assert log.number.tolist() == list(range(len(undisturbed)))
    assert_same_results(log, undisturbed)
    assert set(Counter(trained_links(run_dir)).values()) <= {1}
    assert not list(run_dir.rglob(".tmp-*"))
    assert not list(run_dir.rglob(".staged-*"))
    assert not list((run_dir / "checkpoints").iterdir())


@pytest.mark.xdist_group("undisturbed")  # made once for all of them
def test_killed_at_five_moments_the_same_command_ends_as_if_undisturbed(
    folder, undisturbed, capfd, monkeypatch
):
    chance = random.Random(0)
    run_dir = folder / "killed"
    last = logged_files(folder / "undisturbed") - 3
    for links in sorted(chance.sample(range(last), 5)):
        process, _ = start_until(links, run_dir, *sweep("killed"), cwd=folder)
        time.sleep(chance.uniform(0, 0.05))
        process.kill()
        assert finish(process).code == -signal.SIGKILL
        if logged_files(run_dir):  # what is shown as done can be read at any time
            done = table(run_dir)
            assert_same_results(
                done, undisturbed[undisturbed.number.isin(done.number)].reset_index()
            )
    monkeypatch.chdir(folder)
    outcome = invoke(capfd, *sweep("killed"))
    assert outcome.code == 0
    assert re.search(r"288 trials on data, \d+ of them done", outcome.err)
    assert_each_once(run_dir, undisturbed)
    assert tied(run_dir) == tied(folder / "undisturbed")


@pytest.mark.xdist_group("undisturbed")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_once_it_names_the_command_that_continues(folder, undisturbed, number):
    run_dir = f"a run {number.name}"
    process, hold = start_until(3, folder / run_dir, *sweep(run_dir), cwd=folder)
    wait_until(hold.waiting, process)  # so what it says in the end is not read with the rest
    process.send_signal(number)
    assert any("once more to leave at once" in line for line in process.stderr)
    hold.go()
    outcome = finish(process)
    assert (outcome.code, outcome.out) == (130, "")
    assert "Traceback" not in outcome.err
    told = re.search(
        r"Interrupted\. (\d+) of 288 trials are in the log; continue with:\n  python (.*)\n$",
        outcome.err,
    )
    assert told
    assert len(table(folder / run_dir)) == int(told[1]) < 288
    command = [sys.executable, *shlex.split(told[2])]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=LIMIT)
    assert_each_once(folder / run_dir, undisturbed)


def test_interrupted_twice_it_leaves_at_once(endless):
    endless.send_signal(signal.SIGINT)
    assert any("once more to leave at once" in line for line in endless.stderr)
    endless.send_signal(signal.SIGINT)
    outcome = finish(endless)
    assert (outcome.code, outcome.out) == (130, "")
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_while_it_still_reads_the_data_it_says_so(folder, capfd, monkeypatch, number):
    def interrupted(*args, **options):
        signal.raise_signal(number)
        time.sleep(LIMIT)  # on a busy machine the signal is heard of some lines later

    monkeypatch.chdir(folder)
    monkeypatch.setattr("search.session.datasets.load_dataset", interrupted)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        outcome = invoke(capfd, "--grid", "./medium.toml", "--run-dir", "never", *SERIAL)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (outcome.code, outcome.out) == (130, "")
    assert outcome.err == "\nInterrupted; the same command continues.\n"
    assert not (folder / "never").exists()


def test_a_second_writer_is_refused_by_the_name_of_the_first(endless, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for args in (
        ("--grid", "./long.toml"),
        ("--resume", "runs/long"),
        ("--grid", "./long.toml", "--fresh"),
    ):
        outcome = invoke(capfd, *args, *SERIAL)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.startswith("error: ")
        assert f"is being written by process {endless.pid} on " in outcome.err
        assert outcome.err.count("\n") == 1
    assert endless.poll() is None


# --- A full disk


@contextmanager
def small_disk(path, size):
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.skipif(not is_root(), reason="only root can mount a small file system")
def test_on_a_full_disk_it_stops_with_one_message_and_goes_on_when_there_is_room(
    tmp_path, capfd, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "data.npz")
    write_grid(tmp_path / "tiny.toml", "./data.npz")
    assert invoke(capfd, "--grid", "./tiny.toml", *SERIAL).code == 0
    with small_disk(tmp_path / "disk", "4k") as disk:
        command = ("--grid", "./tiny.toml", "--run-dir", disk / "run", *SERIAL)
        stopped_by = set()
        # A little more room each time, so that every kind of file is once the one that fails; the
        # report alone is large, because it carries the script that draws its charts.
        for size in (*range(4, 400, 4), 8000):
            subprocess.run(["mount", "-o", f"remount,size={size}k", str(disk)], check=True)
            outcome = invoke(capfd, *command)
            if outcome.code == 0:
                break
            stopped_by |= set(re.findall(r"run/(\w+)", outcome.err.partition("error: ")[2]))
            assert (outcome.code, outcome.out) == (1, "")
            assert outcome.err.count("error: ") == outcome.err.count("No space left") == 1
            assert "Logging error" not in outcome.err
            assert outcome.err.endswith("then give the same command to continue.\n")
        assert outcome.code == 0
        assert stopped_by >= {"manifest", "trials", "checkpoints", "report"}
        assert_each_once(disk / "run", table(tmp_path / "runs" / "tiny"))
