"""What must hold of a cluster of docker-compose.yml that runs."""

import json
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from stack import Stack, run

from search.client import ENDED, Client

# On small data that needs no network, but long enough to lose a worker in the middle.
GRID = """
dataset = "digits"
[space]
batch_size = [8, 16, 32, 64]
learning_rate = [5e-8, 1e-7, 2e-7, 5e-7, 1e-6, 2e-6, 5e-6, 1e-5]
epochs = [200, 400, 600, 800]
alpha = [0, 0.01, 0.1, 1, 10, 100, 1000, 10000]
"""
TRIALS = 4 * 8 * 4 * 8


def require(what: str, holds: object) -> None:
    """Say what holds, or stop."""
    if not holds:
        raise SystemExit(f"does not hold: {what}")
    print(f"  holds: {what}", flush=True)


def until(what: str, holds: Callable[[], object], seconds: float) -> Any:
    """Wait for something, and return it."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > end:
            raise SystemExit(f"after {seconds:.0f} s it does not hold: {what}")
        time.sleep(0.5)
    return found


def closed_to_others(stack: Stack) -> None:
    """Ports are open on the loopback interface alone."""
    for container in stack.containers():
        ports = stack.inspect(container)["NetworkSettings"]["Ports"].values()
        hosts = {binding["HostIp"] for bindings in ports for binding in bindings or ()}
        require(f"{container[:12]} publishes on 127.0.0.1 or nowhere", hosts <= {"127.0.0.1"})
    public = run("hostname", "-I").split()[0]
    for name, port in stack.ports.items():
        with socket.socket() as knock:
            refused = knock.connect_ex((public, int(port))) != 0
        require(f"{name} is closed at the machine's own address", refused)


def protected_by_a_token(stack: Stack) -> None:
    """Ray asks for the token, which one user alone can read and nobody here can change."""
    url = f"http://127.0.0.1:{stack.ports['DASHBOARD_PORT']}/api/version"
    try:
        urllib.request.urlopen(url, timeout=10).close()
        status = 200
    except urllib.error.HTTPError as error:
        status = error.code
    require("Ray refuses who has no token", status == 401)
    request = urllib.request.Request(url)
    request.add_header("Authorization", f"Bearer {stack.execute('worker', 'cat', '/token/ray')}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        require("Ray answers who has it", answer.status == 200)
    mode = stack.execute("worker", "stat", "--format=%a %U", "/token/ray")
    require("the token is its user's to read", mode == "400 packsweep")
    for service in ("head", "worker", "prometheus"):
        (container, *_) = stack.containers(service)
        mounts = stack.inspect(container)["Mounts"]
        writable = [mount["RW"] for mount in mounts if mount["Destination"] == "/token"]
        require(f"the token is mounted read-only in {service}", writable == [False])


def dashboards_are_files(stack: Stack) -> None:
    found = stack.execute(
        "head", "find", "/dashboards", "-name", "*.json", "-type", "f", "-size", "+1k"
    )
    require("the head has written Ray's dashboards for Grafana", "/default_grafana" in found)


def start_sweep(stack: Stack, name: str, workers: set[str]) -> subprocess.Popen[str]:
    """Start the sweep of `GRID` and wait until every worker has trained a part of it."""
    head = stack.containers("head")[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "check.toml")
        path.write_text(GRID)
        run("docker", "cp", path, f"{head}:/runs/check.toml")
    sweep = stack.sweep("--grid", "/runs/check.toml", "--run-dir", f"/runs/{name}")

    def seen() -> bool:
        return sweep.poll() is not None or workers <= _trained_by(head, name)

    until(f"links of {len(workers)} workers are logged", seen, 180)
    require("the sweep is not over yet", sweep.poll() is None)
    return sweep


def _trained_by(head: str, name: str) -> set[str]:
    """Return the nodes whose links a run that goes on has logged."""
    show = f"cat /runs/{name}/links.jsonl 2>/dev/null || true"
    lines = run("docker", "exec", head, "sh", "-c", show).splitlines()
    return {json.loads(line)["node"] for line in lines if line.endswith("}")}


def ended(sweep: subprocess.Popen[str]) -> str:
    """Wait for a sweep and return what it printed."""
    output, _ = sweep.communicate(timeout=600)
    if sweep.returncode != 0:
        print(output)
    require("the sweep ends well", sweep.returncode == 0)
    return output


def served(stack: Stack) -> Client:
    """Return a client, outside of the cluster, of the service that answers in it."""
    url = f"http://127.0.0.1:{stack.ports['SERVICE_PORT']}"
    until("the service answers", lambda: _status(url) == 200, 120)
    require("it refuses who has no token", _status(f"{url}/v1/sweeps") == 401)
    mode = stack.execute("service", "stat", "--format=%a %U", "/runs/service/admin.token")
    require("its first token is its user's to read", mode == "400 packsweep")
    return Client(url, stack.execute("service", "cat", "/runs/service/admin.token"))


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def begun(client: Client, sweep: str, least: int) -> None:
    """Wait until so many trials of a sweep are logged, and it has not ended."""
    until(f"{least} trials are logged", lambda: client.get(sweep)["finished"] >= least, 180)
    require("the sweep is not over yet", client.get(sweep)["state"] == "running")


def done(client: Client, sweep: str, workers: set[str]) -> None:
    """Wait for the end of a sweep of `GRID`: every trial has one row, of these workers."""
    until("the sweep ends", lambda: client.get(sweep)["state"] in ENDED, 600)
    require("it is done", client.get(sweep)["state"] == "done")
    rows = list(client.trials(sweep, columns="number,node"))
    require(f"{TRIALS} trials have one row each", len(rows) == TRIALS)
    require("each has a number of its own", {row["number"] for row in rows} == set(range(TRIALS)))
    trained = {row["node"] for row in rows}
    require(f"trained on workers alone: {', '.join(sorted(trained))}", trained <= workers)
    for name in ("model", "report", "summary"):
        require(f"its {name} comes by the API", client.file(sweep, name))


def lost_links(log: str) -> list[str]:
    """Return the lines of a `sweep.log` that tell of them."""
    return [line for line in log.splitlines() if " lost: " in line]


def complete(stack: Stack, name: str, trials: int, workers: set[str]) -> str:
    """Every trial has one row, of these workers. Returns the run's `sweep.log`."""
    head = stack.containers("head")[0]
    with tempfile.TemporaryDirectory() as folder:
        run("docker", "cp", f"{head}:/runs/{name}", folder)
        rows = pq.read_table(Path(folder, name, "trials")).to_pylist()
        log = Path(folder, name, "sweep.log").read_text()
        summary = Path(folder, name, "summary.json").read_text()
    numbers = sorted(row["number"] for row in rows)
    require(f"{trials} trials have one row each", numbers == list(range(trials)))
    require("the summary says complete", '"state": "complete"' in summary)
    # How many of them depends on the grid: a small one is done by the first that has a free core.
    trained = {row["node"] for row in rows}
    require(f"trained on workers alone: {', '.join(sorted(trained))}", trained <= workers)
    return log


def measured(stack: Stack, name: str, trials: int) -> None:
    """Prometheus finds every node by the head, and has what the sweep told."""
    expression = f'sum(max by (state) (max_over_time(ray_packsweep_trials{{run="{name}"}}[10m])))'
    until(f"Prometheus has {trials} trials", lambda: stack.value(expression) == trials, 20)
    require(f"Prometheus counts {trials} trials of {name}", stack.value(expression) == trials)


def targets_are_up(stack: Stack, nodes: set[str]) -> None:
    wanted = {f"{node}:8080" for node in nodes}

    def seen() -> bool:
        up = {sample["metric"]["instance"] for sample in stack.query("up == 1")}
        return wanted <= up and not stack.query("up == 0")

    require("Prometheus reads every node", until("Prometheus reads every node", seen, 60))
