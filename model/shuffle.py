"""Which rows train, and in which order: pure functions of the seed."""

import numpy as np
from numpy.typing import NDArray

# Streams of random numbers that must not overlap: the split, the epochs and the resamples.
_SPLIT, _EPOCH, _RESAMPLE = 0, 1, 2


def split_order(n: int, seed: int) -> NDArray[np.intp]:
    """Order in which n examples are laid out before the split.

    Training takes the first part, validation the rest.

    Returns
    -------
    ndarray of shape (n,), intp
        A permutation of 0 .. n-1.
    """
    return np.random.default_rng([seed, _SPLIT]).permutation(n)


def epoch_order(n: int, seed: int, epoch: int) -> NDArray[np.intp]:
    """Order in which epoch `epoch` (counted from 0) visits n training examples.

    It depends on nothing but its arguments, so a trajectory can be taken up at
    any epoch, and all trajectories of a seed see the same order.

    Returns
    -------
    ndarray of shape (n,), intp
        A permutation of 0 .. n-1.
    """
    return np.random.default_rng([seed, _EPOCH, epoch]).permutation(n)


def resample_rng(seed: int) -> np.random.Generator:
    """Return what draws the resamples of the validation examples."""
    return np.random.default_rng([seed, _RESAMPLE])
