"""The whole command on the full grid: time, start-up, ending, memory of driver and workers.

python benchmarks/full_sweep.py            the full grid on all cores
python benchmarks/full_sweep.py --cores 2
python benchmarks/full_sweep.py --short    the smoke grid, to see that it works
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from harness import gemm_rate, report

MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[: args.cores]
    os.sched_setaffinity(0, cores)
    before = gemm_rate(cores)
    with tempfile.TemporaryDirectory() as folder:
        figures = sweep("smoke" if args.short else "full", Path(folder) / "run")
    figures |= {"gemm_gflops_before": before, "gemm_gflops_after": gemm_rate(cores)}
    report(f"full_sweep_{len(cores)}_cores", figures, keep=not args.short)


def sweep(grid: str, run: Path, *options: str) -> dict[str, float]:
    """Run the command and watch the memory of its processes."""
    command = [sys.executable, "-m", "search.run", "--grid", grid, "--run-dir", str(run)]
    command += options
    # By name, so that small data is not taken in its place.
    command += ["--dataset", "fashion-mnist"] if grid == "full" else []
    start, began = time.monotonic(), time.time()
    with subprocess.Popen(command) as process:
        driver, workers = watch(process)
    wall, ended = time.monotonic() - start, time.time()
    if process.returncode:
        sys.exit(f"the sweep failed with exit code {process.returncode}")
    summary = json.loads((run / "summary.json").read_text())
    links = [json.loads(line) for line in (run / "links.jsonl").read_text().splitlines()]
    growth = max(driver) - driver[len(driver) // 10] if driver else 0.0
    return {
        "command_s": wall,
        # As its user waits: with the start of Python before it, and the end of the cluster.
        "first_link_s": min(link["started_at"] for link in links) - began,
        "ending_s": ended - max(link["finished_at"] for link in links),
        **summary["timing"],
        "trials": summary["trials"]["complete"],
        "val_cost": summary["best"]["val_cost"],
        "test_cost": summary["test"]["cost"],
        "test_accuracy": summary["test"]["accuracy"],
        "driver_private_mib": max(driver, default=0.0),
        "driver_growth_mib": growth,
        "worker_private_mib": max(workers, default=0.0),
    }


def watch(process: subprocess.Popen[bytes]) -> tuple[list[float], list[float]]:
    """Sample private memory while links run: the driver's and the largest worker's, in MiB."""
    driver, workers = [], []
    tree = psutil.Process(process.pid)
    while process.poll() is None:
        time.sleep(0.5)
        try:
            busy = [p for p in tree.children(recursive=True) if "ray::advance" in p.name()]
            if busy:
                driver.append(private_mib(tree))
                workers.append(max(map(private_mib, busy)))
        except psutil.Error:
            continue
    return driver, workers


def private_mib(process: psutil.Process) -> float:
    """Return the memory that a process shares with nobody; the object store is shared."""
    memory = process.memory_info()
    return (memory.rss - memory.shared) / MIB


if __name__ == "__main__":
    main()
