"""This project and other tools: the same trials, data, split and shuffles on the same cores.

    python benchmarks/peers.py            a sample of the full grid for each tool, about 20 minutes
    python benchmarks/peers.py --short    a tiny grid, to see that it works

This project runs the whole grid, as a user would: `python -m search.run --grid full`, once with
each kind of product. Its figures are those of the whole command, start-up, final training and
report included.

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
- scikit-learn's own SGDClassifier and LogisticRegression in GridSearchCV: other algorithms, over
  what they have of the grid.

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

Memory is what the machine has less of at the peak, object store and all processes included.
Lines of code are those of the tool's file in benchmarks/peers, without the textbook trainer where
that is imported; PyTorch's file has both its forms; of this project, those of the grid's file.

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
from peers.memory import MachineMemory
from peers.sample import (
    SEED,
    estimate,
    is_stable,
    largest_curvature,
    pairs_of_epochs,
    shortest_stacks,
)
from peers.task import Outcome, Task, Trial
from peers.user_code import lines_of

from model.data.sources import load_dataset
from model.examples import Examples
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


# Functions of a Task that return a row: "module:function".
OTHER_ALGORITHMS = {
    "scikit-learn's SGDClassifier": "peers.sklearn_own:search_sgd",
    "scikit-learn's LogisticRegression": "peers.sklearn_own:search_logistic_regression",
}
PRODUCTS = ("numpy", "onednn", "fixed")


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
    """Return a row for this project with each product, for every peer, and for other algorithms."""
    rows, costs = these_projects(grid, config.space)
    ours = rows["this project"]["grid_h"]
    for peer in PEERS:
        print(f"{peer.name} ...", flush=True)
        trials = peer.sample(config.space)
        with MachineMemory() as memory:
            found = tried(run_alone, peer.run, trials, config, cores)
        if isinstance(found, str):
            rows[peer.name] = {"check": found}
            continue
        outcomes, seconds = found
        row = compared(outcomes, trials, costs, curvature)
        row |= extrapolated(peer, outcomes, trials, config.space, cores, seconds)
        row |= {"ratio": row["grid_h"] / ours, "memory_mib": memory.peak_mib}
        rows[peer.name] = row | {"lines_of_code": lines_of(peer.run.partition(":")[0])}
    for name, run in OTHER_ALGORITHMS.items():
        print(f"{name} ...", flush=True)
        with MachineMemory() as memory:
            found = tried(run_alone, run, [], config, cores)
        if isinstance(found, str):
            rows[name] = {"check": found}
        else:
            more = {"memory_mib": memory.peak_mib, "ratio": found[0]["grid_h"] / ours}
            rows[name] = found[0] | more
    return rows


def tried(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function; return its result, or in words why there is none."""
    try:
        return function(*args)
    except ImportError as error:
        return f"not installed: {error}"
    except Exception as error:  # one tool that fails shall not cost the others' figures
        traceback.print_exc()
        return f"VOID: {type(error).__name__}"


def these_projects(
    grid: str, space: SearchSpace
) -> tuple[dict[str, dict[str, Any]], dict[int, float]]:
    """Run the whole grid with each product; return the rows, and each trial's cost with numpy's."""
    rows = {}
    costs: dict[int, float] = {}
    for products in PRODUCTS:
        name = "this project" if products == "numpy" else f"this project, {products}"
        print(f"{name} ...", flush=True)
        with MachineMemory() as memory:
            found = tried(this_project, grid, space, products)
        if isinstance(found, str):
            rows[name] = {"check": found}
            continue
        row, these = found
        costs = costs or these
        rows[name] = row | {"memory_mib": memory.peak_mib}
        rows[name]["ratio"] = row["grid_h"] / rows["this project"]["grid_h"]
    return rows, costs


def this_project(
    grid: str, space: SearchSpace, products: str
) -> tuple[dict[str, Any], dict[int, float]]:
    """Run the whole grid; return the row, and the cost of every trial."""
    with tempfile.TemporaryDirectory() as folder:
        figures = sweep(grid, Path(folder) / "run", "--products", products)
        log = trials_of(Path(folder) / "run")
    seconds, n = figures["command_s"], len(space)
    row = {
        "check": "the reference" if products == "numpy" else "this project",
        "trials_run": n,
        "measured_s": seconds,
        "once_s": seconds - figures["training_s"],
        "trial_ms": 1000 * seconds / n,
        "grid_h": seconds / 3600,
        "val_accuracy": log["val_accuracy"].max(),
    }
    return row, dict(zip(log["number"].tolist(), log["val_cost"].tolist(), strict=True))


def run_alone(run: str, trials: list[Trial], config: SweepConfig, cores: int) -> tuple[Any, float]:
    """Run a peer in a fresh process, so that nothing of the one before is left.

    Returns
    -------
    What it returns, and its seconds.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as alone:
        return alone.submit(_run, run, trials, config, cores).result()


def _run(name: str, trials: list[Trial], config: SweepConfig, cores: int) -> tuple[Any, float]:
    data = load_dataset(config.dataset, notify=print)
    examples = Examples.from_dataset(data, config.validation_fraction, config.seed)
    run = resolve_name(name)
    start = time.time()
    found = run(Task(tuple(trials), config.space, examples, config.seed, cores))
    return found, time.time() - start


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
