"""scikit-learn's bundled handwritten digits, in the size and scale of Fashion-MNIST."""

import gzip
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.data.dataset import Dataset

_SIDE, _BIG_SIDE = 8, 28
_LEVELS = 16
_TEST = 297
_FILE = "datasets", "data", "digits.csv.gz"


def load_digits() -> Dataset:
    """Load 1,500 training and 297 test images of the ten digits; needs no network.

    Returns
    -------
    Dataset
        X of shape (1500, 784), uint8, 0 to 255; the last 297 images are the test set.

    Notes
    -----
    The images of 8 x 8 pixels with values 0 to 16 are enlarged to 28 x 28 and
    0 to 255, so that learning rates for Fashion-MNIST make sense here too.
    """
    table = _table()
    X = _enlarge(table[:, :-1].reshape(-1, _SIDE, _SIDE)).reshape(len(table), -1)
    y = table[:, -1].copy()
    return Dataset(
        "digits", X[:-_TEST], y[:-_TEST], X[-_TEST:], y[-_TEST:], image_shape=(_BIG_SIDE, _BIG_SIDE)
    )


def _table() -> NDArray[np.int64]:
    """Return a row for each image: its pixels, then its label."""
    found = find_spec("sklearn")
    for folder in (found and found.submodule_search_locations) or ():
        # The library itself takes a second to import, and most sweeps of digits are shorter.
        with suppress(OSError, ValueError), gzip.open(Path(folder, *_FILE), "rt") as file:
            return np.loadtxt(file, delimiter=",", dtype=np.float64).astype(np.int64)
    from sklearn import datasets

    bunch = datasets.load_digits()
    return np.column_stack([bunch.data, bunch.target]).astype(np.int64)


def _enlarge(images: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Enlarge (n, 8, 8) images to (n, 28, 28) by bilinear interpolation.

    In whole numbers throughout: every machine rounds alike, and the fingerprint
    is the same everywhere.
    """
    weights = _interpolation()
    unit = (_BIG_SIDE - 1) ** 2 * _LEVELS
    values = 255 * (weights @ images @ weights.T)
    return ((values + unit // 2) // unit).astype(np.uint8)


def _interpolation() -> NDArray[np.int64]:
    """Return the (28, 8) weights of linear interpolation, in 27ths; corners stay corners."""
    steps = _BIG_SIDE - 1
    left, rest = np.divmod(np.arange(_BIG_SIDE) * (_SIDE - 1), steps)
    rows = np.arange(_BIG_SIDE)
    weights = np.zeros((_BIG_SIDE, _SIDE), dtype=np.int64)
    weights[rows, left] = steps - rest
    weights[rows, np.minimum(left + 1, _SIDE - 1)] += rest
    return weights
