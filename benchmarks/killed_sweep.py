"""A sweep killed with SIGKILL at random moments and continued, compared with an undisturbed one.

python benchmarks/killed_sweep.py                                the full grid, five kills
python benchmarks/killed_sweep.py --grid tpe --pruner halving    a search
python benchmarks/killed_sweep.py --short                        the smoke grid, two kills
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from harness import report, trials_of

from search.config import AXES

SAME = ("number", "state", *AXES, "val_cost", "val_cost_avg", "last_cost", "last_epoch")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--grid", default="full")
    parser.add_argument("--pruner", default="none")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    grid, kills = ("smoke", 2) if args.short else (args.grid, args.kills)
    # By name, so that small data is not taken in its place.
    dataset = "digits" if args.short else "fashion-mnist"
    command = ["--grid", grid, "--pruner", args.pruner, "--dataset", dataset]
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        seconds = run(command, whole)
        rng = np.random.default_rng(args.seed)
        # Moments between the start-up and the time that the rest of the sweep takes.
        moments = rng.uniform(4, max(5, 2 * seconds / (kills + 1)), kills)
        attempts = [run(command, killed, moment) for moment in moments]
        attempts.append(run(command, killed))
        figures = {
            "kill_moments_s": [round(float(moment), 1) for moment in moments],
            "uninterrupted_s": seconds,
            "killed_total_s": sum(attempts),
            **compare(whole, killed),
        }
    name = "_".join(["killed", *(n for n in (args.grid, args.pruner) if n not in ("full", "none"))])
    report(f"{name}_sweep", figures, keep=not args.short)


def run(command: list[str], folder: Path, kill_after: float | None = None) -> float:
    """Run the command, killed after some seconds, and return how long it took."""
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "search.run", *command, "--run-dir", str(folder)]
    )
    try:
        process.wait(kill_after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    else:
        if process.returncode:
            sys.exit(f"the sweep failed with exit code {process.returncode}")
    return time.monotonic() - start


def compare(whole: Path, killed: Path) -> dict[str, object]:
    """Return what a killed and continued run must have in common with an undisturbed one."""
    tables = [trials_of(folder) for folder in (whole, killed)]
    trained = Counter(
        match.groups()
        for match in re.finditer(
            r"done: (pack \d+), advance .* (epochs \d+-\d+) .* trained [1-9]",
            (killed / "sweep.log").read_text(),
        )
    )
    return {
        "rows": len(tables[1]),
        "each_number_once": bool(tables[1]["number"].is_unique)
        and len(tables[0]) == len(tables[1]),
        "costs_bitwise_equal": all(tables[0][name].equals(tables[1][name]) for name in SAME),
        "links_trained_twice": sum(count > 1 for count in trained.values()),
    }


if __name__ == "__main__":
    main()
