"""The command on several hosts: the results of one process, whatever happens to them."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager

import pytest
from command_line import (
    LIMIT,
    RUN,
    Hold,
    assert_same_results,
    end,
    finish,
    logged_files,
    table,
    trained_links,
    wait_until,
)
from network import NOWHERE, why_not
from ray_cluster import CLIENT_PORT, PORT, token

from search.run import main

pytestmark = [
    pytest.mark.ray,
    pytest.mark.xdist_group("hosts"),
    pytest.mark.skipif(why_not() is not None, reason=f"no hosts: {why_not()}"),
]

LINKS, TRIALS = 12, 48


@pytest.fixture
def both(cluster, small, large):
    """Let the cluster be whole, whatever the test before has done to it."""
    cluster.complete({small: 1, large: 2})


@pytest.fixture(scope="module")
def assert_as_in_one_process(folder):
    """Return what compares a run with one of the same plan in this process."""
    serial = folder / "serial"

    def check(run_dir):
        if not serial.exists():
            serial.mkdir()
            shutil.copy(run_dir / "manifest.json", serial)
            assert main(["--resume", str(serial), "--executor", "serial", "--no-progress"]) == 0
        plans = [
            json.loads((run / "manifest.json").read_text())["widths"] for run in (run_dir, serial)
        ]
        assert plans[0] == plans[1]
        log = table(run_dir)
        assert log.number.tolist() == list(range(TRIALS))
        assert_same_results(log, table(serial))

    return check


@contextmanager
def command(cluster, folder, *args, env=None, host=None, hold=None):
    """Start the command on the head, or another host; it does not outlive the test."""
    process = (host or cluster.head).start(
        sys.executable, *(hold.run if hold else RUN), *args, cwd=folder, env=env or cluster.env,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        end(process)


def sweep(cluster, folder, run_dir, hold):
    """Start a sweep with as many tasks at a time as the whole cluster has cores."""
    args = ["--grid", "./grid.toml", "--run-dir", run_dir]
    where = ["--address", cluster.address, "--workers", 3]
    return command(cluster, folder, *args, *where, hold=hold)


def wait_for_links(process, hold, hosts):
    """Wait until so many links are under way on each of these hosts, all of them held there."""
    wanted = {host.name: number for host, number in hosts.items()}

    def under_way():
        counts = Counter(name for name, _ in hold.waiting())
        return {name: counts[name] for name in wanted} == wanted

    wait_until(under_way, process)


def links_of(run_dir):
    """Return how many links each node has done."""
    log = table(run_dir)
    return log.groupby("node")[["pack", "epochs"]].apply(lambda rows: len(rows.drop_duplicates()))


def at_once(run_dir, host):
    """Return the most links that a host had under way at a time, by the workers' clocks."""
    log = table(run_dir)
    spans = log[log.node == host.address][["started_at", "finished_at"]].drop_duplicates()
    return max(
        ((spans.started_at <= start) & (start < spans.finished_at)).sum()
        for start in spans.started_at
    )


def losses(run_dir):
    return (run_dir / "sweep.log").read_text().count(" lost: ")


def test_all_hosts_work_by_their_cores(
    cluster, both, small, large, folder, assert_as_in_one_process
):
    hold = Hold(0, folder, "workers")
    with sweep(cluster, folder, "whole", hold) as process:
        wait_for_links(process, hold, {small: 1, large: 2})
        hold.go()
        outcome = finish(process)
    assert outcome.code == 0, outcome.err
    links = links_of(folder / "whole")
    assert links.sum() == LINKS
    assert links.min() >= 2
    assert at_once(folder / "whole", small) == 1
    assert at_once(folder / "whole", large) == 2
    assert losses(folder / "whole") == 0
    assert_as_in_one_process(folder / "whole")


def test_a_host_without_power_costs_its_links_another_attempt(
    cluster, both, small, large, folder, assert_as_in_one_process
):
    hold = Hold(3, folder, "workers")
    with sweep(cluster, folder, "power", hold) as process:
        wait_for_links(process, hold, {large: 2})
        large.kill()
        hold.go()
        outcome = finish(process)
    assert outcome.code == 0, outcome.err
    assert re.search(r"'advance batch=.*' was lost \(.*\); it is tried again", outcome.err)
    assert table(folder / "power").attempt.max() == 2
    assert_as_in_one_process(folder / "power")


