"""The command on a cluster whose machines join, leave, fail and hang: the results of one process.

The rehearsals at every stage take some minutes:
``python -m pytest -m rehearsal tests/search/commands/test_cli_changing.py``.
"""

import re
import signal
import sys
import time
from contextlib import ExitStack, contextmanager

import psutil
import pytest
from command_line import Hold, end, finish, invoke, start, wait_until, write_grid, write_images
from ray_nodes import Nodes
from test_cli_ray import assert_as_in_one_process

from search.run import main

pytestmark = [pytest.mark.ray, pytest.mark.xdist_group("ray")]

LINKS = 2

STAGES = {
    "connecting": "before:__init__",
    "sharing data": "before:share",
    "calibration": "workers:calibrate",
    "links": "workers:advance ",
    "optima": "workers:optimum",
    "final training": "workers:refit ",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with data and a grid of a few short links, where nothing was measured yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_images(tmp_path / "data.npz", rows=500)
    write_grid(tmp_path / "grid.toml", "./data.npz")
    return tmp_path


@contextmanager
def sweep(folder, hold, *args):
    command = ("--grid", "./grid.toml", "--run-dir", "run", *args)
    process = start(
        *command, cwd=folder, hold=hold, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        yield process
    finally:
        end(process)


def note(text):
    """Let whoever runs a rehearsal with -s see how long something took."""
    sys.stderr.write(f"{text}\n")


def assert_whole(outcome, folder):
    assert outcome.code == 0, outcome.err
    assert "Traceback" not in outcome.err
    assert_as_in_one_process(folder / "run")


# --- Machines join and leave


@pytest.mark.rehearsal
@pytest.mark.parametrize("stage", STAGES)
def test_machines_may_join_and_leave_at_every_stage(cluster, folder, stage):
    first = cluster.join(2)
    hold = Hold(0, folder, STAGES[stage])
    with sweep(folder, hold, "--address", cluster.address, "--optimum") as process:
        wait_until(lambda: bool(hold.waiting()), process)
        cluster.join(3)
        cluster.kill(first)
        began = time.monotonic()
        hold.go()
        assert_whole(finish(process), folder)
    note(f"{stage}: {time.monotonic() - began:.1f} s to the end")


@pytest.mark.rehearsal
@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_is_heard_at_every_stage(cluster, folder, stage):
    cluster.join(2)
    hold = Hold(0, folder, STAGES[stage])
    with sweep(folder, hold, "--address", cluster.address, "--optimum") as process:
        wait_until(lambda: bool(hold.waiting()), process)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        if STAGES[stage].startswith("before:"):
            hold.go()  # it is this test that holds it, and not what it waits for
        outcome = finish(process, timeout=30)
    assert outcome.code == 130, outcome.err
    assert "Traceback" not in outcome.err
    assert "Interrupted" in outcome.err
    note(f"{stage}: {time.monotonic() - began:.1f} s to the end")


def test_a_machine_that_joins_while_others_measure_their_speed_is_no_reason_to_wait(
    cluster, folder
):
    cluster.join(1)
    hold = Hold(0, folder, "workers:calibrate")
    with sweep(folder, hold, "--address", cluster.address) as process:
        wait_until(lambda: bool(hold.waiting()), process)
        cluster.join(2)
        hold.go()
        assert_whole(finish(process), folder)


# --- Machines fail


@pytest.mark.parametrize("place", ["address", pytest.param("outside", marks=pytest.mark.rehearsal)])
def test_what_fails_on_one_machine_is_trained_on_another(cluster, folder, place):
    bad, good = cluster.join(1), cluster.join(1)
    hold = Hold(0, folder, "failing")
    (hold.folder / "bad").write_text(bad)
    with sweep(folder, hold, "--address", getattr(cluster, place)) as process:
        outcome = finish(process)
    assert_whole(outcome, folder)
    assert re.search(r"was lost \(OSError: \[Errno 28\] No space .* \(on [\d.]+\)\)", outcome.err)
    asked = (hold.folder / "asked").read_text().split()
    assert 1 <= asked.count(bad) <= LINKS == asked.count(good)
    assert "Traceback (most recent call last)" in (folder / "run/sweep.log").read_text()


def test_what_fails_everywhere_ends_in_one_message_and_goes_on_later(
    cluster, folder, capfd, monkeypatch
):
    cluster.join(1)
    hold = Hold(1, folder, "failing")
    (hold.folder / "bad").write_text("all")
    with sweep(folder, hold, "--address", cluster.address) as process:
        outcome = finish(process)
    assert outcome.code == 1, outcome.err
    last = outcome.err.splitlines()[-1]
    assert re.match(
        r"error: 'advance .*' has failed 5 times, the last time by OSError: \[Errno 28\] No space "
        r"left on device \(on [\d.]+\)\. What was logged is safe; ", last
    )  # fmt: skip
    assert "Traceback" not in outcome.err
    monkeypatch.chdir(folder)
    again = ("--grid", "./grid.toml", "--run-dir", "run", "--executor", "serial")
    assert_whole(invoke(capfd, *again), folder)


# --- Workers hang


def stopped(hold, process):
    """Stop a worker that has begun, as SIGSTOP does; return it."""
    wait_until(lambda: bool(hold.waiting()), process)
    worker = psutil.Process(hold.waiting()[0][1])
    worker.suspend()
    return worker


@pytest.mark.rehearsal  # that a stopped process is killed is in test_executors.py too
@pytest.mark.parametrize("kind", ["advance ", "refit ", "calibrate", "optimum"])
def test_a_stopped_worker_is_told_of_and_replaced(folder, kind):
    hold = Hold(0, folder, f"hanging:{kind}")
    with sweep(folder, hold, "--workers", 2, "--optimum") as process:
        worker = stopped(hold, process)
        began = time.monotonic()
        worker.wait(60)
        note(f"{kind}: killed after {time.monotonic() - began:.1f} s")
        hold.go()
        outcome = finish(process)
    assert_whole(outcome, folder)
    log = (folder / "run/sweep.log").read_text()
    assert re.search(r" late: .*under way for \d+ s on [\d.]+, given up after ", log)
    assert re.search(r" lost: .*no answer, under way for ", log)
    if kind == "advance ":
        assert re.search(r"is late: under way for .*\n(.*\n)*.*was lost \(no answer", outcome.err)


@pytest.mark.rehearsal
def test_a_stopped_worker_is_replaced_for_a_command_outside_too(cluster, folder):
    cluster.join(2)
    hold = Hold(0, folder, "hanging")
    with sweep(folder, hold, "--address", cluster.outside) as process:
        stopped(hold, process).wait(60)
        hold.go()
        outcome = finish(process)
    assert_whole(outcome, folder)
    assert "was lost (no answer" in outcome.err


@pytest.mark.rehearsal
@pytest.mark.parametrize("place", ["address", "outside"])
def test_a_cluster_without_its_head_ends_it_and_it_goes_on_elsewhere(folder, place):
    hold = Hold(1, folder, "workers")
    with Nodes() as cluster, ExitStack() as stack:
        cluster.join(2)
        process = stack.enter_context(sweep(folder, hold, "--address", getattr(cluster, place)))
        wait_until(lambda: bool(hold.waiting()), process)
        began = time.monotonic()
        cluster.lose_head()
        outcome = finish(process)
    note(f"{place}: {time.monotonic() - began:.1f} s to the end")
    assert outcome.code == 1, outcome.err
    assert "Traceback" not in outcome.err
    if place == "outside":
        assert outcome.err.splitlines()[-1].startswith("error: The cluster ")
    else:  # Ray itself ends a command inside, after a minute
        assert "Failed to connect to GCS within 60 seconds" in outcome.err
    assert main(["--resume", str(folder / "run"), "--executor", "serial"]) == 0
    assert_as_in_one_process(folder / "run")


@pytest.mark.rehearsal
def test_a_stopped_worker_is_replaced_after_a_minute(folder):
    hold = Hold(0, folder, "workers")
    with sweep(folder, hold, "--workers", 2) as process:
        worker = stopped(hold, process)
        began = time.monotonic()
        time.sleep(1)
        hold.go()
        worker.wait(200)
        note(f"killed after {time.monotonic() - began:.1f} s")
        assert_whole(finish(process), folder)
    assert 55 < time.monotonic() - began < 120
