"""The service and the command: the same grid, two halves of it at once, a guest.

All on this machine, with two workers. `alone` is the command; `through_service` the same grid
submitted to a service; `two_halves` two sweeps of half of it each, by two people at once. `guest`
is a sweep of higher priority that comes in the middle: after how many seconds its first task
starts, and how long the links are that run then. `overlap` is a grid three quarters of which
another sweep has trained: the epochs of single trajectories that it trains, and those that it must.

    python benchmarks/service.py    about fifteen minutes; needs Fashion-MNIST
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import report

from search.client import Client

HALVES = ([1, 2, 4, 8], [16, 32, 64, 128])


def main() -> None:
    cases = {case.__name__: case for case in (alone, through_service, two_halves, overlap, guest)}
    rows: dict[str, Any] = {}
    wanted = sys.argv[1:] or list(cases)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name_of_case in wanted:
            print(name_of_case, flush=True)
            rows[name_of_case] = cases[name_of_case](root / name_of_case)
            print(rows[name_of_case], flush=True)
    if wanted == list(cases):
        report("service", {"cases": rows}, keep=True)


def grid(**space: Any) -> dict[str, Any]:
    """Return the full grid with other values of some hyperparameters."""
    import tomllib

    table = tomllib.loads(Path("configs/full.toml").read_text())
    table.pop("reference", None)
    return {**table, "dataset": "fashion-mnist", "space": {**table["space"], **space}}


@contextmanager
def service(root: Path) -> Iterator[dict[str, Client]]:
    """Give two people's clients of a service that runs as a process."""
    root.mkdir(parents=True)
    command = [sys.executable, "-m", "search.serve"]
    tokens = {
        name: subprocess.run(
            [*command, "token", "add", name, "--role", role, "--root", str(root / "s")],
            capture_output=True, text=True, check=True,
        ).stdout.strip()
        for name, role in (("ann", "submitter"), ("bob", "submitter"), ("root", "admin"))
    }  # fmt: skip
    process = subprocess.Popen(
        [*command, "--root", str(root / "s"), "--port", "0", "--workers", "2"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        url = re.search(r"http://[\d.:]+", process.stderr.readline())[0]
        clients = {name: Client(url, token) for name, token in tokens.items()}
        while clients["ann"].me()["cores"] < 2:
            time.sleep(0.1)
        yield clients
    finally:
        process.terminate()
        process.wait()


def alone(root: Path) -> dict[str, Any]:
    start = time.monotonic()
    command = [sys.executable, "-m", "search.run", "--grid", "full", "--run-dir", str(root)]
    subprocess.run([*command, "--workers", "2", "--no-progress"], check=True, capture_output=True)
    timing = json.loads((root / "summary.json").read_text())["timing"]
    return {"wall_s": time.monotonic() - start, "training_s": timing["training_s"]}


def through_service(root: Path) -> dict[str, Any]:
    with service(root) as people:
        return _timed(people["ann"], [people["ann"].submit("full")["id"]])


def two_halves(root: Path) -> dict[str, Any]:
    with service(root) as people:
        sweeps = [
            client.submit(grid(batch_size=half), name=f"half-{client_name}")["id"]
            for (client_name, client), half in zip(people.items(), HALVES, strict=True)
        ]
        return _timed(people["ann"], sweeps)


def _timed(client: Client, sweeps: list[str]) -> dict[str, Any]:
    start = time.monotonic()
    for sweep in sweeps:
        found = client.wait(sweep)
        assert found["state"] == "done", found["reason"]
    wall = time.monotonic() - start
    timings = [json.loads(client.file(sweep, "summary"))["timing"] for sweep in sweeps]
    return {"wall_s": wall, "training_s": max(timing["training_s"] for timing in timings)}


def overlap(root: Path) -> dict[str, Any]:
    rates = grid()["space"]["learning_rate"]
    small = {"epochs": [5, 10], "batch_size": [32, 64]}
    with service(root) as people:
        ann, bob = people["ann"], people["bob"]
        first = ann.submit(grid(**small, learning_rate=rates[:6]), name="first")["id"]
        ann.wait(first)
        second = bob.submit(grid(**small, learning_rate=rates), name="second")["id"]
        found = bob.wait(second)
        links = [json.loads(line) for line in bob.file(second, "links").splitlines()]
        trained = sum(link["width"] * (link["epoch"] - link["start_epoch"]) for link in links)
        alphas = len(grid()["space"]["alpha"])
        return {
            "epochs_trained": trained, "epochs_missing": 2 * alphas * 2 * 10,
            "trials_shared": found["shared"]["trials"],
        }  # fmt: skip


def guest(root: Path) -> dict[str, Any]:
    with service(root) as people:
        ann, bob = people["ann"], people["bob"]
        long = ann.submit("full")["id"]
        while ann.get(long)["finished"] < 500:
            time.sleep(0.2)
        small = grid(batch_size=[64], epochs=[5, 10], learning_rate=[5e-7])
        came = time.time()
        guest = bob.submit(small, name="guest", priority=10)["id"]
        answered = time.time()
        bob.wait(guest, 0.1)
        done = time.time()
        first = json.loads(bob.file(guest, "links").splitlines()[0])
        links = [json.loads(line) for line in ann.file(long, "links").splitlines()]
        running = [
            link["finished_at"] - link["started_at"]
            for link in links
            if link["started_at"] < first["started_at"] and link["finished_at"] > came
        ]
        again = [(link["pack"], link["start_epoch"]) for link in links]
        ann.change(long, wanted="cancel")
        return {
            "first_task_s": first["started_at"] - came, "submit_s": answered - came,
            "guest_s": done - came, "longest_link_s": max(running),
            "links_twice": len(again) - len(set(again)),
        }  # fmt: skip


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    main()
