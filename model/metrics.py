"""Metrics of classifiers beside cost and accuracy, from the probabilities of some rows.

Most are scikit-learn's own, by the names of its scorers.
"""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.pack import PackState
from model.products import NUMPY, Products, Rows
from model.seen_rows import SeenRows

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# Bins of the confidence, as in Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
_BINS = 15

# Bytes of probabilities that are held at a time, but for one column, and rows of one product.
_MOST_BYTES, _ROWS = 2**26, 256

_Seen = Callable[[F64, I64], NDArray[Any]]
_Figure = Callable[[Any, I64, F64 | None], float]


@dataclass(frozen=True)
class Metric:
    """A figure by which a classifier is judged.

    Attributes
    ----------
    name : str
    title : str
        Its name for people.
    seen : callable
        Returns what it needs of some rows, one entry or row of an array for each, given their
        probabilities of shape (k, c) and their classes of shape (k,): so few probabilities are in
        memory at a time.
    of : callable
        Returns it, given what `seen` has returned of all rows, the classes of shape (n,) and the
        weights of the rows, or None where all count the same.
    greater : bool
        Whether the greater one is the better.
    least_classes : int
        With fewer classes it says nothing.
    """

    name: str
    title: str
    seen: _Seen
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
        return Metric(name, f"top-{k} accuracy", _among(k), _share, least_classes=k + 1)
    return None


def known_metrics() -> tuple[str, ...]:
    """Return the names of all metrics; K stands for a number."""
    return (*_METRICS, "top_K_accuracy")


