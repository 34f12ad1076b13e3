"""A linear probe on embeddings in a memory-mapped file: memory as told, cost, accuracy.

A grid of 52 trials on synthetic embeddings of float16. The memory of a process is its anonymous
memory, RssAnon in /proc/PID/status: what it cannot give back. Pages of the mapped file are not
counted, as the kernel takes them back whenever memory is short. The cost is the processor time of
the whole command, start and final training included, over that of a textbook training of the
longest trial; the textbook trains the winner on all rows, and its time is scaled to that.

    python benchmarks/linear_probe.py             100,000 rows of 2048 features, 1000 classes
    python benchmarks/linear_probe.py --rates     13 learning rates and 4 numbers of epochs instead
    python benchmarks/linear_probe.py --large     a file of 10 GB, 100 classes, on Ray, no textbook
    python benchmarks/linear_probe.py --short     2,000 rows, to see that it works
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from harness import report
from threadpoolctl import threadpool_limits

from model.metrics import metrics_of
from model.softmax import SoftmaxRegression
from search.record import RunFolder

MIB = 2**20
FEATURES = 2048
BLOCK = 4096  # rows that are made at a time

GRID = """
seed = 0
select = "average"
features = "standardized"
metrics = ["top_5_accuracy"]

[space]
batch_size = [32]
learning_rate = {rates}
epochs = {epochs}
alpha = {alphas}
"""
EPOCHS = {"rates": [1e-2, 3e-2], "alphas": [1e-4, 1e-3], "epochs": list(range(1, 14))}
RATES = {
    "rates": [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1, 2e-1, 5e-1, 1.0],
    "alphas": [1e-4],
    "epochs": [2, 4, 6, 8],
}
LARGE = {"rates": [1e-2, 3e-2], "alphas": [1e-4, 1e-3], "epochs": [1, 2]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rates", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--executor", choices=("serial", "ray"))
    parser.add_argument("--folder", type=Path, help="where the file is made, and stays")
    args = parser.parse_args()
    rows = args.rows or (2_000 if args.short else 2_500_000 if args.large else 100_000)
    classes = 100 if args.large or args.short else 1000
    executor = args.executor or ("ray" if args.large else "serial")
    values = LARGE if args.large else RATES if args.rates else EPOCHS
    with tempfile.TemporaryDirectory(dir=args.folder and args.folder.parent) as temporary:
        folder = args.folder or Path(temporary) / "embeddings"
        size = make(folder, rows, classes)
        grid = Path(temporary) / "probe.toml"
        grid.write_text(GRID.format(**values))
        run = Path(temporary) / "run"
        figures = {"rows": rows, "features": FEATURES, "classes": classes, "file_mib": size / MIB}
        figures |= sweep(grid, folder, run, executor)
        if not args.large:
            figures |= beside_textbook(folder, run, classes, max(values["epochs"]), figures)
    name = "linear_probe" + ("_large" if args.large else "_rates" if args.rates else "")
    report(name, figures, keep=not args.short)


def make(folder: Path, rows: int, classes: int) -> int:
    """Write embeddings around a centre for each class, some at a time; return the size."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((classes, FEATURES), np.float32)
    for part, n in (("train", rows), ("test", 10_000)):
        labels = rng.permutation(np.arange(n) % classes)
        path = folder / f"X_{part}.npy"
        if not path.exists():
            with path.open("wb") as file:
                header = {"descr": "<f2", "fortran_order": False, "shape": (n, FEATURES)}
                np.lib.format.write_array_header_1_0(file, header)
                for start in range(0, n, BLOCK):
                    y = labels[start : start + BLOCK]
                    noise = rng.standard_normal((len(y), FEATURES), np.float32)
                    file.write((0.12 * centres[y] + noise).astype(np.float16).tobytes())
        np.save(folder / f"y_{part}.npy", labels)
    return (folder / "X_train.npy").stat().st_size


