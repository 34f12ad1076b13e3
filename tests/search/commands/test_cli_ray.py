"""The command with Ray: the results of one process, and nothing left behind."""

import fcntl
import re
import shutil
import signal
import time
from contextlib import contextmanager

import psutil
import pytest
from command_line import (
    Hold,
    assert_same_results,
    end,
    finish,
    logged_files,
    pretend,
    start,
    table,
    trained_links,
    wait_until,
    write_grid,
    write_images,
)

from search.run import main

pytestmark = [pytest.mark.ray, pytest.mark.xdist_group("ray")]

# They notice by themselves that their node is gone, but take a minute for it.
SLOW_TO_LEAVE = {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}


@pytest.fixture(autouse=True, scope="module")
def alone(tmp_path_factory):
    """Let these tests have one cluster at a time, whichever processes they run in."""
    with (tmp_path_factory.getbasetemp().parent / "ray.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with data and a grid of four links that are thought to take seconds."""
    path = tmp_path_factory.mktemp("ray")
    pretend(5e-5, [8, 16], 784, 10, workers=2)  # so 40 epochs are a link
    write_images(path / "data.npz", rows=625, pixels=784, classes=10)
    write_grid(
        path / "slow.toml",
        "./data.npz",
        batch_size=[8, 16],
        learning_rate=[1e-8, 1e-7],
        epochs=[40, 80],
        alpha=[0.0, 1.0],
    )
    return path


@contextmanager
def sweep(folder, run_dir, grid="./slow.toml", *more, hold=None):
    """Start a sweep with two workers of Ray; kill what is left of it in the end."""
    args = ("--grid", grid, "--run-dir", run_dir, "--workers", 2, *more)
    process = start(*args, cwd=folder, hold=hold)
    try:
        yield process
    finally:
        family = family_of(process) if process.poll() is None else []
        end(process)
        for member in alive(family):
            member.kill()


def family_of(process):
    """Return the processes that a running command has started, and those that they have."""
    return psutil.Process(process.pid).children(recursive=True)


def alive(processes):
    return [p for p in processes if is_alive(p)]


def is_alive(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it has ended between the two questions
        return False


def assert_gone(family, seconds=20):
    deadline = time.monotonic() + seconds
    while left := alive(family):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def title_of(process):
    """Return what a process of Ray calls itself, or nothing where it has ended."""
    try:
        return " ".join(process.cmdline()).strip()
    except psutil.Error:
        return ""


def assert_as_in_one_process(run_dir):
    """Compare a run with one of the same plan in this process."""
    serial = run_dir.with_name(f"{run_dir.name}-serial")
    serial.mkdir()
    shutil.copy(run_dir / "manifest.json", serial)
    assert main(["--resume", str(serial), "--executor", "serial", "--no-progress"]) == 0
    assert_same_results(table(run_dir), table(serial))


def test_trials_and_optima_are_the_bits_of_one_process_and_the_dashboard_is_named(folder):
    write_images(folder / "small.npz")
    text = (folder / "slow.toml").read_text().replace("data.npz", "small.npz")
    (folder / "gap.toml").write_text(text)
    with sweep(folder, "gap", "./gap.toml", "--optimum") as process:
        outcome = finish(process)
    assert outcome.code == 0, outcome.err
    assert re.search(r"^Ray dashboard: http://[\d.]+:\d+ \(it asks", outcome.err, re.MULTILINE)
    assert "The best trial ends " in outcome.out
    assert {path.name for path in (folder / "gap/optimum").iterdir()} == {
        "alpha-0.0.npz", "alpha-1.0.npz",
    }  # fmt: skip
    assert table(folder / "gap").train_cost.notna().all()
    assert_as_in_one_process(folder / "gap")


def test_seeds_and_folds_give_the_bits_of_one_process(cluster, folder):
    cluster.join(2)
    top = 'dataset = "./data.npz"\nseeds = 2\nfolds = 2\n'
    text = (folder / "slow.toml").read_text().replace("[40, 80]", "[1, 2]")
    (folder / "both.toml").write_text(text.replace('dataset = "./data.npz"\n', top))
    with sweep(folder, "both", "./both.toml", "--address", cluster.address) as process:
        outcome = finish(process)
    assert outcome.code == 0, outcome.err
    assert_as_in_one_process(folder / "both")
    one, other = table(folder / "both"), table(folder / "both-serial")
    assert [list(x) for x in one.replicates] == [list(x) for x in other.replicates]


def test_killed_it_leaves_no_process_and_can_go_on_without_ray(folder, capfd):
    run_dir, hold = folder / "killed", Hold(1, folder, "workers")
    with sweep(folder, "killed", hold=hold) as process:
        wait_until(lambda: logged_files(run_dir) >= 1 and hold.waiting(), process)
        family = family_of(process)
        helpers = [member for member in family if title_of(member) in SLOW_TO_LEAVE]
        process.kill()
        assert finish(process).code == -signal.SIGKILL
    try:
        assert_gone([member for member in family if member not in helpers])
    finally:
        for helper in alive(helpers):
            helper.kill()
    assert main(["--resume", str(run_dir), "--executor", "serial"]) == 0
    assert re.search(r"16 trials on data, \d+ of them done", capfd.readouterr().err)
    assert len(trained_links(run_dir)) == len(set(trained_links(run_dir)))
    assert_as_in_one_process(run_dir)


def test_a_killed_worker_costs_another_attempt_and_nothing_else(cluster, folder):
    cluster.join(2)
    run_dir, hold = folder / "lost", Hold(1, folder, "workers")
    joined = ("./slow.toml", "--address", cluster.address)
    with sweep(folder, "lost", *joined, hold=hold) as process:
        wait_until(hold.waiting, process)
        victim = psutil.Process(hold.waiting()[0][1])
        assert "ray::advance" in title_of(victim)
        victim.kill()
        hold.go()
        outcome = finish(process)
    assert outcome.code == 0, outcome.err
    assert re.search(r"'advance batch=.*' was lost \(.*\); it is tried again", outcome.err)
    log = table(run_dir)
    again = log[log.attempt == 2]
    assert (again.pack.nunique(), again.epochs.nunique()) == (1, 1)
    assert (log.attempt.drop(again.index) == 1).all()
    assert_as_in_one_process(run_dir)
