"""Which rows train, and in which order: pure functions of the seed."""

import numpy as np
from numpy.typing import NDArray

# Streams of random numbers that must not overlap: the split, the orders of the epochs, the
# resamples, and what a trainer draws before its first epoch and in each of them.
_SPLIT, _EPOCH, _RESAMPLE, _BEFORE, _IN_EPOCH = range(5)


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


def epoch_rng(seed: int, epoch: int | None) -> np.random.Generator:
    """Return the random numbers that a trainer draws in an epoch, or with None before the first."""
    return np.random.default_rng([seed, _BEFORE] if epoch is None else [seed, _IN_EPOCH, epoch])


def fold_rows(n: int, folds: int, fold: int) -> slice:
    """Rows of fold `fold` (counted from 0) of n that are laid out in the order of the split.

    The folds follow each other, are as even as they can be and leave no row out.

    Returns
    -------
    slice
        From n fold // folds up to n (fold + 1) // folds.
    """
    return slice(n * fold // folds, n * (fold + 1) // folds)


def all_but(n: int, left_out: slice) -> NDArray[np.intp]:
    """All of n rows but those of a slice, in their order."""
    return np.delete(np.arange(n), left_out)


def resample_rng(seed: int) -> np.random.Generator:
    """Return what draws the resamples of the validation examples."""
    return np.random.default_rng([seed, _RESAMPLE])


def validation_rows(n: int, fraction: float) -> int:
    """Return how many of n training rows score the trials."""
    return round(n * fraction)