def sweep(grid: Path, folder: Path, run: Path, executor: str) -> dict[str, Any]:
    """Run the dry run and the command, and return what was told and what was measured."""
    command = [
        sys.executable, "-m", "search.run", "--grid", str(grid), "--dataset", str(folder),
        "--run-dir", str(run), "--executor", executor,
    ]  # fmt: skip
    dry = subprocess.run([*command, "--dry-run", "--json"], check=True, stdout=subprocess.PIPE)
    told = json.loads(dry.stdout)
    before, start = _children_seconds(), time.monotonic()
    with subprocess.Popen([*command, "--no-progress"]) as process:
        here, workers = watch(process)
    wall = time.monotonic() - start
    if process.returncode:
        sys.exit(f"the sweep failed with exit code {process.returncode}")
    summary = json.loads((run / "summary.json").read_text())
    found = {
        "trials": summary["trials"]["complete"],
        "executor": executor,
        "command_s": wall,
        "command_cpu_s": _children_seconds() - before,
        "compute_s": summary["timing"]["compute_s"],
        "told_command_mib": told["process_bytes"] / MIB,
        "command_mib": max(here),
        "command_to_told": max(here) / (told["process_bytes"] / MIB),
        "best_epochs": summary["best"]["params"]["epochs"],
        "val_accuracy": summary["best"]["val_accuracy"],
    }
    if executor == "ray":
        told_worker = told["worker_bytes"] / MIB
        found |= {
            "told_worker_mib": told_worker,
            "worker_mib": max(workers),
            "worker_to_told": max(workers) / told_worker,
        }
    return found


def watch(process: subprocess.Popen[bytes]) -> tuple[list[float], list[float]]:
    """Sample the anonymous memory of the command and of its largest worker, in MiB."""
    here, workers = [0.0], [0.0]
    tree = psutil.Process(process.pid)
    while process.poll() is None:
        time.sleep(0.05)
        try:
            here.append(anonymous_mib(tree.pid))
            busy = [p.pid for p in tree.children(recursive=True) if "ray::" in p.name()]
            workers.append(max(map(anonymous_mib, busy), default=0.0))
        except (psutil.Error, OSError):
            continue
    return here, workers


def anonymous_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return 0.0


def beside_textbook(
    folder: Path, run: Path, classes: int, longest: int, figures: dict[str, Any]
) -> dict[str, Any]:
    """Train the winner as in a textbook, on the same rows in the same order, and compare."""
    from model.data.sources import load_dataset
    from model.shuffle import split_order

    ours = SoftmaxRegression.load(RunFolder(run).model)
    data = load_dataset(str(folder), notify=print)
    order = split_order(len(data.y), 0)
    theirs = SoftmaxRegression(
        ours.batch_size, ours.learning_rate, ours.epochs, ours.alpha, ours.seed,
        features=ours.features,
    )  # fmt: skip
    with threadpool_limits(1):
        began = time.process_time()
        averaged = textbook_average(theirs, data.X[order], data.y[order], classes)
        seconds = time.process_time() - began
    single = seconds * 0.8 * longest / ours.epochs
    theirs.W, theirs.b = averaged
    found: dict[str, Any] = {
        "single_fit_cpu_s": single,
        "cost_in_single_fits": figures["command_cpu_s"] / single,
    }
    assert data.X_test is not None
    assert data.y_test is not None
    for who, model in (("ours", ours), ("textbook", theirs)):
        p = model.predict_proba(data.X_test)
        found[f"top_1_{who}"] = float(np.mean(p.argmax(axis=1) == data.y_test))
        found |= {
            f"{name}_{who}".replace("_accuracy", ""): value
            for name, value in metrics_of(p, data.y_test, None, ["top_5_accuracy"]).items()
        }
    return found


def textbook_average(
    model: SoftmaxRegression, X: np.ndarray, y: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Train, and return the mean of the weights over the last epoch as the trainer reads them."""
    from model.average import READING_ROWS

    every = max(1, READING_ROWS // model.batch_size)
    steps = -(-len(y) // model.batch_size)
    last, sums, count = (model.epochs - 1) * steps, [0.0, 0.0], [0, 0]
    step = model._step

    def watched(*args: Any) -> None:
        step(*args)
        count[0] += 1
        done = count[0] - last
        if done > 0 and (done % every == 0 or done == steps):
            sums[0], sums[1], count[1] = sums[0] + model.W, sums[1] + model.b, count[1] + 1

    model._step = watched  # type: ignore[method-assign]
    model.fit(X, y, classes)
    return sums[0] / np.float32(count[1]), sums[1] / np.float32(count[1])


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
