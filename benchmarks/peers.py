"""This project beside other tools: the same trials, data, split and shuffles on the same cores.

    python benchmarks/peers.py            a sample of the full grid for each tool, about 10 minutes
    python benchmarks/peers.py --short    a tiny grid, to see that it works

This project runs the whole grid, as a user would: `python -m search.run --grid full`. Its figures
are those of the whole command, start-up, final training and report included.

The others run a sample of that grid. Each trains with the textbook trainer (model.softmax) in
float32, one BLAS thread for each process, one process for each core, and scores the cost on the
validation images:

- numpy loop: a pool of processes, one model after another in each.
- Ray Tune: an actor for every trial; and with reuse_actors, one actor for many trials. The images
  are in the object store.
- Optuna: processes that share a study in a journal file; the trials are enqueued.
- GridSearchCV: single points, one predefined split, n_jobs = cores, no refit.
- PyTorch: the same updates in torch, one model for each process; and stacked, the 64 models of one
  batch size and number of epochs as one product.
- JAX: stacked, one step under vmap, an epoch under scan, compiled.
- Stacked with prefixes by hand: as a careful engineer would write it, who trains each column once,
  for the most epochs, and scores it on its way.

The sample holds, of every batch size, pairs of trials whose epochs come from both ends of the
values (5 with 40, 10 with 35), so that every batch size and every trial has the grid's share:

    wall time of the grid = (seconds inside the sample's trials * epochs of the grid / of the sample
                             + seconds between two trials on a core * trials of the grid) / cores

The stacked row's sample is all columns of every batch size with the fewest epochs. The wait of a
core that has no trial left does not count. What is there once, start-up and shut-down, stands in
the column once_s and is not in the extrapolation; imports of the tool and the loading of images are
in neither. Costs that grow faster than the number of trials do not show in a sample. All these
omissions are in the other tools' favour; in a tiny grid they are most of the time, so that the
figures of --short mean nothing.

It needs what this project's own environment lacks: pip install "ray[tune]" optuna torch jax. A tool
that cannot be imported gets a row that says so.

Costs are compared with this project's log. They must agree to 1e-3 where training is stable, or
else the row is void. Stable is a learning rate below 2 / (largest curvature that the cost can have,
plus alpha). Above it the descent is chaotic: float32 and float64 of one trainer differ by tens of
percent there, and so do the tools.
"""

import argparse
import math
import multiprocessing
import os
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from full_sweep import sweep
from harness import PACKAGES, gemm_rate, report, trials_of
from peers.sample import (
    SEED,
    estimate,
    is_stable,
    largest_curvature,
    pairs_of_epochs,
    shortest_stacks,
)
from peers.task import Outcome, Task, Trial

from model.data.sources import load_dataset
from model.tasks import Examples
from search.config import SearchSpace, SweepConfig, load_config

SHORT_GRID = Path(__file__).parent / "peers" / "short.toml"
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Peer:
    """A tool: its name, its `peers.task.Run` as "module:function", and its sample.

    With `prefixes` its user trains a column once, and scores it at each number of epochs.
    """

    name: str
    run: str
    sample: Callable[[SearchSpace], list[Trial]] = pairs_of_epochs
    prefixes: bool = False


