"""The overhead of samplers and pruners, with training that takes no time.

    python benchmarks/sampler_overhead.py            4,096 trials (gp: 256)
    python benchmarks/sampler_overhead.py --short    128 trials

Samplers: a study of search.tuning is asked for trials and told of them as a search does it, in
waves of its usual size, of which the next but one is asked for when a wave is told. The space is
that of configs/tpe.toml, costs are a smooth function of the params. Milliseconds per trial:

- ask: on the mean, in the first quarter, in the last. It runs in a thread beside the training.
- tell: of a finished wave.
- replay: a study is rebuilt from the log of a search that has been interrupted before its last
  wave. It then proposes that wave again; "same" says that it is the same one.

Pruners: the decisions about the 512 trajectories of configs/full.toml, which are reported at 7
rungs and have a trial at each of 8 numbers of epochs. Milliseconds per question (should this
trajectory go on?), and seconds in all.

One process, one core.
"""

import argparse
import json
import math
import os
import time
from dataclasses import asdict
from importlib.util import find_spec
from itertools import product
from typing import Any

import numpy as np
from harness import report
from peers.command import packages

from search.config import SweepConfig, read_grid
from search.engine import WAVES_UNDER_WAY, Column, EndedTrial
from search.record import Proposal
from search.tuning.methods import make_pruner
from search.tuning.pruning import PruningStudy
from search.tuning.tuner import Tuner, make_tuner

NEEDS = {"gp": "torch", "cmaes": "cmaes"}
GP_TRIALS = 256


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, help="of each search (4096; 128 if short)")
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    trials = args.trials or (128 if args.short else 4096)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    samplers = {}
    for name in ("tpe", "random", "qmc", "cmaes", "gp"):
        print(f"{name} ...", flush=True)
        needed = NEEDS.get(name)
        if needed and find_spec(needed) is None:
            samplers[name] = {"note": f"left out: {needed} is not installed"}
        else:
            samplers[name] = sampler(name, min(trials, GP_TRIALS) if name == "gp" else trials)
    figures = {
        "samplers": samplers,
        "pruners": {name: pruner(name) for name in ("halving", "median")},
    }
    report("sampler_overhead", figures, keep=not args.short, packages=packages())


def settings(name: str, trials: int) -> SweepConfig:
    grid = read_grid("tpe")
    own = grid["sampler"]
    options = own["options"] if own["name"] == name else {}
    table = {"name": name, "trials": trials, "options": options}
    return SweepConfig.from_dict({**grid, "sampler": table})


