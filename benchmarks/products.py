"""The packed trainer's rate with each kind of product, and how far its costs are from float64's.

For each mini-batch size of the full grid, an epoch of one pack of 64 columns on one core; the kinds
take turns, and the least of a few times counts, in processor seconds, because what disturbs a
measurement only ever adds. GFLOP/s count ten classes, as everywhere. The costs are those of stable
columns after an epoch, against the textbook trainer in float64.

    python benchmarks/products.py            real data; minutes
    python benchmarks/products.py --short    fewer rows and rounds, no textbook
"""

import argparse
import time

import numpy as np
from harness import PACKAGES, report

from cluster.executor import one_blas_thread
from model.data.sources import load_dataset
from model.examples import Examples
from model.pack import PackState, advance
from model.products import Products, available_products
from model.products.fixed_point import FixedPointProducts
from model.scoring import compile_kernels, score
from model.softmax import SoftmaxRegression
from search.config import load_config

STABLE = 2e-6
TRIED = (1, 11, 21, 31, 41)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    rows, rounds = (4096, 2) if args.short else (24_000, 5)
    examples = Examples.from_dataset(load_dataset("fashion-mnist", notify=print), 0.2, 0)
    X, y = examples.X[:rows], examples.y[:rows]
    ways = {way.name: way for way in available_products()}
    ways["fixed, in float64"] = FixedPointProducts("float64")
    sizes = load_config("full").space.axes["batch_size"]
    with one_blas_thread():
        compile_kernels()
        rates = {f"batch {n}": rate(ways, X, y, n, rounds) for n in sizes}
        figures = {"gflops": rates}
        if not args.short:
            figures["errors"] = {f"batch {n}": errors(ways, X, y, n) for n in (8, 32, 256)}
    report("products", figures, keep=not args.short, packages=(*PACKAGES, "onednn-cpu-gomp"))


def pack(batch_size: int) -> PackState:
    axes = load_config("full").space.axes
    rate, alpha = map(np.ravel, np.meshgrid(axes["learning_rate"], axes["alpha"]))
    return PackState.start(batch_size, rate, alpha, n_features=784, n_classes=10, seed=0)


def rate(
    ways: dict[str, Products], X: np.ndarray, y: np.ndarray, batch_size: int, rounds: int
) -> dict[str, float]:
    """GFLOP/s of each kind."""
    state = pack(batch_size)
    rows = {name: X.astype(way.row_type) for name, way in ways.items()}
    least = dict.fromkeys(ways, float("inf"))
    for turn in range(1 + rounds):
        for name, way in ways.items():
            began = time.process_time()
            advance(state, rows[name], y, 1, products=way)
            if turn:
                least[name] = min(least[name], time.process_time() - began)
    operations = 4 * len(y) * 784 * 10 * state.width
    return {name: operations / seconds / 1e9 for name, seconds in least.items()}


def errors(
    ways: dict[str, Products], X: np.ndarray, y: np.ndarray, batch_size: int
) -> dict[str, float]:
    """Return the largest relative difference of costs after an epoch to the textbook in float64."""
    state = pack(batch_size)
    columns = [m for m in TRIED if state.learning_rate[m] <= STABLE]
    costs = {}
    for m in columns:
        textbook = SoftmaxRegression(
            batch_size, state.learning_rate[m], 1, state.alpha[m], dtype=np.float64
        )
        costs[m] = textbook.fit(X, y, 10).cost(X, y)
    found = {
        name: score(advance(state, X, y, 1, products=way), X, y, products=way).cost
        for name, way in ways.items()
    }
    return {
        name: max(abs(cost[m] - costs[m]) / costs[m] for m in columns)
        for name, cost in found.items()
    }


if __name__ == "__main__":
    main()
