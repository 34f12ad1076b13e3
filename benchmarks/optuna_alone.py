"""A TPE search by this project, compared with the same search by Optuna alone.

    python benchmarks/optuna_alone.py            500 trials each, about 7 minutes on 4 cores
    python benchmarks/optuna_alone.py --short    tiny trials, to see that it works

Both search the ranges of configs/tpe.toml with Optuna's TPE, multivariate and with constant_liar,
on the same data, split and shuffles, float32. Optuna alone is what its documentation shows for
several processes: as many as cores, a shared study in a journal file (JournalStorage), in each of
them study.optimize with a sampler of its own seed, and the textbook trainer (model.softmax) with
one BLAS thread. This project asks for trials in waves, so its sampler knows less when it is asked.

Seconds are those of the whole command, from its start to its end, when the best trial is known.
This project's command moreover retrains the winner on all images, tests it and writes a report;
that is not subtracted.

A sampler that goes another way gives other trials, and they differ in work: epochs, and the time
of an epoch, which is longer with small batches. So beside the plain ratio of seconds stand

- row-epochs (training images times epochs of all trials) a second of each, and their ratio;
- the seconds that Optuna alone would take for this project's trials. Its seconds per epoch are
  fitted to its own trials as a + b / batch size; the time outside of training is left as it was.

A trial's epochs are those that it asked for, whether or not it shared them with another.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from harness import gemm_rate, report
from numpy.typing import NDArray
from peers.command import RANGES, SHORT_RANGES, packages, run_command, write_config

from model.data.sources import load_dataset
from model.examples import Examples
from search.config import load_config

Columns = dict[str, NDArray[Any]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--trials", type=int, help="of each (500; 64 if short)")
    parser.add_argument("--seed", type=int, default=0, help="of the samplers (0)")
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    trials = args.trials or (64 if args.short else 500)
    cores = sorted(os.sched_getaffinity(0))[: args.cores]
    os.sched_setaffinity(0, cores)
    before = gemm_rate(cores)
    with tempfile.TemporaryDirectory() as folder:
        ranges = SHORT_RANGES if args.short else RANGES
        # By name, so that small data is not taken in its place.
        data = None if args.short else "fashion-mnist"
        config = write_config(
            Path(folder) / "tpe.toml", ranges, "tpe", trials, args.seed, dataset=data
        )
        rows = train_rows(config)
        ours, our_trials = this_project(config, Path(folder) / "run")
        theirs, their_trials = optuna_alone(config, Path(folder) / "trials.json", len(cores))
    figures = {
        "trials": trials,
        "gemm_gflops_before": before,
        "gemm_gflops_after": gemm_rate(cores),
        "whole": {
            "this project": whole(ours, our_trials, rows),
            "Optuna alone": whole(theirs, their_trials, rows),
        },
        "ratio": theirs / ours,
        **corrected(ours, our_trials, theirs, their_trials, len(cores)),
        "batch_sizes": {
            "this project": mix(our_trials, their_trials),
            "Optuna alone": mix(their_trials, our_trials),
        },
    }
    report("optuna_alone", figures, keep=not args.short, packages=packages())


def train_rows(config: Path) -> int:
    settings = load_config(str(config))
    data = load_dataset(settings.dataset, notify=print)
    return Examples.from_dataset(data, settings.validation_fraction, settings.seed).n_train


def this_project(config: Path, folder: Path) -> tuple[float, Columns]:
    start = time.monotonic()
    run = run_command(config, folder)
    seconds = time.monotonic() - start
    names = ("batch_size", "epochs", "val_cost", "seconds")
    return seconds, dict(zip(names, run.columns(*names), strict=True))


def optuna_alone(config: Path, out: Path, cores: int) -> tuple[float, Columns]:
    command = [sys.executable, "-m", "peers.optuna_search", str(config), str(out)]
    start = time.monotonic()
    subprocess.run([*command, "--cores", str(cores)], check=True, cwd=Path(__file__).parent)
    seconds = time.monotonic() - start
    rows = json.loads(out.read_text())
    return seconds, {name: np.array([row[name] for row in rows], float) for name in rows[0]}


def whole(seconds: float, trials: Columns, rows: int) -> dict[str, float]:
    epochs, costs = trials["epochs"], trials["val_cost"]
    return {
        "seconds": seconds,
        "trial_ms": 1000 * seconds / len(epochs),
        "best_cost": float(np.nanmin(costs)),
        "median_cost": float(np.nanmedian(costs)),
        "diverged": int(np.isnan(costs).sum()),
        "mean_epochs": float(epochs.mean()),
        "median_batch_size": float(np.median(trials["batch_size"])),
        "row_epochs_per_s": float(epochs.sum()) * rows / seconds,
    }


def corrected(
    ours: float, our_trials: Columns, theirs: float, their_trials: Columns, cores: int
) -> dict[str, float]:
    """Return the ratios for equal work."""
    per_epoch = fit(their_trials)
    of_their, of_our = work(their_trials, per_epoch), work(our_trials, per_epoch)
    same_trials = theirs + (of_our - of_their) / cores
    per_row = theirs / their_trials["epochs"].sum() / (ours / our_trials["epochs"].sum())
    return {
        "ratio_per_row_epoch": float(per_row),
        "optuna_alone_s_for_our_trials": same_trials,
        "ratio_for_our_trials": same_trials / ours,
        "optuna_alone_training_s": float(their_trials["seconds"].sum()) / cores,
        "fit_over_measured": of_their / float(their_trials["seconds"].sum()),
    }


def fit(trials: Columns) -> NDArray[np.float64]:
    """Return a and b, the seconds of an epoch being a + b / batch size."""
    terms = np.stack([np.ones_like(trials["batch_size"]), 1 / trials["batch_size"]], 1)
    return np.linalg.lstsq(terms, trials["seconds"] / trials["epochs"])[0]


def work(trials: Columns, per_epoch: NDArray[np.float64]) -> float:
    """Return the seconds inside trials that they take by the fit."""
    return float(np.sum(trials["epochs"] * (per_epoch[0] + per_epoch[1] / trials["batch_size"])))


def mix(trials: Columns, others: Columns) -> dict[str, float]:
    """Return the part of the epochs that each batch size has, of those that either side tried."""
    sizes = np.union1d(trials["batch_size"], others["batch_size"])
    parts = [trials["epochs"][trials["batch_size"] == size].sum() for size in sizes]
    return {
        f"{size:g}": float(part / trials["epochs"].sum())
        for size, part in zip(sizes.tolist(), parts, strict=True)
    }


if __name__ == "__main__":
    main()
