"""The time to export 4096 trials to a tracker: new, again without a change, and half of them.

The trials are made up, with the columns of the softmax trainer's log, and go through the same calls
as a run's. Each place is made anew in a temporary folder; a server of MLflow runs on this machine.

    python benchmarks/trackers.py
    python benchmarks/trackers.py --mlflow-server .venv/bin/mlflow    also with a server
    python benchmarks/trackers.py --trials 256    a short look, which keeps nothing
"""

import argparse
import contextlib
import os
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from harness import report

from search.config import AXES, load_config
from search.record import SOFTMAX_LAYOUT
from search.trackers import MLFLOW, OPTUNA, TENSORBOARD, Run, Target, Trial, open_tracker, send

TRIALS = 4096
PACKAGES = ("optuna", "sqlalchemy", "mlflow-skinny", "tensorboard")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--mlflow-server", metavar="COMMAND", help="the command mlflow, in full")
    parser.add_argument(
        "--slow",
        metavar="N",
        type=int,
        default=TRIALS,
        help="fewer trials for a server and for Optuna's SQLite, which write each on its own",
    )
    parser.add_argument("--only", help="part of the names of the places to measure")
    args = parser.parse_args()
    load = round(os.getloadavg()[0], 1)
    run, trials = made_up(args.trials)
    places: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        targets = {
            "Optuna, journal": Target(OPTUNA, f"{folder}/trials.journal"),
            "Optuna, SQLite": Target(OPTUNA, f"sqlite:///{folder}/trials.db"),
            "MLflow, SQLite": Target(MLFLOW, f"sqlite:///{folder}/mlflow.db"),
            "TensorBoard": Target(TENSORBOARD, f"{folder}/boards"),
        }
        if args.mlflow_server:
            command = str(Path(args.mlflow_server).absolute())
            uri = stack.enter_context(server(command, folder))
            targets["MLflow, server"] = Target(MLFLOW, uri)
        os.chdir(folder)
        for title, target in targets.items():
            if not args.only or args.only in title:
                slow = title in ("MLflow, server", "Optuna, SQLite")
                count = min(args.slow, args.trials) if slow else args.trials
                places[title] = {"trials": count, **measured(target, run, trials[:count])}
                print(title, places[title], flush=True)
    keep = args.trials == TRIALS and not args.only
    figures = {"load_before": load, "load_after": round(os.getloadavg()[0], 1), "places": places}
    report("trackers", figures, keep=keep, packages=PACKAGES)


def measured(target: Target, run: Run, trials: list[Trial]) -> dict[str, float]:
    """Return seconds: of all trials, of all again, of half of them, and then of the others."""
    cpu, first = time.process_time(), seconds(target, run, trials)
    cpu = round(time.process_time() - cpu, 2)
    again = seconds(target, run, trials)
    other = replace(run, id="other", name_there="other")
    half = seconds(target, other, trials[::2])
    rest = seconds(target, other, trials)
    return {
        "all_s": first, "cpu_of_all_s": cpu, "again_s": again, "half_s": half, "other_half_s": rest,
    }  # fmt: skip


def seconds(target: Target, run: Run, trials: list[Trial]) -> float:
    start = time.perf_counter()
    with contextlib.closing(open_tracker(target, run)) as tracker:
        send(run, trials, tracker)
    return round(time.perf_counter() - start, 2)


def made_up(count: int) -> tuple[Run, list[Trial]]:
    """Return a finished run of some trials of the full grid."""
    config = load_config("full")
    rng = np.random.default_rng(0)
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    trials = []
    for number in range(count):
        costs = rng.random(6)
        names = (*SOFTMAX_LAYOUT.figures, "last_cost", "seconds")
        params = dict(config.space[number])
        trials.append(
            Trial(
                number=number,
                state="COMPLETE",
                value=costs[0],
                params=params,
                figures=dict(zip(names, map(float, costs), strict=True)),
                facts={"pack": number // 512, "node": "127.0.0.1", "attempt": 1},
                last_epoch=int(params["epochs"]),
                started_at=begun + timedelta(seconds=number),
                finished_at=begun + timedelta(seconds=number + 10),
            )
        )
    run = Run(
        id="made-up",
        name="full",
        name_there="full",
        ended=count,
        total=count,
        finished=True,
        axes=config.axes_by_name,
        layout=SOFTMAX_LAYOUT,
        settings=dict.fromkeys(AXES, "text"),
        figures={"best_cost": 0.4},
        texts={"dataset": "fashion-mnist"},
        started_at=begun,
        ended_at=begun + timedelta(days=1),
    )
    return run, trials


@contextlib.contextmanager
def server(command: str, folder: Path) -> Iterator[str]:
    """Give the URI of a server of MLflow with a database of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = f"sqlite:///{folder}/server.db"
    log = (folder / "server.log").open("wb")
    process = subprocess.Popen(
        [command, "server", "--backend-store-uri", store, "--port", str(port), "--workers", "1"],
        cwd=folder, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    uri = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 240
        while not answers(uri):
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError((folder / "server.log").read_text()[-2000:])
            time.sleep(0.5)
        yield uri
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def answers(uri: str) -> bool:
    try:
        return urllib.request.urlopen(f"{uri}/health", timeout=5).status == 200
    except OSError:
        return False


if __name__ == "__main__":
    main()
