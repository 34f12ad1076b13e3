"""Metrics of classifiers beside cost and accuracy, from the probabilities of some rows.

Most are scikit-learn's own, by the names of its scorers.
"""

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.pack import PackState
from model.products import NUMPY, Products

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# Bins of the confidence, as in Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
_BINS = 15

# Bytes of logits that are held at a time.
_MOST_BYTES = 2**26

_Figure = Callable[[F64, I64, F64 | None], float]


@dataclass(frozen=True)
class Metric:
    """A figure by which a classifier is judged.

    Attributes
    ----------
    name : str
    title : str
        What people call it.
    of : callable
        Returns it, given the probabilities of shape (n, c), the classes of shape (n,) and the
        weights of the rows, or None where all count the same.
    greater : bool
        Whether the greater one is the better.
    least_classes : int
        With fewer classes it says nothing.
    """

    name: str
    title: str
    of: _Figure
    greater: bool = True
    least_classes: int = 2


def metric_of(name: str) -> Metric | None:
    """Return a metric by its name; None if there is none of that name.

    Examples
    --------
    >>> metric_of("top_5_accuracy").least_classes
    6
    >>> metric_of("calibration_error").greater
    False
    """
    if found := _METRICS.get(name):
        return found
    if parts := re.fullmatch(r"top_([2-9]|[1-9]\d{1,4})_accuracy", name):
        k = int(parts[1])
        return Metric(name, f"top-{k} accuracy", _top(k), least_classes=k + 1)
    return None


def known_metrics() -> tuple[str, ...]:
    """Return the names of all metrics; K stands for a number."""
    return (*_METRICS, "top_K_accuracy")


def metrics_of(
    probabilities: NDArray[np.floating], y: I64, weights: F64 | None, names: Sequence[str]
) -> dict[str, float]:
    """Return some metrics of a model.

    Parameters
    ----------
    probabilities : ndarray of shape (n, c)
        The probability of each class for each row.
    y : ndarray of shape (n,), int64
        The class of each row.
    weights : ndarray of shape (n,), float64, or None
        Weight of each row; None where all count the same.
    names : sequence of str
        As `metric_of` knows them.

    Returns
    -------
    dict of str to float
        Not a number where a probability is not finite, or where the rows say nothing: the area
        under a curve of one class alone.
    """
    p = np.asarray(probabilities, np.float64)
    if not np.isfinite(p).all():
        return dict.fromkeys(names, float("nan"))
    with warnings.catch_warnings():
        # Of classes that no row has: the figure is then that of the others.
        warnings.simplefilter("ignore")
        return {name: float(_known(name).of(p, y, weights)) for name in names}


def metrics_of_columns(
    state: PackState,
    X: F32,
    y: I64,
    weights: F64 | None,
    names: Sequence[str],
    products: Products = NUMPY,
) -> dict[str, F64]:
    """Return some metrics of every column of a pack, each of shape (M,)."""
    found = {name: np.full(state.width, np.nan) for name in names}
    if names:
        for column, probabilities in _probabilities(state, X, products):
            for name, value in metrics_of(probabilities, y, weights, names).items():
                found[name][column] = value
    return found


def _probabilities(state: PackState, X: F32, products: Products) -> Iterator[tuple[int, F64]]:
    """Yield each column with its probabilities of shape (n, c); a few columns in one product."""
    K = len(state.b)
    at_once = max(1, _MOST_BYTES // (4 * len(X) * (K + 1)))
    for start in range(0, state.width, at_once):
        part = state.take(np.arange(start, min(start + at_once, state.width)))
        with np.errstate(all="ignore"):  # a column may have diverged
            flat = np.empty((len(X), part.V.shape[1]), np.float32)
            block = products.of_block(len(X), *part.V.shape)
            block.hold(part.V)
            block.project(X, flat)
            z = flat.reshape(len(X), K, part.width)
            z = z * part.scale.astype(np.float32) + part.b
            for m in range(part.width):
                yield start + m, _softmax(z[:, :, m])


def _softmax(z: F32) -> F64:
    """Return the probabilities of the logits of K = c - 1 classes; the last is minus their sum."""
    logits = np.concatenate([z, -z.sum(axis=1, keepdims=True)], axis=1).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def _known(name: str) -> Metric:
    found = metric_of(name)
    if found is None:
        raise ValueError(f"there is no metric {name!r}")
    return found


# The imports of scikit-learn stand in the functions, because it takes half a second to import and
# a sweep without these metrics goes without.


def _f1(average: str) -> _Figure:
    def f1(p: F64, y: I64, weights: F64 | None) -> float:
        from sklearn.metrics import f1_score

        found: float = f1_score(
            y, p.argmax(axis=1), average=average, sample_weight=weights, zero_division=0.0
        )
        return found

    return f1


def _balanced_accuracy(p: F64, y: I64, weights: F64 | None) -> float:
    from sklearn.metrics import balanced_accuracy_score

    found: float = balanced_accuracy_score(y, p.argmax(axis=1), sample_weight=weights)
    return found


def _top(k: int) -> _Figure:
    def top(p: F64, y: I64, weights: F64 | None) -> float:
        from sklearn.metrics import top_k_accuracy_score

        found: float = top_k_accuracy_score(
            y, p, k=k, sample_weight=weights, labels=np.arange(p.shape[1])
        )
        return found

    return top


def _roc_auc(p: F64, y: I64, weights: F64 | None) -> float:
    """Return the mean over the classes that the rows have, each told from all others."""
    rows = np.bincount(y, minlength=p.shape[1])
    present = np.flatnonzero((rows > 0) & (rows < len(y)))
    if not len(present):
        return float("nan")
    if weights is None:
        return float(np.mean([_area(p[:, k], y == k) for k in present]))
    from sklearn.metrics import roc_auc_score

    return float(np.mean([roc_auc_score(y == k, p[:, k], sample_weight=weights) for k in present]))


def _area(scores: F64, positive: NDArray[np.bool_]) -> float:
    """Return the area under a ROC curve: how often a positive row has the greater score.

    Ties count half (Hanley and McNeil, Radiology 143, 1982). Many times as fast as scikit-learn,
    which has the curve itself made.
    """
    others, mine = np.sort(scores[~positive]), scores[positive]
    below = np.searchsorted(others, mine, "left") + np.searchsorted(others, mine, "right")
    return float(below.sum()) / (2 * len(mine) * len(others))


def _calibration_error(p: F64, y: I64, weights: F64 | None) -> float:
    """Return by how much confidence and accuracy differ in bins of the confidence, on average."""
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    place = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    w = np.ones(len(y)) if weights is None else weights
    gaps = np.bincount(place, w * (right - confidence), minlength=_BINS)
    return float(np.abs(gaps).sum() / w.sum())


_METRICS = {
    metric.name: metric
    for metric in (
        Metric("f1_macro", "macro F1", _f1("macro")),
        Metric("f1_weighted", "weighted F1", _f1("weighted")),
        Metric("balanced_accuracy", "balanced accuracy", _balanced_accuracy),
        Metric("roc_auc_ovr", "one-vs-rest AUC", _roc_auc),
        Metric("calibration_error", "calibration error", _calibration_error, greater=False),
    )
}
