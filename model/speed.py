"""What training costs: a line in the pack's width for each batch size, measured or typical."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.pack import PackState, advance, compile_kernels, score

# A narrow and a wide pack give the two terms of a line.
_WIDTHS = (4, 64)
_ROWS = 1024
_REPEATS = 2

# More batch sizes than these tell little more, and a sweep waits for the measurement.
_MOST_BATCH_SIZES = 4

Line = tuple[float, float]
"""Seconds a row, and seconds a row and column."""


@dataclass(frozen=True)
class CostModel:
    """Seconds that one row costs a pack.

    The fixed part is the gather, the Gram matrix and the calls; the part for
    each column the two products and the softmax.

    Attributes
    ----------
    training : dict of int to Line
        For each batch size that was measured.
    scoring : Line
    """

    training: dict[int, Line]
    scoring: Line

    def training_row(self, batch_size: int, width: int) -> float:
        """Seconds to train a pack of `width` columns on one row.

        A batch size that was not measured costs what the nearest one costs, by
        its logarithm.
        """
        nearest = min(self.training, key=lambda measured: abs(np.log(measured / batch_size)))
        fixed, column = self.training[nearest]
        return fixed + column * width

    def scoring_row(self, width: int) -> float:
        """Seconds to score a pack of `width` columns on one row."""
        fixed, column = self.scoring
        return fixed + column * width


# One core of an AMD EPYC with AVX-512 at D = 784 and c = 10; docs/performance.md has the table.
TYPICAL = CostModel(
    training={8: (3.0e-6, 0.31e-6), 32: (2.5e-6, 0.31e-6), 64: (1.3e-6, 0.31e-6)},
    scoring=(0.5e-6, 0.16e-6),
)


def measure(batch_sizes: Sequence[int], n_features: int, n_classes: int) -> CostModel:
    """Measure the core that this runs on, in less than a second.

    Parameters
    ----------
    batch_sizes : sequence of int
        Those of the plan.
    n_features, n_classes : int
        Those of the data.
    """
    compile_kernels()
    rng = np.random.default_rng(0)
    X = rng.uniform(0, 255, (_ROWS, n_features)).astype(np.float32)
    y = rng.integers(0, n_classes, _ROWS)

    def pack(batch_size: int, width: int) -> PackState:
        rate, alpha = np.full(width, 1e-7), np.full(width, 0.1)
        return PackState.start(
            batch_size, rate, alpha, n_features=n_features, n_classes=n_classes, seed=0
        )

    advance(pack(min(batch_sizes), max(_WIDTHS)), X, y, 1)  # the processor warms up, too
    return CostModel(
        training={
            n: _line([_seconds(advance, pack(n, width), X, y, 1) for width in _WIDTHS])
            for n in spread(batch_sizes)
        },
        scoring=_line([_seconds(score, pack(1, width), X, y) for width in _WIDTHS]),
    )


def spread(batch_sizes: Sequence[int]) -> list[int]:
    """Return the batch sizes to measure: all of a few, else some from smallest to largest."""
    distinct = np.unique(batch_sizes)
    chosen = np.linspace(0, len(distinct) - 1, min(len(distinct), _MOST_BATCH_SIZES))
    return [int(distinct[round(i)]) for i in chosen]


def _seconds(function: Callable[..., object], *args: Any) -> float:
    """Return the least of a few times: what disturbs a measurement only ever adds."""
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        function(*args)
        times.append(time.perf_counter() - start)
    return min(times)


def _line(seconds: Sequence[float]) -> Line:
    (narrow, wide), (less, more) = _WIDTHS, seconds
    column = max(more - less, 0.0) / (wide - narrow)
    return max(less - narrow * column, 0.0) / _ROWS, column / _ROWS
