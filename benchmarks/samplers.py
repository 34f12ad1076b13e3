"""How close samplers come to the best of the whole grid, and after how many trials.

    python benchmarks/samplers.py                        5 seeds of each sampler, and two full grids
    python benchmarks/samplers.py --grid-run runs/full   with the grid's run that is there already
    python benchmarks/samplers.py --runs FOLDER          keep the runs; those finished are not
                                                         repeated
    python benchmarks/samplers.py --short                the smoke grid, to see that it works

Each search is the command on its own, on the ranges of configs/tpe.toml: start-up, final training
and report are in its seconds. The seed of the run is always 0, so that all have the same split and
shuffles and their costs can be compared; the sampler's own seed varies. The grid's best is that of
all combinations of configs/full.toml. A gap is best cost so far / grid's best - 1, in the order of
the trials' numbers, median and worst over the seeds; below 0 a sampler has found values between
those of the grid that are better than all of them. A diverged trial counts as one without a cost.
The first two waves are asked for before any trial is told: up to there the samplers that begin at
random propose the same trials with the same seed.

Also the grid with successive halving: the part of the arithmetic that it does, and what it finds.

The picture is docs/samplers.svg: median of the gaps as a line, lowest to highest as a band.
"""

import argparse
import os
import subprocess
import tempfile
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from harness import gemm_rate, report
from numpy.typing import NDArray
from peers.command import RANGES, SHORT_RANGES, Run, packages, run_command, write_config

mpl.use("svg")
from matplotlib import pyplot as plt

SAMPLERS = ("tpe", "gp", "cmaes", "qmc", "random")
NEEDS = {"gp": "torch", "cmaes": "cmaes"}
PICTURE = Path(__file__).parent.parent / "docs" / "samplers.svg"
F64 = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--samplers", nargs="+", default=SAMPLERS, choices=SAMPLERS, metavar="NAME")
    parser.add_argument("--seeds", type=int, help="of each sampler (5; 2 if short)")
    parser.add_argument("--trials", type=int, help="of each search (256; 96 if short)")
    parser.add_argument("--grid-run", type=Path, metavar="DIR", help="a finished run of the grid")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="keep the runs there")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="(docs/samplers.svg)")
    parser.add_argument("--short", action="store_true", help="no picture unless it is named")
    args = parser.parse_args()
    seeds = args.seeds or (2 if args.short else 5)
    trials = args.trials or (96 if args.short else 256)
    cores = sorted(os.sched_getaffinity(0))[: args.cores]
    os.sched_setaffinity(0, cores)
    before = gemm_rate(cores)
    with ExitStack() as stack:
        runs = args.runs or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        runs.mkdir(parents=True, exist_ok=True)
        grid, halved = grids(args.grid_run, runs, short=args.short)
        gaps, rows = {}, {}
        for sampler in args.samplers:
            print(f"{sampler} ...", flush=True)
            gaps[sampler], rows[sampler] = searches(
                sampler, seeds, trials, grid, runs, short=args.short
            )
        figures = {
            "seeds": seeds,
            "trials": trials,
            "gemm_gflops_before": before,
            "gemm_gflops_after": gemm_rate(cores),
            "grid": {"exhaustive": grid_row(grid, grid), "halving": grid_row(halved, grid)},
            "samplers": rows,
        }
    report("samplers", figures, keep=not args.short, packages=packages())
    if not args.short or args.picture != PICTURE:
        draw({name: runs for name, runs in gaps.items() if len(runs)}, args.picture)


def grids(finished: Path | None, runs: Path, *, short: bool) -> tuple[Run, Run]:
    """Return the whole grid, and the grid with halving."""
    name = "smoke" if short else "full"
    # By name, so that small data is not taken in its place.
    data = [] if short else ["--dataset", "fashion-mnist"]
    grid = Run.read(finished) if finished else run_command(name, runs / "grid", *data)
    halved = run_command(name, runs / "halving", *data, "--pruner", "halving")
    check_comparable(halved, grid)
    counts = grid.summary["trials"]
    if counts.get("pruned") or counts["total"] != halved.summary["trials"]["total"]:
        raise SystemExit(f"{grid.folder} is not a run of the whole grid {name!r}")
    return grid, halved


def check_comparable(run: Run, grid: Run) -> None:
    if not run.comparable(grid):
        raise SystemExit(f"{run.folder} and {grid.folder} differ in data, seed, split or trainer")