def metrics_of(
    probabilities: NDArray[np.floating],
    y: I64,
    weights: F64 | None,
    names: Sequence[str],
    predicted: NDArray[np.integer] | None = None,
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
    predicted : ndarray of shape (n,), optional
        The class that the model gives each row, where that need not be the most probable one.

    Returns
    -------
    dict of str to float
        Not a number where a probability is not finite, or where the rows say nothing: the area
        under a curve of one class alone.
    """
    readings = _Readings(names)
    for rows, p in _parts(np.asarray(probabilities, np.float64)):
        readings.add(p, y[rows], None if predicted is None else predicted[rows])
    return readings.figures(y, weights)


def kept_bytes(names: Sequence[str], n_rows: int, n_classes: int) -> int:
    """Return what metrics take that need all probabilities at once; others need little."""
    return 16 * n_rows * n_classes if any(_known(name).seen is _all for name in names) else 0


def _parts(p: F64) -> Iterator[tuple[slice, F64]]:
    for start in range(0, len(p), _ROWS):
        rows = slice(start, start + _ROWS)
        yield rows, p[rows]


def metrics_of_parts(
    parts: Iterable[tuple[slice, F64]], y: I64, weights: F64 | None, names: Sequence[str]
) -> dict[str, float]:
    """Do as `metrics_of` does, with the probabilities of some rows after the other.

    Parameters
    ----------
    parts : iterable of (slice, ndarray of shape (k, c), float64)
        Which rows, from the first ones to the last, and their probabilities.
    y, weights, names
        As in `metrics_of`.
    """
    readings = _Readings(names)
    for rows, p in parts:
        readings.add(p, y[rows])
    return readings.figures(y, weights)


class _Readings:
    """What some metrics need of the rows so far."""

    def __init__(self, names: Sequence[str]) -> None:
        self._metrics = {name: _known(name) for name in names}
        # For each metric, its values for the rows seen so far, chunk after chunk.
        self._seen: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
        self._finite = True

    def add(self, p: F64, y: I64, predicted: NDArray[np.integer] | None = None) -> None:
        """Take the next rows, whose predicted class is the most probable one if none is given."""
        self._finite = self._finite and bool(np.isfinite(p).all())
        if self._finite:
            for name, metric in self._metrics.items():
                given = predicted if metric.seen is _predicted else None
                self._seen[name].append(metric.seen(p, y) if given is None else given)

    def figures(self, y: I64, weights: F64 | None) -> dict[str, float]:
        """Return the metrics."""
        if not self._finite:
            return dict.fromkeys(self._metrics, float("nan"))
        with warnings.catch_warnings():
            # scikit-learn warns of classes without rows: the figure is then that of the others.
            warnings.simplefilter("ignore")
            return {
                name: float(metric.of(np.concatenate(self._seen[name]), y, weights))
                for name, metric in self._metrics.items()
            }


def metrics_of_columns(
    state: PackState,
    X: Rows | SeenRows,
    y: I64,
    weights: F64 | None,
    names: Sequence[str],
    products: Products = NUMPY,
) -> dict[str, F64]:
    """Return some metrics of every column of a pack, each of shape (M,)."""
    found = {name: np.full(state.width, np.nan) for name in names}
    if not names:
        return found
    n, c = len(X), len(state.b) + 1
    at_once = max(1, min(state.width, _MOST_BYTES // (8 * _ROWS * c)))
    if any(_known(name).seen is _all for name in names):
        at_once = max(1, min(at_once, _MOST_BYTES // (8 * n * c)))
    for start in range(0, state.width, at_once):
        part = state.take(np.arange(start, min(start + at_once, state.width)))
        readings = [_Readings(names) for _ in range(part.width)]
        for first in range(0, n, _ROWS):
            rows = slice(first, first + _ROWS)
            for mine, p in zip(readings, _probabilities(part, X[rows], products), strict=True):
                mine.add(p, y[rows])
        for m, mine in enumerate(readings):
            for name, value in mine.figures(y, weights).items():
                found[name][start + m] = value
    return found


def probabilities_of_column(state: PackState, X: F32) -> F64:
    """Return the probabilities of each class in the only column of a pack, shape (n, c)."""
    parts = [X[first : first + _ROWS] for first in range(0, len(X), _ROWS)]
    return np.concatenate([next(_probabilities(state, part, NUMPY)) for part in parts])


def _probabilities(state: PackState, X: Rows, products: Products) -> Iterator[F64]:
    """Yield the probabilities of some rows in each column, shape (k, c)."""
    K, M = state.b.shape
    with np.errstate(all="ignore"):  # a column may have diverged
        flat = np.empty((len(X), state.V.shape[1]), np.float32)
        block = products.of_block(len(X), *state.V.shape)
        block.hold(state.V)
        block.project(X, flat)
        z = flat.reshape(len(X), K, M)
        z = z * state.scale.astype(np.float32) + state.b
        for m in range(M):
            yield _softmax(z[:, :, m])


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


def _all(p: F64, y: I64) -> F64:
    del y
    return p


def _predicted(p: F64, y: I64) -> I64:
    del y
    predicted: I64 = p.argmax(axis=1)
    return predicted


def _among(k: int) -> _Seen:
    def among(p: F64, y: I64) -> NDArray[np.bool_]:
        """Tell whether a row's class is among the k most probable ones.

        Among equally probable classes the last comes first, as in scikit-learn's
        `top_k_accuracy_score`, which sorts each row.
        """
        own = np.take_along_axis(p, y[:, None], axis=1)
        before = (p > own).sum(axis=1)
        before += ((p == own) & (np.arange(p.shape[1]) > y[:, None])).sum(axis=1)
        right: NDArray[np.bool_] = before < k
        return right

    return among


def _confidence(p: F64, y: I64) -> F64:
    """Return the largest probability, and whether it is that of the row's class, of each row."""
    return np.column_stack([p.max(axis=1), p.argmax(axis=1) == y])


def _share(right: NDArray[np.bool_], y: I64, weights: F64 | None) -> float:
    del y
    return float(np.average(right, weights=weights))


# The imports of scikit-learn stand in the functions, because it takes half a second to import and
# a sweep without these metrics goes without.


def _f1(average: str) -> _Figure:
    def f1(predicted: I64, y: I64, weights: F64 | None) -> float:
        from sklearn.metrics import f1_score

        found: float = f1_score(
            y, predicted, average=average, sample_weight=weights, zero_division=0.0
        )
        return found

    return f1


def _balanced_accuracy(predicted: I64, y: I64, weights: F64 | None) -> float:
    from sklearn.metrics import balanced_accuracy_score

    found: float = balanced_accuracy_score(y, predicted, sample_weight=weights)
    return found


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


def _calibration_error(confidence: F64, y: I64, weights: F64 | None) -> float:
    """Return by how much confidence and accuracy differ in bins of the confidence, on average."""
    confidence, right = confidence.T
    place = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    w = np.ones(len(y)) if weights is None else weights
    gaps = np.bincount(place, w * (right - confidence), minlength=_BINS)
    return float(np.abs(gaps).sum() / w.sum())


_METRICS = {
    metric.name: metric
    for metric in (
        Metric("f1_macro", "macro F1", _predicted, _f1("macro")),
        Metric("f1_weighted", "weighted F1", _predicted, _f1("weighted")),
        Metric("balanced_accuracy", "balanced accuracy", _predicted, _balanced_accuracy),
        Metric("roc_auc_ovr", "one-vs-rest AUC", _all, _roc_auc),
        Metric(
            "calibration_error", "calibration error", _confidence, _calibration_error,
            greater=False,
        ),
    )
}  # fmt: skip