PEERS = (
    Peer("numpy loop", "peers.processes:run"),
    Peer("Ray Tune", "peers.ray_tune:run"),
    Peer("Ray Tune, reuse_actors", "peers.ray_tune:run_reusing_actors"),
    Peer("Optuna", "peers.optuna_study:run"),
    Peer("GridSearchCV", "peers.sklearn_search:run"),
    Peer("PyTorch, single models", "peers.torch_models:run"),
    Peer("PyTorch, stacked models", "peers.torch_models:run_stacked", shortest_stacks),
    Peer(
        "PyTorch, stacked, prefixes by hand",
        "peers.torch_models:run_stacked",
        shortest_stacks,
        prefixes=True,
    ),
    Peer("JAX, stacked models", "peers.jax_models:run_stacked", shortest_stacks),
    Peer(
        "JAX, stacked, prefixes by hand",
        "peers.jax_models:run_stacked",
        shortest_stacks,
        prefixes=True,
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[: args.cores]
    os.sched_setaffinity(0, cores)
    grid = str(SHORT_GRID) if args.short else "full"
    config = load_config(grid)
    before = gemm_rate(cores)
    data = load_dataset(config.dataset, notify=print)
    curvature = largest_curvature(data.X)
    rows = measure_all(grid, config, curvature, len(cores))
    figures = {
        "grid": config.name,
        "dataset": data.name,
        "sample_seed": SEED,
        "stable_below_rate": 2 / curvature,
        "gemm_gflops_before": before,
        "gemm_gflops_after": gemm_rate(cores),
        "tools": rows,
    }
    more = [name for name in ("optuna", "torch", "jax") if installed(name)]
    report("peers", figures, keep=not args.short, packages=(*PACKAGES, *more))


def installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def measure_all(
    grid: str, config: SweepConfig, curvature: float, cores: int
) -> dict[str, dict[str, Any]]:
    """Return a row for this project, and one for every peer."""
    ours, costs = this_project(grid, config.space)
    rows = {"this project": ours}
    for peer in PEERS:
        print(f"{peer.name} ...", flush=True)
        trials = peer.sample(config.space)
        try:
            outcomes, seconds = run_alone(peer, trials, config, cores)
        except ImportError as error:
            rows[peer.name] = {"check": f"not installed: {error}"}
            continue
        except Exception as error:  # one tool that fails shall not cost the others' figures
            traceback.print_exc()
            rows[peer.name] = {"check": f"VOID: {type(error).__name__}"}
            continue
        row = compared(outcomes, trials, costs, curvature)
        row |= extrapolated(peer, outcomes, trials, config.space, cores, seconds)
        rows[peer.name] = row | {"ratio": row["grid_h"] / ours["grid_h"]}
    return rows


def this_project(grid: str, space: SearchSpace) -> tuple[dict[str, Any], dict[int, float]]:
    """Run the whole grid; return the row, and the cost of every trial."""
    with tempfile.TemporaryDirectory() as folder:
        figures = sweep(grid, Path(folder) / "run")
        log = trials_of(Path(folder) / "run")
    seconds, n = figures["command_s"], len(space)
    row = {
        "check": "the reference",
        "trials_run": n,
        "measured_s": seconds,
        "once_s": seconds - figures["training_s"],
        "trial_ms": 1000 * seconds / n,
        "grid_h": seconds / 3600,
        "ratio": 1.0,
    }
    return row, dict(zip(log["number"].tolist(), log["val_cost"].tolist(), strict=True))


def run_alone(
    peer: Peer, trials: list[Trial], config: SweepConfig, cores: int
) -> tuple[list[Outcome], float]:
    """Run a peer in a fresh process, so that nothing of the one before is left."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as alone:
        return alone.submit(_run, peer, trials, config, cores).result()


def _run(
    peer: Peer, trials: list[Trial], config: SweepConfig, cores: int
) -> tuple[list[Outcome], float]:
    data = load_dataset(config.dataset, notify=print)
    examples = Examples.from_dataset(data, config.validation_fraction, config.seed)
    run = resolve_name(peer.run)
    start = time.time()
    outcomes = run(Task(tuple(trials), config.space, examples, config.seed, cores))
    return outcomes, time.time() - start


def extrapolated(
    peer: Peer,
    outcomes: list[Outcome],
    trials: list[Trial],
    space: SearchSpace,
    cores: int,
    seconds: float,
) -> dict[str, Any]:
    """Return what the sample says about the whole grid."""
    first, last = min(o.started for o in outcomes), max(o.finished for o in outcomes)
    whole = estimate(outcomes, trials, space, cores, prefixes=peer.prefixes)
    return {
        "trials_run": len(trials),
        "measured_s": seconds,
        "once_s": seconds - (last - first),
        "between_ms": 1000 * whole.between_s,
        "trial_ms": 1000 * whole.grid_s / len(space),
        "grid_h": whole.grid_s / 3600,
    }


def compared(
    outcomes: list[Outcome], trials: list[Trial], costs: dict[int, float], curvature: float
) -> dict[str, Any]:
    """Return the largest relative differences to this project's costs, and the verdict."""
    found = {outcome.number: outcome.cost for outcome in outcomes}
    pairs = [(trial, costs[trial.number], found.get(trial.number, math.nan)) for trial in trials]
    everywhere = [abs(theirs / ours - 1) for _, ours, theirs in pairs]
    stable = [abs(theirs / ours - 1) for t, ours, theirs in pairs if is_stable(t.params, curvature)]
    complete = found.keys() == {trial.number for trial in trials}
    return {
        "check": verdict(stable, complete=complete),
        "stable_trials": len(stable),
        "difference_stable": max(stable, default=math.nan),
        "difference_all": max(filter(math.isfinite, everywhere), default=math.nan),
    }


def verdict(stable: list[float], *, complete: bool) -> str:
    if not complete:
        return "VOID: trials are missing"
    if not stable:
        return "not compared: no stable trial"
    agrees = all(difference <= TOLERANCE for difference in stable)
    return "agrees" if agrees else "VOID: costs disagree"


if __name__ == "__main__":
    main()
