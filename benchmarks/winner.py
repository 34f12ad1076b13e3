"""The winner trained again on all 60,000 images with several seeds, scored in both ways.

A seed decides the order of the images, as `--seed` does. One process a core, one BLAS thread each.

    python benchmarks/winner.py                                    the best of runs/full-average
    python benchmarks/winner.py --run runs/full
    python benchmarks/winner.py --params 32 5e-7 30 1              batch, rate, epochs, alpha
    python benchmarks/winner.py --params 32 5e-7 30 1 --short      two seeds, nothing is kept
"""

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from harness import report

from cluster.executor import one_blas_thread
from model.data.sources import load_dataset
from model.examples import Examples
from model.tasks import run_refit
from search.config import Params
from search.engine import final_models, final_scores
from search.record import READOUTS, RunFolder


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--run", type=Path, default=Path("runs/full-average"))
    chosen.add_argument("--params", nargs=4, metavar=("BATCH", "RATE", "EPOCHS", "ALPHA"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    params = given(*args.params) if args.params else best(args.run)
    seeds = range(2 if args.short else args.seeds)
    load_dataset("fashion-mnist", notify=print)  # before several processes want to download it
    with ProcessPoolExecutor(args.cores) as processes:
        runs = list(processes.map(partial(trained, params), seeds))
    by_seed = {f"seed {seed}": run for seed, run in zip(seeds, runs, strict=True)}
    figures = {**params, "runs": by_seed, **means(runs)}
    report("winner", figures, keep=not args.short)


def given(batch_size: str, learning_rate: str, epochs: str, alpha: str) -> Params:
    return Params(
        batch_size=int(batch_size),
        learning_rate=float(learning_rate),
        epochs=int(epochs),
        alpha=float(alpha),
    )


def best(run: Path) -> Params:
    """The best trial of a finished run."""
    summary = RunFolder(run).read_summary()
    if summary is None or summary.best is None:
        raise SystemExit(f"{run} is not a finished run with a best trial; give --run or --params")
    return summary.best.params


def trained(params: Params, seed: int) -> dict[str, float]:
    """Cost and per cent of the test images by each readout."""
    data = load_dataset("fashion-mnist", notify=print)
    with one_blas_thread():
        start = time.process_time()
        refit = run_refit(Examples.from_dataset(data, 0.2, seed), dict(params), seed)
        seconds = time.process_time() - start
        tests = final_scores(final_models(refit, params, data), data)
    return {
        **{f"{name}_cost": tests[name].cost for name in READOUTS},
        **{f"{name}_percent": 100 * tests[name].accuracy for name in READOUTS},
        "seconds": seconds,
    }


def means(runs: list[dict[str, float]]) -> dict[str, dict[str, dict[str, float]]]:
    """Means over the seeds, and standard deviations of single runs."""
    table = {}
    for name, readout in READOUTS.items():
        columns = {key: [run[f"{name}_{key}"] for run in runs] for key in ("cost", "percent")}
        table[readout.title] = {
            f"{kind} {key}": float(value)
            for key, values in columns.items()
            for kind, value in (("mean", np.mean(values)), ("std", np.std(values, ddof=1)))
        }
    return {"over the seeds": table}


if __name__ == "__main__":
    main()