def sampler(name: str, trials: int) -> dict[str, Any]:
    """Go through a search as `search.engine.SampledSearch` does, then rebuild it."""
    config = settings(name, trials)
    batch = config.wave_size
    tuner, waves, ask, tell = make_tuner(config), [], [], []
    for index, first in enumerate(range(0, trials, batch)):
        if index >= WAVES_UNDER_WAY:
            tell.append(timed(tell_wave, tuner, waves[index - WAVES_UNDER_WAY]))
        start = time.perf_counter()
        waves.append(tuner.ask(index, min(batch, trials - first)))
        ask.append(time.perf_counter() - start)
    told = len(waves) - WAVES_UNDER_WAY if len(waves) > WAVES_UNDER_WAY else 0
    # As it comes from its file.
    logged = [
        Proposal(**json.loads(json.dumps(asdict(wave), default=lambda x: x.item())))
        for wave in waves[:-1]
    ]
    again = make_tuner(config)
    replay = timed(rebuild, again, logged, told)
    same = again.ask(len(logged), len(waves[-1].params)).params == waves[-1].params
    sizes = [len(wave.params) for wave in waves]
    quarter = max(1, len(waves) // 4)
    distinct = {tuple(sorted(params.items())) for wave in waves for params in wave.params}
    return {
        "trials": trials,
        "batch": batch,
        "ask_ms": per_trial(ask, sizes),
        "ask_first_ms": per_trial(ask[:quarter], sizes[:quarter]),
        "ask_last_ms": per_trial(ask[-quarter:], sizes[-quarter:]),
        "ask_last_wave_s": ask[-1],
        "tell_ms": per_trial(tell, sizes[: len(tell)]),
        "replay_ms": per_trial([replay], sizes[:-1]),
        "whole_s": sum(ask) + sum(tell),
        "same": same,
        "repeated": trials - len(distinct),
        "best": min(cost(params) for wave in waves for params in wave.params),
        "note": "",
    }


def timed(function: Any, *args: Any) -> float:
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def per_trial(seconds: list[float], sizes: list[int]) -> float:
    return 1000 * sum(seconds) / max(1, sum(sizes))


def tell_wave(tuner: Tuner, wave: Proposal) -> None:
    rows = [
        {"number": number, "state": "COMPLETE", "val_cost": cost(params), "reports": None}
        for number, params in zip(wave.numbers, wave.params, strict=True)
    ]
    tuner.tell(rows, dict(zip(wave.numbers, wave.attrs, strict=True)))


def rebuild(tuner: Tuner, waves: list[Proposal], told: int) -> None:
    for index, wave in enumerate(waves):
        tuner.restore(wave)
        if index < told:
            tell_wave(tuner, wave)


def cost(params: dict[str, Any]) -> float:
    """A bowl about a learning rate, an alpha and a batch size; more epochs are better."""
    rate, alpha = math.log10(params["learning_rate"]) + 6, math.log10(params["alpha"]) - 1
    size = math.log2(params["batch_size"]) - 5 + rate
    return 0.4 + 0.1 * rate**2 + 0.02 * alpha**2 + 0.01 * size**2 + 0.3 / params["epochs"]


def pruner(name: str) -> dict[str, Any]:
    """Decide about all trajectories of the grid, rung by rung."""
    config = SweepConfig.from_dict({**read_grid("full"), "pruner": {"name": name}})
    space, rungs = config.space, config.rungs
    columns: dict[Column, tuple[float, float]] = {
        (i, m): (rate, alpha)
        for i in range(len(space.axes["batch_size"]))
        for m, (rate, alpha) in enumerate(product(space.axes["learning_rate"], space.axes["alpha"]))
    }
    numbers = {column: i for i, column in enumerate(columns)}
    study = PruningStudy(make_pruner(name, {}, rungs), [], numbers, [0, 0])
    # At a rung, the trials of that many epochs have ended: all that were not pruned before.
    rest, asked, seconds = set(columns), [], []
    for position, rung in enumerate(rungs):
        curves = {column: curve(column, columns[column], rungs[: position + 1]) for column in rest}
        live = {column: reports[rung] for column, reports in curves.items()}
        ended = [EndedTrial(column, False, reports) for column, reports in sorted(curves.items())]
        start = time.perf_counter()
        rest -= study.decide(rung, live, ended).pruned
        seconds.append(time.perf_counter() - start)
        asked.append(len(live))
    epochs = np.diff([0, *rungs, max(space.axes["epochs"])])
    trained = float(np.sum(epochs * [*asked, len(rest)])) / (
        len(columns) * max(space.axes["epochs"])
    )
    longest = [max(space.axes["epochs"])]
    best = min(columns, key=lambda column: sum(curve(column, columns[column], longest).values()))
    return {
        "questions": sum(asked),
        "question_ms": 1000 * sum(seconds) / sum(asked),
        "longest_rung_s": max(seconds),
        "whole_s": sum(seconds),
        "left": len(rest),
        "arithmetic": trained,
        "best_kept": best in rest,
    }


def curve(column: Column, chosen: tuple[float, float], epochs: Any) -> dict[int, float]:
    """Return a trajectory's cost after some epochs."""
    rate, alpha = chosen
    params = {"batch_size": 8 * 2 ** column[0], "learning_rate": rate, "alpha": max(alpha, 1e-3)}
    return {epoch: cost({**params, "epochs": epoch}) for epoch in epochs}


if __name__ == "__main__":
    main()