def test_a_host_that_was_cut_off_comes_back_and_no_number_twice(
    cluster, both, small, large, folder, assert_as_in_one_process
):
    hold = Hold(3, folder, "workers")
    with sweep(cluster, folder, "cut", hold) as process:
        wait_for_links(process, hold, {large: 2})
        large.cut()
        hold.go()  # behind the cut too
        cluster.wait_for_cores({small: 1})
        # The cluster knows; the command may not yet, and then takes a result that comes late.
        wait_until(lambda: losses(folder / "cut") >= 1, process)
        large.heal()
        outcome = finish(process)
    assert outcome.code == 0, outcome.err
    assert_as_in_one_process(folder / "cut")
    cluster.wait_for_cores({small: 1, large: 2})


def test_a_host_that_comes_late_takes_its_share_of_a_laptops_sweep(
    cluster, both, small, large, laptop, folder, assert_as_in_one_process
):
    large.kill()
    large.boot()
    cluster.wait_for_cores({small: 1})
    address, hold = f"ray://{cluster.head.address}:{CLIENT_PORT}", Hold(1, folder, "workers")
    args = ["--grid", "./grid.toml", "--run-dir", "late", "--address", address]
    with command(cluster, folder, *args, host=laptop, hold=hold) as process:
        wait_for_links(process, hold, {small: 1})
        cluster.join(large, 2)
        wait_for_links(process, hold, {large: 2})
        hold.go()
        outcome = finish(process)
    assert outcome.code == 0, outcome.err
    assert links_of(folder / "late")[large.address] >= 1
    assert_as_in_one_process(folder / "late")


def test_a_killed_command_continues_on_the_same_cluster(
    cluster, both, folder, assert_as_in_one_process
):
    run_dir, hold = folder / "killed", Hold(3, folder, "workers")
    with sweep(cluster, folder, "killed", hold) as process:
        wait_until(lambda: logged_files(run_dir) >= 2, process)
        process.kill()
        assert finish(process).code == -signal.SIGKILL
    with command(cluster, folder, "--resume", "killed", "--address", cluster.address) as process:
        outcome = finish(process)
    assert outcome.code == 0, outcome.err
    assert f"{TRIALS} trials on data, " in outcome.err
    assert " of them done" in outcome.err
    assert len(trained_links(run_dir)) == len(set(trained_links(run_dir)))
    assert_as_in_one_process(run_dir)


def test_a_host_that_is_told_to_stop_ends_its_links_first(
    cluster, both, small, large, folder, assert_as_in_one_process
):
    hold = Hold(3, folder, "workers")
    with sweep(cluster, folder, "drained", hold) as process:
        wait_for_links(process, hold, {large: 2})
        cluster.tell_to_stop(large)
        hold.go()
        cluster.nodes[large].wait(LIMIT)
        outcome = finish(process)
    assert outcome.code == 0, outcome.err
    assert losses(folder / "drained") == 0
    assert 1 <= links_of(folder / "drained")[large.address] < LINKS / 2
    assert_as_in_one_process(folder / "drained")


@pytest.fixture(scope="module")
def refused(cluster, small, folder):
    """Return how commands ended that could not join, all tried at the same time."""
    closed, silent = f"{small.address}:{PORT}", f"{NOWHERE}:{PORT}"
    wrong = cluster.env | token(folder / "wrong-token", "b" * 64)
    none = {name: value for name, value in cluster.env.items() if "RAY_AUTH" not in name}
    cases = {
        "closed": (closed, cluster.env),
        "silent": (silent, cluster.env),
        "wrong token": (cluster.address, wrong),
        "no token": (cluster.address, none),
    }
    with ExitStack() as stack:
        processes = {
            case: stack.enter_context(command(
                cluster, folder, "--grid", "./grid.toml", "--run-dir", case,
                "--address", address, env=env,
            ))
            for case, (address, env) in cases.items()
        }  # fmt: skip
        yield {case: finish(process, timeout=30) for case, process in processes.items()}


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("closed", r"No Ray cluster answers at 10\.77\.0\.\d:6379"),
        ("silent", rf"No Ray cluster answers at {NOWHERE}:{PORT}"),
        ("wrong token", "token"),
        ("no token", "token"),
    ],
)
def test_where_it_cannot_join_it_says_so_in_one_message(refused, case, message):
    outcome = refused[case]
    assert outcome.code in {1, 2}
    assert re.match(f"error: .*{message}", outcome.err), outcome.err
    assert len(outcome.err.splitlines()) <= 3
    assert outcome.out == ""
