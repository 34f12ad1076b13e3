"""What guessing would give, and what is said of a result that is no better.

The Hessian of the cost is at most L = R/2, where R is the mean squared norm of a row of features,
and gradient descent on a parabola diverges beyond a learning rate of 2/L. Where the rate times R is
small, a step hardly changes what a row is taken for. So rates that lead anywhere lie around 1/R.
The limits here are rules of thumb.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from model.data.dataset import Dataset
from model.features import RAW, STANDARDIZED, fit_features
from model.shuffle import split_order
from search.config import Range, SweepConfig
from search.record import FeatureSizes, Guessing, Summary
from search.text import number_text, value_text, wrapped

Axes = Mapping[str, tuple[float, ...] | Range]

# The rate times R, below and above which nothing is to be hoped for, and between which it may be.
_TOO_SMALL, _TOO_LARGE = 0.1, 200.0
_USEFUL = (0.05, 50.0)

# Rows of which R is the mean: enough for a rule of thumb.
_ROWS = 2048

# From this product of learning rate and alpha on, a step makes the weights larger by itself.
_LARGEST_PENALTY = 2.0

_MOVES_TOO_LITTLE = "move the weights too little"
_GOES_TOO_FAR = "make steps that go too far"

# A mean of zeros and ones is rounded, more so where it is one over folds.
_ROUNDING = 1e-7


def guess(data: Dataset, config: SweepConfig) -> Guessing:
    """Return the validation figures of one who guesses.

    Parameters
    ----------
    data : Dataset
    config : SweepConfig
        The settings, which say what the validation part is.

    Returns
    -------
    Guessing
        The cost of giving all classes the same probability, and the share of the largest class of
        the validation part: of all rows with folds. Weights of the rows count in it.
    """
    y, weights = _scoring_part(data, config)
    shares = np.bincount(y, weights, minlength=data.n_classes)
    return Guessing(cost=math.log(data.n_classes), accuracy=float(shares.max() / shares.sum()))


def _scoring_part(
    data: Dataset, config: SweepConfig
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    if data.y_val is not None:
        return data.y_val, data.weights_val
    if config.folds:
        return data.y, data.weights
    n_train, _ = data.parts(config.validation_fraction)
    rows = split_order(len(data.y), config.seed)[n_train:]
    return data.y[rows], None if data.weights is None else data.weights[rows]


def sizes_of(data: Dataset, features: str) -> FeatureSizes:
    """Return how large the features are: in the source, and as the trainer sees them.

    Parameters
    ----------
    data : Dataset
    features : str
        What the trainer sees: ``raw``, ``unit`` or ``standardized``.
    """
    n = len(data.X)
    rows = np.unique(np.linspace(0, n - 1, min(n, _ROWS)).astype(np.intp))
    seen = fit_features(features, data.X, rows).apply(data.X, rows).astype(np.float64)
    low, high = data.value_range
    return FeatureSizes(squared_norm=float((seen**2).sum(axis=1).mean()), low=low, high=high)


def rates_warning(
    features: str,
    squared_norm: float,
    lowest: float,
    highest: float,
    value_range: tuple[float, float],
) -> str | None:
    """Say that all learning rates are too small or too large for the features; None if they suit.

    Parameters
    ----------
    features : str
        What the trainer sees: ``raw``, ``unit`` or ``standardized``.
    squared_norm : float
        The mean squared norm R of a row of what the trainer sees.
    lowest, highest : float
        The smallest and the largest learning rate that is tried.
    value_range : tuple of float
        The smallest and the largest value of the features in the source.

    Examples
    --------
    >>> rates_warning("standardized", 4.0, 1e-3, 1e-1, (0, 1)) is None
    True
    >>> print(rates_warning("standardized", 4.0, 1e-5, 1e-3, (0, 1)))
    The features are standardized, and learning rates of 1e-05 to 0.001 move the weights too \