def grid_row(run: Run, grid: Run) -> dict[str, float]:
    return {
        "best": run.best,
        "gap": run.best / grid.best - 1,
        "arithmetic": 1 - run.summary.get("arithmetic", {"saved": 0.0})["saved"],
        "seconds": run.seconds,
        "training_s": run.summary["timing"]["training_s"],
        "test_cost": run.summary["test"]["cost"],
        **run.summary["trials"],
    }


def searches(
    sampler: str, seeds: int, trials: int, grid: Run, runs: Path, *, short: bool
) -> tuple[F64, dict[str, Any]]:
    """Search with every seed; return the gaps of shape (seeds, trials), and the table's row."""
    needed = NEEDS.get(sampler)
    if needed and find_spec(needed) is None:
        return np.empty((0, trials)), {"note": f"left out: {needed} is not installed"}
    ranges, data = (SHORT_RANGES, None) if short else (RANGES, "fashion-mnist")
    done = []
    for seed in range(seeds):
        name = f"{sampler}-{trials}-{seed}"
        file = runs / f"{name}.toml"
        config = write_config(file, ranges, sampler, trials, seed, dataset=data)
        try:
            run = run_command(config, runs / name)
        except subprocess.CalledProcessError as error:  # shall not cost the others' figures
            print(f"{name} failed: {error}", flush=True)
            continue
        check_comparable(run, grid)
        done.append(run)
    if not done:
        return np.empty((0, trials)), {"note": "VOID: all failed"}
    gaps = np.array([best_so_far(run) for run in done]) / grid.best - 1
    return gaps, sampler_row(done, gaps, seeds)


def best_so_far(run: Run) -> F64:
    [costs] = run.columns("val_cost")
    return np.minimum.accumulate(np.where(np.isnan(costs), np.inf, costs))


def sampler_row(runs: list[Run], gaps: F64, seeds: int) -> dict[str, Any]:
    trials = gaps.shape[1]
    row: dict[str, Any] = {}
    for mark in (trials // 4, trials // 2, trials):
        row[f"median_{mark}"] = float(np.median(gaps[:, mark - 1]))
        row[f"worst_{mark}"] = float(gaps[:, mark - 1].max())
    sources = [run.columns("source")[0] for run in runs]
    return row | {
        "within_1_percent": trials_to(gaps, 0.01),
        "seconds": float(np.median([run.seconds for run in runs])),
        "training_s": float(np.median([run.summary["timing"]["training_s"] for run in runs])),
        "mean_epochs": float(np.mean([run.columns("epochs")[0].mean() for run in runs])),
        "repeated": int(sum(source is not None for some in sources for source in some)),
        "failed": sum(run.summary["trials"]["failed"] for run in runs),
        "note": "" if len(runs) == seeds else f"{seeds - len(runs)} seeds failed",
    }


def trials_to(gaps: F64, gap: float) -> float | str:
    """Return the median number of trials until a gap is reached, if most seeds reach it."""
    reached = gaps <= gap
    firsts = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.inf)
    median = float(np.median(firsts))
    return median if np.isfinite(median) else "never"


def draw(gaps: dict[str, F64], picture: Path) -> None:
    """Save the picture; the gap is linear within 1 % of the grid's best, logarithmic beyond."""
    figure, axes = plt.subplots(figsize=(8, 5))
    axes.axhspan(-1, 1, color="black", alpha=0.07, lw=0, label="within 1 %")
    axes.axhline(0, color="black", lw=1, label="best of the grid")
    top = 2.0
    for sampler, runs in gaps.items():
        percent, x = 100 * runs, np.arange(1, runs.shape[1] + 1)
        median = np.median(percent, axis=0)
        [line] = axes.step(x, median, where="post", label=sampler)
        low, high = percent.min(axis=0), percent.max(axis=0)
        axes.fill_between(x, low, high, step="post", color=line.get_color(), alpha=0.12, lw=0)
        # The first few are pure chance, and infinite where a trial diverges.
        top = max(top, median[min(7, len(x) - 1)])
    axes.set_yscale("symlog", linthresh=1, linscale=0.8)
    lowest = min([-1.0, *(100 * runs[:, -1].min() for runs in gaps.values())])
    axes.set(
        xlabel="trials, in the order of their numbers", ylabel="best cost so far over the grid's",
        xlim=(1, None), ylim=(1.3 * lowest, 1.5 * top if np.isfinite(top) else None),
        title="Best validation cost so far, against the best of the grid",
    )  # fmt: skip
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:+g} %" if y else "0")
    axes.grid(visible=True, which="major", alpha=0.2)
    axes.legend(loc="upper right", ncols=2)
    figure.tight_layout()
    figure.savefig(picture)


if __name__ == "__main__":
    main()
