"""scikit-learn's bundled handwritten digits, in the size and scale of Fashion-MNIST."""

import numpy as np
from numpy.typing import NDArray

from model.data.dataset import Dataset

_SIDE, _BIG_SIDE = 8, 28
_LEVELS = 16
_TEST = 297


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
    # It takes a second to import, which only those who ask for digits should pay.
    from sklearn import datasets

    bunch = datasets.load_digits()
    X = _enlarge(bunch.images.astype(np.int64)).reshape(len(bunch.images), -1)
    y = bunch.target.astype(np.int64)
    return Dataset(
        "digits", X[:-_TEST], y[:-_TEST], X[-_TEST:], y[-_TEST:], image_shape=(_BIG_SIDE, _BIG_SIDE)
    )


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
