"""The seconds that training takes, as a speed model: measured on this machine, or typical.

For each batch size the seconds of a row are a line in the pack's width, with a fixed part and a
part for each column.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from model.pack import PackState, advance
from model.products import NUMPY, Products, Rows, products_named
from model.scoring import compile_kernels, score

# What is measured: packs of two widths, a narrow and a wide one, give the two terms of a line.
# With many classes they are narrower, as packs are, and the rows fewer.
_WIDTHS = (4, 64)
_ROWS, _FEWEST_ROWS = 1024, 128
_WEIGHTS_BYTES, _OPERATIONS = 2**26, 2**34
_REPEATS = 2

# A fifth batch size would tell little more, and a sweep waits for the measurement.
_MOST_BATCH_SIZES = 4

Line = tuple[float, float]
"""Seconds a row, and seconds a row and column."""


@dataclass(frozen=True)
class SpeedModel:
    """The seconds that one row takes a pack.

    The fixed part of a line is the gather, the Gram matrix and the calls; the
    part for each column is the two products and the softmax.

    Attributes
    ----------
    training : dict of int to Line
        The line of each batch size that was measured.
    scoring : Line
        The line of scoring, which knows no batch size.

    Examples
    --------
    >>> speed = SpeedModel(training={8: (1.0, 0.25)}, scoring=(0.5, 0.0))
    >>> speed.training_row(batch_size=16, width=4)
    2.0
    """

    training: dict[int, Line]
    scoring: Line

    def training_row(self, batch_size: int, width: int) -> float:
        """Seconds to train a pack of `width` columns on one row.

        A batch size that was not measured has the line of the nearest one, by
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
TYPICAL = SpeedModel(
    training={8: (3.0e-6, 0.31e-6), 32: (2.5e-6, 0.31e-6), 64: (1.3e-6, 0.31e-6)},
    scoring=(0.5e-6, 0.16e-6),
)


def measure(
    batch_sizes: Sequence[int], n_features: int, n_classes: int, products: str = NUMPY.name
) -> SpeedModel:
    """Measure the core that this runs on, in less than a second.

    Parameters
    ----------
    batch_sizes : sequence of int
        The batch sizes of the plan.
    n_features, n_classes : int
        D and c of the data.
    products : str
        How it multiplies.

    Raises
    ------
    MissingProductsError
        If this machine lacks what these products need.
    """
    compile_kernels()
    way = products_named(products)
    widths, rows = _sizes(n_features, n_classes)
    plain, y = _rows(rows, n_features, n_classes)
    X: Rows = plain.astype(way.row_type)

    def pack(batch_size: int, width: int) -> PackState:
        return _pack(batch_size, width, n_features, n_classes)

    def training(batch_size: int) -> Line:
        times = [
            _seconds(partial(advance, pack(batch_size, width), X, y, 1, products=way))
            for width in widths
        ]
        return _line(widths, times, rows)

    # The processor warms up, too.
    advance(pack(min(batch_sizes), widths[1]), X, y, 1, products=way)
    scoring = [_seconds(partial(score, pack(1, width), X, y, products=way)) for width in widths]
    return SpeedModel(
        training={batch_size: training(batch_size) for batch_size in spread(batch_sizes)},
        scoring=_line(widths, scoring, rows),
    )


def _sizes(n_features: int, n_classes: int) -> tuple[tuple[int, int], int]:
    """Return two widths of packs to measure, and how many rows."""
    column = n_features * (n_classes - 1)
    wide = max(1, min(_WIDTHS[1], _WEIGHTS_BYTES // (4 * column)))
    rows = max(_FEWEST_ROWS, min(_ROWS, _OPERATIONS // (4 * column * wide)))
    return (min(_WIDTHS[0], (wide + 1) // 2), wide), rows


def fastest(
    ways: Sequence[Products], batch_sizes: Sequence[int], n_features: int, n_classes: int
) -> Products:
    """Return which of some products trains wide packs in the least time, on this core.

    They take turns, so that whatever else the machine does disturbs all of them.

    Parameters
    ----------
    ways : sequence of Products
    batch_sizes : sequence of int
        The batch sizes of the plan.
    n_features, n_classes : int
        D and c of the data.
    """
    (_, wide), rows = _sizes(n_features, n_classes)
    X, y = _rows(rows, n_features, n_classes)
    packs = [_pack(size, wide, n_features, n_classes) for size in spread(batch_sizes)]
    took = [[math.inf] * len(packs) for _ in ways]
    for turn in range(1 + _REPEATS):
        for times, way in zip(took, ways, strict=True):
            for i, pack in enumerate(packs):
                seconds = _once(partial(advance, pack, X.astype(way.row_type), y, 1, products=way))
                if turn:  # the first one compiles, and finds what the processor can do
                    times[i] = min(times[i], seconds)
    return ways[min(range(len(ways)), key=lambda i: sum(took[i]))]


def _rows(
    rows: int, n_features: int, n_classes: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return rows with which any products can be measured."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (rows, n_features)).astype(np.float32)
    return X, rng.integers(0, n_classes, rows)


def _pack(batch_size: int, width: int, n_features: int, n_classes: int) -> PackState:
    rate, alpha = np.full(width, 1e-7), np.full(width, 0.1)
    return PackState.start(
        batch_size, rate, alpha, n_features=n_features, n_classes=n_classes, seed=0
    )


def spread(batch_sizes: Sequence[int]) -> list[int]:
    """Return the batch sizes to measure: all of a few, else some from smallest to largest."""
    distinct = np.unique(batch_sizes)
    chosen = np.linspace(0, len(distinct) - 1, min(len(distinct), _MOST_BATCH_SIZES))
    return [int(distinct[round(i)]) for i in chosen]


def _seconds(function: Callable[[], object]) -> float:
    """Return the least of a few times, because a disturbance only ever adds to a time."""
    return min(_once(function) for _ in range(_REPEATS))


def _once(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _line(widths: tuple[int, int], seconds: Sequence[float], rows: int) -> Line:
    """Return the line through the times of two widths, with neither term below zero."""
    (narrow, wide), (less, more) = widths, seconds
    if narrow == wide:
        return 0.0, min(seconds) / wide / rows
    column = max(more - less, 0.0) / (wide - narrow)
    return max(less - narrow * column, 0.0) / rows, column / rows
