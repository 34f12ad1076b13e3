"""A paired bootstrap: which costs differ by more than the examples they were measured on.

All columns of all packs are measured on the same resamples of the validation
examples, so the difference of two of them has its own distribution, in
which what is hard about an example for both cancels out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.shuffle import resample_rng

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

RESAMPLES = 1000
"""The least that Efron and Tibshirani advise for the percentiles of an interval."""

TAIL = 0.05
"""How often a trial that is as good as the best one is told apart from it."""

ROUNDING = 1e-6
"""Relative difference of two costs that another order of the same float32 additions may make:
packs of other widths agree to about that."""

# Times the standard error of a cost, twice 1.645: the quantile of a paired difference is about
# 1.645 times its error, which is at most the sum of both, however the two costs are correlated.
_FAR = 3.3

# A count beyond this does not occur: of an example it is about Poisson with mean 1.
_LARGEST_COUNT = 255

# Resamples that are drawn before they are laid down, so that few of them are in memory twice.
_AT_ONCE = 64


def resample_counts(n: int, seed: int, resamples: int = RESAMPLES) -> U8:
    """How often each of n examples is drawn in each resample of n, with replacement.

    Parameters
    ----------
    n : int
    seed : int
        The seed of the run, all of whose trials are compared on the same resamples.
    resamples : int

    Returns
    -------
    ndarray of shape (n, resamples), uint8
        Every column sums to n.
    """
    rng = resample_rng(seed)
    counts = np.empty((n, resamples), np.uint8)
    for start in range(0, resamples, _AT_ONCE):
        some = counts[:, start : start + _AT_ONCE]
        drawn = np.empty((some.shape[1], n), np.uint8)
        for row in drawn:
            row[:] = np.minimum(np.bincount(rng.integers(0, n, n), minlength=n), _LARGEST_COUNT)
        some[...] = drawn.T
    return counts


def near(cost: F64, resampled: F32, best: float) -> NDArray[np.bool_]:
    """Whether costs are so near the best one that a paired difference may reach zero.

    It depends on nothing but a trial's own figures and the best cost. Whatever is near the
    best of all trials is near the best so far at any time before, so what was dropped on
    the way would have been dropped at the end.

    Parameters
    ----------
    cost : ndarray of shape (m,), float64
        Not finite where a trial has diverged; such a one is not near.
    resampled : ndarray of shape (m, B), float32
    best : float
    """
    with np.errstate(all="ignore"):
        # By row, so that a trial's figure does not depend on those beside it.
        error = np.array([row.std(dtype=np.float64) for row in np.ascontiguousarray(resampled)])
        return np.isfinite(cost) & (cost - _FAR * error <= best + ROUNDING * abs(best))


@dataclass(frozen=True)
class Differences:
    """How much higher some costs are than the best one, over the resamples.

    Attributes
    ----------
    low, high : ndarray of shape (m,), float64
        Percentile interval: each is a one-sided bound of level 1 - `TAIL`.
    chance : ndarray of shape (m,), float64
        Fraction of the resamples in which a trial is at least as good as the best one, but for
        rounding.
    rounding : float
        A difference that another order of the same additions may make.
    """

    low: F64
    high: F64
    chance: F64
    rounding: float = 0.0

    @property
    def open(self) -> NDArray[np.bool_]:
        """Whether zero is within the one-sided interval, from `low` upwards, but for rounding."""
        return self.low <= self.rounding


def differences(resampled: F32, best: F32) -> Differences:
    """Compare costs with the best one over the same resamples.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13, the
    percentile interval, of the statistic mean(losses of a trial - losses of the best one).

    Parameters
    ----------
    resampled : ndarray of shape (m, B), float32
    best : ndarray of shape (B,), float32
    """
    gaps = resampled.astype(np.float64) - best
    low, high = np.quantile(gaps, (TAIL, 1 - TAIL), axis=1, method="inverted_cdf")
    rounding = ROUNDING * float(np.median(np.abs(best)))
    return Differences(low, high, np.mean(gaps <= rounding, axis=1), rounding)
