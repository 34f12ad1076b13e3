"""How much each hyperparameter of a grid matters for being among the best."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BEST = 0.1


def grid_importances(
    costs: NDArray[np.float64], values: Mapping[str, NDArray[Any]]
) -> dict[str, float]:
    """Return the importance of each hyperparameter, the largest first; they sum to one.

    PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI 2023): the Pearson divergence of the values of
    the best tenth of the trials from those of all. For values from lists, as a grid has them, it is
    a sum over the values, whatever the number of trials; `search.tuning.importance` smooths those
    of ranges.

    Parameters
    ----------
    costs : ndarray of shape (n,)
        The cost of each trial; what is not finite does not count.
    values : mapping of str to ndarray of shape (n,)
        The value of each hyperparameter in each trial.

    Returns
    -------
    dict of str to float
        Empty where it cannot be told: too few trials, or all alike.

    Examples
    --------
    >>> rate, alpha = np.repeat([0.1, 0.2, 0.4, 0.8], 4), np.tile([0, 1, 2, 3], 4)
    >>> grid_importances((rate - 0.2) ** 2, {"rate": rate, "alpha": alpha})
    {'rate': 1.0, 'alpha': 0.0}
    """
    finite = np.flatnonzero(np.isfinite(costs))
    count = math.ceil(_BEST * len(finite))
    if not count or costs[finite].min() == costs[finite].max():
        return {}
    worst = np.partition(costs[finite], count - 1)[count - 1]
    best = finite[costs[finite] <= worst]  # those that are as good as the last one too
    found = {name: _divergence(column[best], column[finite]) for name, column in values.items()}
    total = sum(found.values())
    shares = {name: value / total for name, value in found.items()} if total > 0 else {}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _known(values: NDArray[Any]) -> list[Any]:
    """Return values, one that is missing as None: NaN is not itself."""
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124


def _divergence(best: NDArray[Any], every: NDArray[Any]) -> float:
    """Return the Pearson divergence of how often each value occurs."""
    some, all_of_them = _known(best), _known(every)
    codes = {value: i for i, value in enumerate(dict.fromkeys(all_of_them))}
    p, q = (
        np.bincount([codes[value] for value in values], minlength=len(codes)) / len(values)
        for values in (some, all_of_them)
    )
    return float((q * (p / q - 1) ** 2).sum())
