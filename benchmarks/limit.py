"""How close the sweep comes to the machine's matrix-product rate.

The floating-point operations of the plan's two training products, over the time and the cores,
divided by the rate of 2048-cubed float32 products on the same cores, measured just before and
after. Gram matrices, scoring, softmax and everything else count as time, not as operations. With
other products it is divided by their own rate too: that of X V alone, at the shape of a pack.

    python benchmarks/limit.py            the full grid on real data, then single packs
    python benchmarks/limit.py --products fixed
    python benchmarks/limit.py --short    single packs only, fewer rows
"""

import argparse
import os
import tempfile
import time
import timeit
from collections.abc import Callable
from pathlib import Path

import numpy as np
from full_sweep import sweep
from harness import gemm_rate, report

from cluster.executor import one_blas_thread
from model.data.sources import load_dataset
from model.examples import Examples
from model.pack import PackState, advance
from model.products import KINDS, NUMPY, Products, products_named
from model.scoring import score
from search.config import load_config
from search.plan import epochs_flops, grid_plan, grid_widths

WIDTH = 64
EPOCHS = 5  # between two checkpoints of the full grid


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--products", choices=KINDS, default=NUMPY.name)
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[: args.cores]
    os.sched_setaffinity(0, cores)
    way = products_named(args.products)
    figures = {} if args.short else whole_sweep(cores, way)
    figures |= single_packs(6000 if args.short else 24000, way)
    figures |= resampling()
    name = f"limit_{len(cores)}_cores" + ("" if way is NUMPY else f"_{way.name}")
    report(name, figures, keep=not args.short)


def whole_sweep(cores: list[int], way: Products) -> dict[str, float]:
    """Fractions of the aggregate rate that the training part and the whole command reach."""
    config = load_config("full")
    data = load_dataset("fashion-mnist", notify=print)
    plan = grid_plan(config, grid_widths(config, len(cores)))
    flops = epochs_flops(plan.column_epochs, config, data)
    before = gemm_rate(cores)
    with tempfile.TemporaryDirectory() as folder:
        timing = sweep("full", Path(folder) / "run", "--products", way.name)
    rate = (before + gemm_rate(cores)) / 2
    return {
        "operations": flops,
        "gemm_gflops": rate,
        "startup_s": timing["startup_s"],
        "training_s": timing["training_s"],
        "predicted_training_s": timing["predicted_training_s"],
        "command_s": timing["command_s"],
        "training_fraction": flops / 1e9 / timing["training_s"] / rate,
        "command_fraction": flops / 1e9 / timing["command_s"] / rate,
        "own_gflops": (own := own_rate(way) * len(cores)),
        "training_fraction_of_own": flops / 1e9 / timing["training_s"] / own,
        "workers_busy": timing["compute_s"] / timing["training_s"] / len(cores),
    }


def own_rate(way: Products) -> float:
    """Return the rate of X V alone, at the shape of a pack, on one core, in GFLOP/s."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (256, 784)).astype(way.row_type)
    V, Z = rng.standard_normal((784, 9 * WIDTH), np.float32), np.empty((256, 9 * WIDTH), np.float32)
    with one_blas_thread():
        block = way.of_block(*X.shape, V.shape[1])
        block.hold(V)
        least = min(timeit.repeat(lambda: block.project(X, Z), number=20, repeat=20)) / 20
    return 2 * X.size * V.shape[1] / least / 1e9


def single_packs(rows: int, way: Products) -> dict[str, float]:
    """Fraction of one core's rate that one pack of 64 reaches, for each batch size of the grid."""
    config = load_config("full")
    examples = Examples.from_dataset(load_dataset("fashion-mnist", notify=print), 0.2, 0)
    X, y = examples.X[:rows].astype(way.row_type), examples.y[:rows]
    with one_blas_thread():
        return {
            f"pack_fraction_batch_{batch_size}": pack_fraction(config, batch_size, X, y, way)
            for batch_size in config.space.axes["batch_size"]
        }


def pack_fraction(config, batch_size, X, y, way) -> float:
    """Median of five pairs, pack and product in turn, because the machine's speed drifts."""
    columns = [
        (r, a) for r in config.space.axes["learning_rate"] for a in config.space.axes["alpha"]
    ][:WIDTH]
    learning_rate, alpha = np.array(columns).T
    state = PackState.start(
        batch_size, learning_rate, alpha, n_features=X.shape[1], n_classes=10, seed=0
    )
    advance(state, X[:2048], y[:2048], 1, products=way)
    flops = 4 * len(y) * X.shape[1] * 9 * WIDTH
    fractions = []
    for _ in range(5):
        product = gemm_seconds()
        start = time.perf_counter()
        advance(state, X, y, 1, products=way)
        seconds = time.perf_counter() - start
        product = min(product, gemm_seconds())
        fractions.append(flops / seconds / (2 * 2048**3 / product))
    return float(np.median(fractions))


def resampling() -> dict[str, float]:
    """What the costs on resamples take at a checkpoint: median of five pairs, with and without."""
    config = load_config("full")
    examples = Examples.from_dataset(load_dataset("fashion-mnist", notify=print), 0.2, 0)
    X, y = examples.X[: examples.n_train], examples.y[: examples.n_train]
    X_val, y_val = examples.X[examples.n_train :], examples.y[examples.n_train :]
    columns = [
        (r, a) for r in config.space.axes["learning_rate"] for a in config.space.axes["alpha"]
    ][:WIDTH]
    state = PackState.start(
        32, *np.array(columns).T, n_features=X.shape[1], n_classes=10, seed=0
    )  # fmt: skip
    with one_blas_thread():
        state = advance(state, X[:6000], y[:6000], 1)
        pairs = [
            (
                seconds_of(lambda: score(state, X_val, y_val)),
                seconds_of(lambda: score(state, X_val, y_val, examples.counts)),
                seconds_of(lambda: advance(state, X[:6000], y[:6000], 2)),
            )
            for _ in range(5)
        ]
    epoch_rows = len(y) / 6000
    more = [(with_it - without) for without, with_it, _ in pairs]
    shares = [
        extra / (EPOCHS * epoch_rows * training + 2 * without)
        for extra, (without, _, training) in zip(more, pairs, strict=True)
    ]
    return {
        "resampling_s_per_checkpoint": float(np.median(more)),
        "resampling_fraction": float(np.median(shares)),
    }


def seconds_of(function: Callable[[], object]) -> float:
    """Seconds of this process alone, because the parts are short and machines are shared."""
    start = time.process_time()
    function()
    return time.process_time() - start


def gemm_seconds() -> float:
    """Seconds of one 2048-cubed product on this core, the best of three."""
    a = np.random.default_rng(0).random((2048, 2048), np.float32)
    out = np.empty_like(a)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        np.matmul(a, a, out=out)
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()
