"""Overhead of a grid of 1,000,000 trials besides training: plan, log, resume, queries, memory.

Every link of the plan is logged through the real trial log with made-up scores, so that all but the
arithmetic happens as in a sweep.

    python benchmarks/ledger.py
    python benchmarks/ledger.py --short    65,536 trials
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from harness import report

from model.results import LegResult, LinkResult
from model.scoring import Scores
from model.speed import TYPICAL
from search.config import AXES, SearchSpace
from search.plan import (
    Chain,
    LinkCutter,
    Plan,
    choose_widths,
    make_plan,
    nothing_reached,
    open_chains,
)
from search.record import (
    READOUTS,
    SOFTMAX_LAYOUT,
    Checkpoint,
    RowCheck,
    Standings,
    TrialLog,
    link_name,
    record,
)
from search.report.sections.pairs import pair_costs
from search.report.sections.result import top_trials

T = TypeVar("T")
WORKERS = 64
N_TRAIN, N_VALIDATION = 48_000, 12_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = ledger(make_space(16 if args.short else 50), Path(folder))
    report("ledger", figures, keep=not args.short)


def make_space(rates: int) -> SearchSpace:
    """Return a grid of 8 x rates x 20 x 125 trials, or about as many for a short run."""
    alphas = 125 if rates == 50 else 25
    return SearchSpace(
        batch_size=tuple(8 << i for i in range(8)),
        learning_rate=tuple(np.geomspace(5e-8, 1e-5, rates).tolist()),
        epochs=tuple(range(2, 42, 2)),
        alpha=(0.0, *np.geomspace(0.01, 1e4, alphas - 1).tolist()),
    )


def ledger(space: SearchSpace, folder: Path) -> dict[str, float]:
    """Time each part."""
    (plan, chains), planning = timed(lambda: make_chains(space))
    trial_log = TrialLog(folder)
    logging = log_all(trial_log, chains)
    standings, resume = timed(lambda: resumed(space, plan, trial_log))
    assert standings.finished == len(space)
    names = ("number", "val_cost", "val_accuracy", *AXES)
    columns, reading = timed(lambda: TrialLog(folder).columns(*names))
    trials = dict(zip(names, columns, strict=True))
    axes = (trials["alpha"], trials["learning_rate"])
    places = [np.unique(values, return_inverse=True)[1] for values in axes]
    shape = (len(space.axes["learning_rate"]), len(space.axes["alpha"]))
    _, queries = timed(lambda: (top_trials(trials), pair_costs(trials["val_cost"], *places, shape)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # pandas is not part of us
    _, in_pandas = timed(lambda: pd.read_parquet(folder).nsmallest(10, "val_cost"))
    files, size = len(list(folder.iterdir())), bytes_of(folder)
    _, merging = timed(trial_log.merge)
    _, reading_merged = timed(lambda: TrialLog(folder).columns(*names))
    return {
        "trials": len(space),
        "packs": len(plan.packs),
        "links": sum(map(len, chains)),
        "plan_s": planning,
        "log_us_per_trial": 1e6 * logging / len(space),
        "read_for_resume_s": resume,
        "read_for_report_s": reading,
        "report_queries_s": queries,
        "pandas_read_and_top_ten_s": in_pandas,
        "log_files": files,
        "log_mib": size / 2**20,
        "peak_memory_mib": peak,
        "merge_s": merging,
        "merged_files": len(list(folder.iterdir())),
        "merged_mib": bytes_of(folder) / 2**20,
        "merged_read_for_report_s": reading_merged,
    }


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def timed(function: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    return function(), time.perf_counter() - start


def make_chains(space: SearchSpace) -> tuple[Plan, list[Chain]]:
    """Plan a new run as the command does."""
    columns = len(space.axes["learning_rate"]) * len(space.axes["alpha"])
    widths = choose_widths(dict.fromkeys(space.axes["batch_size"], columns), WORKERS)
    numbers = np.arange(len(space))
    plan = make_plan(numbers, space.columns(numbers), widths)
    return plan, chains_of(plan, Standings(len(space)).closed)


def chains_of(plan: Plan, closed: np.ndarray) -> list[Chain]:
    cutter = LinkCutter.for_plan(
        plan, speed=TYPICAL, n_train=N_TRAIN, n_validation=N_VALIDATION, workers=WORKERS
    )
    return open_chains(plan, closed, nothing_reached, cutter)


def log_all(trial_log: TrialLog, chains: list[Chain]) -> float:
    """Log every link and return the seconds of the driver for it, waits for the disk included."""
    rng = np.random.default_rng(0)
    seconds = 0.0
    for chain in chains:
        after = Checkpoint.before(chain[0].pack, None)  # type: ignore[arg-type]
        for link in chain:
            made_up = tuple(
                LegResult(
                    {
                        name: Scores(rng.uniform(0.4, 3, n), rng.uniform(0.5, 0.9, n))
                        for name in READOUTS
                        if n
                    },
                    1,
                )
                for n in (len(leg.scored) for leg in link.legs)
            )
            now = time.time()
            result = LinkResult(None, made_up, now, now, 1)  # type: ignore[arg-type]
            start = time.perf_counter()
            rows, after = record(link, result, "192.0.2.1", after)
            if link.has_trials:
                trial_log.write(link_name(link.pack.index, link.epoch), rows)
            seconds += time.perf_counter() - start
    return seconds


def resumed(space: SearchSpace, plan: Plan, trial_log: TrialLog) -> Standings:
    """Check and read the log and find what is left, as a command that continues does."""
    check = RowCheck(space.columns(np.arange(len(space))), len(space))
    assert not any(problem for _, problem in trial_log.problems())
    assert check.accepts(trial_log)
    standings = Standings(len(space))
    standings.count(
        dict(
            zip(SOFTMAX_LAYOUT.standings, trial_log.columns(*SOFTMAX_LAYOUT.standings), strict=True)
        )
    )
    assert not chains_of(plan, standings.closed)
    return standings


if __name__ == "__main__":
    main()
