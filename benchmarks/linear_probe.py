"""A linear probe on embeddings in a memory-mapped file: memory, cost, accuracy.

A grid of 52 trials on synthetic embeddings of float16. The memory of a process is its anonymous
memory, RssAnon in /proc/PID/status: what it cannot give back. Pages of the mapped file are not
counted, as the kernel takes them back whenever memory is short. The cost is the processor time of
the whole command, start and final training included, over that of one textbook training of the
longest trial, which runs beside it. Both are scored on the same validation rows.

    python benchmarks/linear_probe.py             100,000 rows of 2048 features, 1000 classes
    python benchmarks/linear_probe.py --rates     13 learning rates and 4 numbers of epochs instead
    python benchmarks/linear_probe.py --large     10 GB of float32, 20 classes, on Ray, no textbook
    python benchmarks/linear_probe.py --epochs 1  the first numbers of epochs alone: a shorter look
    python benchmarks/linear_probe.py --short     2,000 rows, to see that it works
"""

import argparse
import json
import os
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

import search
from cluster.executor import one_blas_thread
from model.average import READING_ROWS
from model.data.sources import load_dataset
from model.features import fit_features
from model.metrics import metrics_of
from model.shuffle import split_order
from model.softmax import SoftmaxRegression

MIB = 2**20
FEATURES = 2048
BLOCK = 4096  # rows that are made at a time

GRID = """
seed = 0
select = "average"
features = "{features}"
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
LARGE = {"rates": [1e-4, 1e-3], "alphas": [1e-4], "epochs": [1]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rates", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--executor", choices=("serial", "ray"))
    parser.add_argument("--folder", type=Path, help="where the file is made, and stays")
    args = parser.parse_args()
    rows = args.rows or (2_000 if args.short else 1_250_000 if args.large else 100_000)
    classes = 20 if args.large else 100 if args.short else 1000
    executor = args.executor or ("ray" if args.large else "serial")
    values = LARGE if args.large else RATES if args.rates else EPOCHS
    if args.epochs:
        values = {**values, "epochs": [n for n in values["epochs"] if n <= args.epochs]}
    with tempfile.TemporaryDirectory(dir=args.folder and args.folder.parent) as temporary:
        folder = args.folder or Path(temporary) / "embeddings"
        size = make(folder, rows, classes, large=args.large)
        grid = Path(temporary) / "probe.toml"
        grid.write_text(GRID.format(**values, features="raw" if args.large else "standardized"))
        run = Path(temporary) / "run"
        figures: dict[str, Any] = {"rows": rows, "features": FEATURES, "classes": classes}
        figures["file_mib"] = size / MIB
        beside = None if args.large else textbook_process(folder, classes, values)
        figures |= sweep(grid, folder, run, executor)
        if beside is not None:
            figures |= compared(beside, run, values, figures)
    name = "linear_probe" + ("_large" if args.large else "_rates" if args.rates else "")
    name += f"_{args.epochs}_epochs" if args.epochs else ""
    report(name, figures, keep=not args.short)


def make(folder: Path, rows: int, classes: int, *, large: bool) -> int:
    """Write embeddings around a centre for each class, some at a time; return the size.

    Those of the large file are of float32, and their noise is drawn once and used again, each time
    from another row on, because drawing takes longer than all else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng, dtype = np.random.default_rng(0), "<f4" if large else "<f2"
    centres = 0.12 * rng.standard_normal((classes, FEATURES), np.float32)
    pool = rng.standard_normal((2 * BLOCK if large else 0, FEATURES), np.float32)
    for part, n in (("train", rows), ("test", 10_000)):
        labels = rng.permutation(np.arange(n) % classes)
        path = folder / f"X_{part}.npy"
        if not path.exists():
            with path.open("wb") as file:
                header = {"descr": dtype, "fortran_order": False, "shape": (n, FEATURES)}
                np.lib.format.write_array_header_1_0(file, header)
                for start in range(0, n, BLOCK):
                    y = labels[start : start + BLOCK]
                    first = int(rng.integers(BLOCK))
                    noise = (
                        pool[first : first + len(y)]
                        if large
                        else rng.standard_normal((len(y), FEATURES), np.float32)
                    )
                    (centres[y] + noise).astype(dtype, copy=False).tofile(file)
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
        "val_accuracy": summary["best"]["val_accuracy_avg"],
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


def textbook_process(folder: Path, classes: int, values: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Train the longest trial of the first rate and alpha as in a textbook, in another process."""
    given = json.dumps([str(folder), classes, values["rates"][0], values["alphas"][0],
                        max(values["epochs"])])  # fmt: skip
    code = "import sys, json, linear_probe; linear_probe.textbook(*json.loads(sys.argv[1]))"
    here = Path(__file__).parent
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": f"{here}:{here.parent}"}
    return subprocess.Popen([sys.executable, "-c", code, given], stdout=subprocess.PIPE, env=env)


def textbook(folder: str, classes: int, rate: float, alpha: float, epochs: int) -> None:
    """Print the figures of a textbook training, and its processor time."""
    data = load_dataset(folder, notify=print)
    order, (n_train, _) = split_order(len(data.y), 0), data.parts(0.2)
    train, scoring = order[:n_train], order[n_train:]
    features = fit_features("standardized", data.X, train)
    model = SoftmaxRegression(32, rate, epochs, alpha, seed=0, features=features)
    with one_blas_thread():
        began = time.process_time()
        model.W, model.b = textbook_average(model, data.X[train], data.y[train], classes)
        seconds = time.process_time() - began
    p, y = model.predict_proba(data.X[scoring]), data.y[scoring]
    top_5 = metrics_of(p, y, None, ["top_5_accuracy"])["top_5_accuracy"]
    print(json.dumps([seconds, float(np.mean(p.argmax(axis=1) == y)), top_5]))


def compared(
    beside: subprocess.Popen[bytes], run: Path, values: dict[str, Any], figures: dict[str, Any]
) -> dict[str, Any]:
    """Compare the trial of the textbook in the log with what the textbook has given."""
    single, top_1, top_5 = json.loads(beside.communicate()[0].splitlines()[-1])
    log = search.load(run)
    mine = log[
        (log.learning_rate == values["rates"][0])
        & (log.alpha == values["alphas"][0])
        & (log.epochs == max(values["epochs"]))
    ].iloc[0]
    return {
        "single_fit_cpu_s": single,
        "cost_in_single_fits": figures["command_cpu_s"] / single,
        "top_1": float(mine.val_accuracy_avg),  # of the readout that selects
        "top_1_textbook": top_1,
        "top_5": float(mine.val_top_5_accuracy),
        "top_5_textbook": top_5,
    }


def textbook_average(
    model: SoftmaxRegression, X: np.ndarray, y: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Train, and return the mean of the weights over the last epoch as the trainer reads them."""
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
