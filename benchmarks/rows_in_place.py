"""The time that leaving rows in their source takes: an epoch on such rows and on copied ones.

Processor seconds of an epoch in place over those of the same epoch on rows laid out in float32:
the median of seven pairs, one after the other, on one core.

    python benchmarks/rows_in_place.py
"""

import time

import numpy as np
from harness import report

from cluster.executor import one_blas_thread
from model.data.dataset import Dataset
from model.examples import Examples
from model.pack import PackState, advance

ROWS = 4096
PAIRS = 7

# Features, classes and columns: images, a probe of few classes, one of many.
SHAPES = {"784 x 10, 64 columns": (784, 10, 64), "2048 x 20, 16 columns": (2048, 20, 16),
          "2048 x 1000, 4 columns": (2048, 1000, 4)}  # fmt: skip


def main() -> None:
    figures = {}
    with one_blas_thread():
        for name, shape in SHAPES.items():
            figures[name] = {
                f"{dtype} {features}": ratio(*shape, dtype, features)
                for dtype in ("uint8", "float16", "float32")
                for features in ("raw", "standardized")
            }
    report("rows_in_place", {"in place over laid out": figures}, keep=True)


def ratio(n_features: int, n_classes: int, width: int, dtype: str, features: str) -> float:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 100, (ROWS, n_features)).astype(dtype)
    data = Dataset("rows", X, np.arange(ROWS) % n_classes)
    state = PackState.start(
        32, np.full(width, 1e-6), np.zeros(width), n_features=n_features, n_classes=n_classes,
        seed=0,
    )  # fmt: skip
    samples = [
        Examples.from_dataset(
            data, 0.1, 0, features=features, resampled=False, in_place=in_place
        ).training(0)
        for in_place in (False, True)
    ]
    ratios = []
    for _ in range(PAIRS):
        seconds = []
        for sample in samples:
            began = time.process_time()
            advance(state, sample.X, sample.y, 1)
            seconds.append(time.process_time() - began)
        ratios.append(seconds[1] / seconds[0])
    return float(np.median(ratios))


if __name__ == "__main__":
    main()
