"""One model and a pack of 64 under the processor's roofline, as docs/roofline.svg.

Arithmetic intensity is the operations of the two products of a mini-batch over the bytes that they
must move between memory and core: the images once, the weights in and out. One core.

    python benchmarks/roofline.py
    python benchmarks/roofline.py --short    no picture
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from harness import report
from limit import gemm_seconds

from cluster.executor import one_blas_thread
from model.block import BLOCK_ROWS
from model.pack import PackState, advance
from model.softmax import SoftmaxRegression

mpl.use("svg")
from matplotlib import pyplot as plt

D, CLASSES, WIDTH = 784, 10, 64
BATCH_SIZES = (8, 32, 128, 1024)
PICTURE = Path(__file__).parent.parent / "docs" / "roofline.svg"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    rows = 2048 if args.short else 8192
    rng = np.random.default_rng(0)
    X = rng.uniform(0, 255, (rows, D)).astype(np.float32)
    y = rng.integers(0, CLASSES, rows)
    with one_blas_thread():
        peak = 2 * 2048**3 / gemm_seconds() / 1e9
        memory = bandwidth()
        alone = {f"one model, batch {n}": single(n, X, y) for n in BATCH_SIZES}
        packed = {f"pack of {WIDTH}, batch {n}": pack(n, X, y) for n in BATCH_SIZES}
    figures = {"peak_gflops": peak, "bandwidth_gb_s": memory, "points": alone | packed}
    report("roofline", figures, keep=not args.short)
    if not args.short:
        draw(peak, memory, alone, packed)


def bandwidth() -> float:
    """Bytes that one core moves from memory and back, in GB/s: a scaled copy of 256 MB."""
    source = np.ones(2**26, np.float32)
    target = np.empty_like(source)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        np.multiply(source, 2, out=target)
        times.append(time.perf_counter() - start)
    return 2 * source.nbytes / min(times) / 1e9


def least_seconds(function: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def point(rows: int, columns: int, operations: float, seconds: float) -> dict[str, float]:
    """Intensity of products of `rows` x D by D x `columns`, and the rate that was reached."""
    moved = 4 * (rows * D + 2 * D * columns)
    return {"intensity": 4 * rows * D * columns / moved, "gflops": operations / seconds / 1e9}


def single(batch_size: int, X, y) -> dict[str, float]:
    """Train one model with the textbook trainer for an epoch."""
    model = SoftmaxRegression(batch_size, 1e-7, 1, 0.1)
    seconds = least_seconds(lambda: model.fit(X, y, CLASSES))
    return point(batch_size, CLASSES, 4 * len(y) * D * CLASSES, seconds)


def pack(batch_size: int, X, y) -> dict[str, float]:
    """Train a pack for an epoch."""
    rate, alpha = np.full(WIDTH, 1e-7), np.full(WIDTH, 0.1)
    state = PackState.start(batch_size, rate, alpha, n_features=D, n_classes=CLASSES, seed=0)
    seconds = least_seconds(lambda: advance(state, X, y, 1))
    stored = (CLASSES - 1) * WIDTH
    rows = max(batch_size, BLOCK_ROWS)
    return point(rows, stored, 4 * len(y) * D * stored, seconds)


def draw(peak: float, memory: float, *groups: dict[str, dict[str, float]]) -> None:
    """Save the picture, with both axes logarithmic."""
    figure, axes = plt.subplots(figsize=(8, 5))
    x = np.geomspace(1, 1000, 200)
    axes.loglog(x, np.minimum(peak, memory * x), color="black")
    axes.annotate(f"{peak:.0f} GFLOP/s: 2048-cubed products", (30, peak * 1.1))
    axes.annotate(f"{memory:.0f} GB/s", (1.1, memory * 2.2))
    for group, marker, side in zip(groups, "os", (-1, 1), strict=True):
        x_values = [at["intensity"] for at in group.values()]
        y_values = [at["gflops"] for at in group.values()]
        axes.plot(x_values, y_values, marker, label=next(iter(group)).split(",")[0])
        for i, (label, at) in enumerate(group.items()):
            # In turn above and below, because neighbours are close.
            place = (0, -16 - 9 * (i % 2)) if side > 0 else (9, -3 if i < 3 else 8)
            axes.annotate(
                label.split(", ")[1], (at["intensity"], at["gflops"]), place,
                textcoords="offset points", size=8, ha="center" if side > 0 else "left",
            )  # fmt: skip
    axes.legend(loc="lower right")
    axes.set(
        xlabel="operations per byte moved", ylabel="GFLOP/s, one core", ylim=(1, 2 * peak),
        title="Training alone and in a pack, under the roofline",
    )  # fmt: skip
    axes.grid(visible=True, which="both", alpha=0.2)
    figure.tight_layout()
    figure.savefig(PICTURE)


if __name__ == "__main__":
    main()
