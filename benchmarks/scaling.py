"""Time by number of workers: measured on this machine's cores, simulated beyond them.

Measured: the real command on 1, 2 and 4 cores. Its grid has the full one's batch sizes, learning
rates and alphas, but 1, 5 and 10 epochs only, so that one core takes a minute and a half instead of
six; the figures name them. (A first checkpoint after one epoch, because the log knows the time of
a pack's first link only if that one has rows.) The simulation of the same sweeps stands beside.

The driver's cost of a link is measured in two parts: a task that does nothing but carry a state
through Ray, there and back; and the orchestrator's whole work for a link, with the real log and
checkpoints on this machine's temporary folder and an executor that answers at once.

Simulated: see scaling_simulated.py.

    python benchmarks/scaling.py            about five minutes, with the machine to itself
    python benchmarks/scaling.py --short    a small grid on small data, to see that it works
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from full_sweep import sweep
from harness import report
from scaling_simulated import DriverCost, planned, run_locally, simulated

from cluster.outcomes import Finished, Running
from cluster.ray_executor import RayExecutor
from model.bootstrap import RESAMPLES
from model.data.sources import load_dataset
from model.pack import PackState
from model.results import LegResult, LinkResult
from model.scoring import Scores
from model.shuffle import validation_rows
from model.speed import SpeedModel
from search.config import SweepConfig, load_config
from search.engine import Orchestrator, Wave, calibrate
from search.plan import Link, LinkCutter, Pack, Plan
from search.record import READOUTS, Books, Checkpoints, Resamples, Standings, TrialLog

EPOCHS = (1, 5, 10)
WIDTHS = (4, 64)
TASKS, IN_FLIGHT = 256, 64
PACKS, LINKS = 8, 8


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true")
    short = parser.parse_args().short
    cores = sorted(os.sched_getaffinity(0))
    counts = [n for n in ((1, 4) if short else (1, 2, 4)) if n <= len(cores)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = write_grid(folder / "grid.toml", short)
        commands = {n: command(folder, cores[:n]) for n in counts}
        os.sched_setaffinity(0, cores)
        with closing(RayExecutor()) as executor:
            costs = cost_models(executor, config, counts, folder / "cache")
            dispatch = [dispatch_seconds(executor, width) for width in WIDTHS]
        # What disturbs a measurement only ever adds, and the first one warms up.
        record = [
            min(record_seconds(width, folder / f"record-{width}-{i}") for i in range(2))
            for width in WIDTHS
        ]
    driver = driver_cost(dispatch, record)
    figures = {
        "measured_grid": f"{len(config.space)} trials on {config.dataset}, epochs {EPOCHS}",
        "dispatch_ms": 1e3 * dispatch[-1],
        "record_ms": 1e3 * record[-1],
        "handling_ms": 1e3 * driver.handling(WIDTHS[-1]),
        "handling_ms_width_4": 1e3 * driver.handling(WIDTHS[0]),
        "measured": measured(commands, config, costs, driver),
        **simulated(costs[counts[-1]], driver, short=short),
    }
    report(f"scaling_{len(cores)}_cores", figures, keep=not short)


def write_grid(path: Path, short: bool) -> SweepConfig:
    """Write the measured grid; in short mode few columns, on the digits."""
    space = load_config("full").to_dict()["space"] | {"epochs": EPOCHS}
    if short:
        space |= {name: space[name][::4] for name in ("learning_rate", "alpha")}
    lines = [f"{name} = {json.dumps(values)}" for name, values in space.items()]
    dataset = "digits" if short else "fashion-mnist"
    path.write_text("\n".join([f'dataset = "{dataset}"', "[space]", *lines]))
    return load_config(str(path))


def command(folder: Path, cores: Sequence[int]) -> dict[str, float]:
    """Run the real command on some cores."""
    os.sched_setaffinity(0, cores)
    return sweep(str(folder / "grid.toml"), folder / f"run-{len(cores)}")


def measured(
    commands: dict[int, dict[str, float]],
    config: SweepConfig,
    costs: dict[int, SpeedModel],
    driver: DriverCost,
) -> dict[str, dict[str, Any]]:
    """Return what the commands took, and what the simulation says to their training."""
    n = len(load_dataset(config.dataset, notify=print).y)
    n_validation = validation_rows(n, config.validation_fraction)
    alone, rows = commands[1], {}
    for workers, timing in commands.items():
        plan = planned(config, costs[workers], workers, n - n_validation, n_validation)
        seconds = run_locally(plan, driver).makespan
        rows[f"{workers} workers"] = {
            "training_s": timing["training_s"],
            "command_s": timing["command_s"],
            "training_efficiency": alone["training_s"] / workers / timing["training_s"],
            "command_efficiency": alone["command_s"] / workers / timing["command_s"],
            "simulated_s": seconds,
            "simulated_error": seconds / timing["training_s"] - 1,
            "predicted_by_command_s": timing["predicted_training_s"],
        }
    return rows


def cost_models(
    executor: RayExecutor, config: SweepConfig, counts: Sequence[int], cache: Path
) -> dict[int, SpeedModel]:
    """Measure the cost with 1, 2, 4 workers at work, not as an earlier command has kept it."""
    every, models = executor.workers, {}
    with patch.dict(os.environ, {"XDG_CACHE_HOME": str(cache)}):
        for workers in counts:
            executor.workers = workers
            models[workers] = calibrate(executor, config.space.axes["batch_size"], 784, 10)
    executor.workers = every
    return models


def driver_cost(dispatch: Sequence[float], record: Sequence[float]) -> DriverCost:
    """Return the line through the sums at `WIDTHS`, flat where noise would make it fall."""
    (narrow, wide), (less, more) = WIDTHS, np.add(dispatch, record).tolist()
    column = max(more - less, 0.0) / (wide - narrow)
    return DriverCost(more - wide * column, column)


def a_pack(index: int, width: int) -> Pack:
    numbers = index * width * LINKS + np.arange(width * LINKS).reshape(width, LINKS)
    columns = {"learning_rate": np.full(width, 1e-7), "alpha": np.full(width, 0.1)}
    return Pack(index, {"batch_size": 32}, columns, tuple(range(1, LINKS + 1)), numbers)


def a_state(pack: Pack) -> PackState:
    return PackState.start(
        pack.shared["batch_size"], **pack.columns, n_features=784, n_classes=10, seed=0
    )


def dispatch_seconds(executor: RayExecutor, width: int) -> float:
    """Seconds a task that returns its state, with so many under way that none is waited for."""
    state = a_state(a_pack(0, width))

    def rush(tasks: int) -> None:
        submitted = ended = 0
        while ended < tasks:
            while submitted < tasks and submitted - ended < IN_FLIGHT:
                executor.submit(submitted, "carry", lambda state: state, state)
                submitted += 1
            ended += len(executor.wait(1.0))

    rush(IN_FLIGHT)
    start = time.perf_counter()
    rush(TASKS)
    return (time.perf_counter() - start) / TASKS


class InstantExecutor:
    """Answers every link with its own state at a later epoch, and scores of nothing."""

    workers = IN_FLIGHT
    dashboard_url = None
    dashboard_token = None

    def __init__(self) -> None:
        self._ended: list[Finished] = []

    def submit(
        self, key: Link, name: str, function: Callable[..., Any], *args: Any, avoid: Sequence[str]
    ) -> None:
        del name, function, avoid
        _, state, _, legs = args
        ones, resampled = np.ones(state.width), np.ones((state.width, RESAMPLES), np.float32)
        scores = dict.fromkeys(READOUTS, Scores(ones, ones, resampled))
        epoch = legs[-1].epoch
        now = time.time()
        ended = (LegResult(scores, 0.0),) * len(legs)
        result = LinkResult(replace(state, epoch=epoch), ended, now, now, 1)
        self._ended.append(Finished(key, result, "localhost"))

    def wait(self, timeout: float) -> list[Finished]:
        del timeout
        ended, self._ended = self._ended, []
        return ended

    def running(self) -> list[Running]:
        return []


class Nobody:
    """Is told and does not care."""

    def started(self, link: Link) -> None: ...
    def advanced(self, link: Link, standings: Standings, node: str) -> None: ...
    def idle(self) -> None: ...


def record_seconds(width: int, folder: Path) -> float:
    """Seconds of the orchestrator for a link: state read, rows staged, saved and published."""
    plan = Plan(tuple(a_pack(index, width) for index in range(PACKS)))
    trial_log, checkpoints = TrialLog(folder / "trials"), Checkpoints(folder / "checkpoints")
    resamples = Resamples(folder / "resamples")
    books = Books(trial_log, checkpoints, Standings(PACKS * LINKS * width), resamples)
    one_row = SpeedModel({1: (1.0, 0.0)}, (0.0, 0.0))
    # An epoch takes ten seconds, more than a link should, so there is a link for each stop.
    cutter = LinkCutter.for_plan(plan, speed=one_row, n_train=10, n_validation=1, workers=1)
    wave = Wave(plan, cutter, books)
    orchestrator = Orchestrator(InstantExecutor(), books, a_state, Nobody())
    start = time.perf_counter()
    orchestrator.run(wave, None)
    return (time.perf_counter() - start) / (PACKS * LINKS)


if __name__ == "__main__":
    main()