little: try learning rates of 0.01 to 12.
    """
    fault = _fault(squared_norm, lowest, highest)
    if fault is None:
        return None
    rates = f"learning rates of {_from_to(lowest, highest, value_text)}"
    way_out = _way_out(features, squared_norm)
    return f"{_seen(features, value_range)}, and {rates} {fault}: try {way_out}."


def _fault(squared_norm: float, lowest: float, highest: float) -> str | None:
    if not 0 < squared_norm < math.inf:
        return None
    if highest * squared_norm < _TOO_SMALL:
        return _MOVES_TOO_LITTLE
    return _GOES_TOO_FAR if lowest * squared_norm > _TOO_LARGE else None


def _seen(features: str, value_range: tuple[float, float]) -> str:
    if features == STANDARDIZED:
        return "The features are standardized"
    low, high = value_range
    scaled = "" if features == RAW else f', scaled by features = "{features}"'
    return f"The features run from {low:zg} to {high:zg}{scaled}"


def _way_out(features: str, squared_norm: float) -> str:
    if features == STANDARDIZED:
        return f"learning rates of {_useful(squared_norm)}"
    return 'features = "standardized" and learning rates of 1e-3 to 1e-1, or --grid tabular'


def _useful(squared_norm: float) -> str:
    low, high = (limit / squared_norm for limit in _USEFUL)
    return _from_to(low, high, lambda rate: number_text(rate, 1))


def _from_to(low: float, high: float, text: Callable[[float], str]) -> str:
    return text(low) if low == high else f"{text(low)} to {text(high)}"


def guessing_lines(summary: Summary, axes: Axes, width: int | None) -> list[str]:
    """Return what the result says of a run that is no better than guessing, fitted to a terminal.

    Parameters
    ----------
    summary : Summary
    axes : mapping of str to tuple or Range
        The values or the range of each hyperparameter.
    width : int, optional
        Columns of the terminal.
    """
    sentences = guessing_sentences(summary, axes)
    return [line for text in sentences for line in wrapped(text, width)]


def guessing_sentences(summary: Summary, axes: Axes) -> list[str]:
    """Say that a run is no better than guessing, with the likely reason and a way out.

    Parameters
    ----------
    summary : Summary
    axes : mapping of str to tuple or Range
        The values or the range of each hyperparameter.

    Returns
    -------
    list of str
        Nothing where the run is better, or an earlier version made its summary.
    """
    guessing, best = summary.guessing, summary.best
    if guessing is None:
        return []
    if best is None:
        if summary.trainer is not None:
            return [f"No trial has a result. {why_no_result(summary, axes)}"]
        return [f"Every trial diverged: none has a result. {_why_diverged(summary, axes)}"]
    cost, accuracy = best.cost(summary.readout), best.accuracy(summary.readout)
    rows, shown = summary.dataset.rows, f"{100 * accuracy:.2f} % of the validation"
    names_no_more = accuracy <= guessing.accuracy + _ROUNDING
    found = []
    if cost >= guessing.cost:
        but = "" if names_no_more else f" {shown} {rows} are correct; of the others it is too sure."
        found.append(
            f"The best validation cost, {cost:.4f}, is not below {guessing.cost:.4f}, which is "
            f"that of giving every class the same chance.{but}"
        )
    if names_no_more:
        found.append(
            f"The best trial has {shown} {rows} correct, no more than always naming the largest "
            f"class, {100 * guessing.accuracy:.2f} %."
        )
    return [*found, _why_no_better(summary, axes)] if found else []


def why_no_result(summary: Summary, axes: Axes) -> str:
    """Return what is said where no trial has a result: the likely reason, and a way out."""
    pruned, failed = summary.trials.pruned, summary.trials.failed
    if summary.trainer is not None and failed:
        which = f"{failed} trials failed, others were pruned" if pruned else "Every trial failed"
        return f"{which}, most of them by this: {summary.why_failed}."
    if not pruned:
        return f"Every trial diverged. {_why_diverged(summary, axes)}"
    way_out = "Give a larger pruner.interval, another pruner, or none."
    if not failed:
        return f"Every trial was pruned before its end. {way_out}"
    return f"{pruned} trials were pruned before their end, the other {failed} diverged. {way_out}"


def _why_diverged(summary: Summary, axes: Axes) -> str:
    lowest, _ = _ends(axes["learning_rate"])
    penalty = lowest * _ends(axes["alpha"])[0]
    if penalty >= _LARGEST_PENALTY:
        return (
            f"The learning rate times alpha is {value_text(penalty)} at least, and from 2 on the "
            "penalty makes weights grow: give lower learning rates or smaller alphas."
        )
    sizes = summary.sizes
    if sizes and _fault(sizes.squared_norm, *_ends(axes["learning_rate"])) == _GOES_TOO_FAR:
        return _warning(summary, axes) or ""
    return f"Give lower learning rates or smaller alphas.{_useful_rates(summary, axes)}"


def _why_no_better(summary: Summary, axes: Axes) -> str:
    if summary.trainer is not None:
        return "More epochs or other hyperparameters may help."
    likely = "More epochs, smaller alphas or other learning rates may help."
    return _warning(summary, axes) or likely + _useful_rates(summary, axes)


def _warning(summary: Summary, axes: Axes) -> str | None:
    sizes, ends = summary.sizes, _ends(axes["learning_rate"])
    if sizes is None:
        return None
    return rates_warning(summary.features, sizes.squared_norm, *ends, (sizes.low, sizes.high))


def _useful_rates(summary: Summary, axes: Axes) -> str:
    sizes = summary.sizes
    if sizes is None or not 0 < sizes.squared_norm < math.inf:
        return ""
    own = _from_to(*_ends(axes["learning_rate"]), value_text)
    return (
        f" Learning rates for features of this size are near {_useful(sizes.squared_norm)}; this "
        f"run's are {own}."
    )


def _ends(axis: tuple[float, ...] | Range) -> tuple[float, float]:
    return (axis.low, axis.high) if isinstance(axis, Range) else (min(axis), max(axis))
