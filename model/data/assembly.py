"""From what a reader found to a data set: shapes, types, labels, and whether the parts fit."""

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model.data.dataset import MOST_CLASSES, Dataset, check_rows
from model.data.found import HELP, Found, Part
from model.data.labels import classes_of, codes_of, labels_of, shown
from model.errors import DataError

F64 = NDArray[np.float64]

_CHANNELS = (1, 2, 3, 4)
# Sides of a picture at least, and how much longer one may be than the other.
_LEAST_SIDE, _LONGEST_TO_SHORTEST = 4, 8

# How much larger the values of one part may be than those of another: beyond the first it is
# told, beyond the second it is refused. Bytes beside numbers from 0 to 1 are 255 times larger.
_TOLD, _REFUSED = 4.0, 20.0
# Rows of a part from which on its largest values say something.
_ENOUGH_ROWS = 20


def assemble(found: Found) -> Dataset:
    """Return the data set that a reader has found.

    Raises
    ------
    DataError
        If a part breaks a rule of `Dataset`, or the parts do not fit each other.
    """
    train = found.train
    X, layout = _flat(train), _layout(train.X)
    labels = labels_of(train.y_name, train.y)
    classes = classes_of(train.y_name, labels, MOST_CLASSES)
    y = _codes(train, labels, classes)
    if len(classes) < 2:
        raise DataError(
            f"{train.y_name}: every training label is {shown(classes[0])}; a classifier needs at "
            f"least two classes. {HELP}"
        )
    check_rows(train.X_name, X, y, found.features)
    remarks = list(found.remarks)
    fields: dict[str, Any] = {}
    ours = _Extent.of(X) if found.test or found.validation else None
    for name, part in (("test", found.test), ("val", found.validation)):
        if part is None or ours is None:
            continue
        _check_shape(train, part)
        rows = _flat(part)
        places = _codes(part, labels_of(part.y_name, part.y), classes)
        check_rows(part.X_name, rows, places, found.features)
        remarks += _compare(train, ours, part, _Extent.of(rows))
        fields |= {f"X_{name}": rows, f"y_{name}": places, f"weights_{name}": _weights(part)}
    return Dataset(
        name=found.name,
        X=X,
        y=y,
        classes=classes,
        weights=_weights(train),
        image_shape=_image_shape(train.X.shape[1:], layout),
        channels_first=layout == "first",
        features=found.features,
        fill=found.fill,
        columns=found.columns,
        missing=found.missing,
        remarks=tuple(remarks),
        unused=found.unused,
        **fields,
    )


@dataclass(frozen=True, eq=False)
class _Extent:
    """How far the values of some rows go.

    Attributes
    ----------
    low, high : ndarray of shape (D,), float64
        The smallest and the largest value of each column.
    n : int
        Number of rows.
    """

    low: F64
    high: F64
    n: int

    @classmethod
    def of(cls, X: NDArray[Any]) -> Self:
        """Measure rows of shape (n, D)."""
        return cls(X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64), len(X))

    @property
    def largest(self) -> F64:
        """The largest absolute value of each column."""
        largest: F64 = np.maximum(np.abs(self.high), np.abs(self.low))
        return largest

    def __str__(self) -> str:
        return f"{self.low.min():zg} to {self.high.max():zg}"


def _layout(X: NDArray[Any]) -> str:
    """Return how images with channels are in memory: ``first`` or ``last``; rows have ``none``."""
    if X.ndim != 4:
        return "none"
    first, last = X.shape[1] in _CHANNELS, X.shape[3] in _CHANNELS
    return "first" if first and not last else "last"


def _flat(part: Part) -> NDArray[Any]:
    """Return (n, D) numbers in the source's precision and order, native and contiguous."""
    X = part.X
    if X.ndim < 2 or not X.size or X.dtype.kind not in "buif":
        raise DataError(
            f"{part.X_name} must hold numbers in 2 or more dimensions, a row each, none of "
            f"them empty; found {X.dtype} of the shape {X.shape}. {HELP}"
        )
    if X.dtype.kind == "b":
        X = X.astype(np.uint8)
    if X.dtype.kind in "iu" and X.dtype.itemsize == 8 and not _differences_fit(X):
        X = X.astype(np.float64)
    if X.dtype.itemsize > 8:  # float128: no file of ours needs it, and few libraries know it
        X = X.astype(np.float64)
    native = X.dtype.newbyteorder("=")
    flat = X.reshape(len(X), math.prod(X.shape[1:]))
    # A copy only where it must be: a memory map stays one.
    return np.ascontiguousarray(flat, dtype=native)


def _differences_fit(X: NDArray[Any]) -> bool:
    """Whether the difference of any two of some whole numbers is one of 64 bits."""
    return bool(X.min() > -(2**62) and X.max() < 2**62)


def _image_shape(shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    """Return height, width and channels of a row that is an image; nothing of another."""
    if layout == "first":
        shape = (*shape[1:], shape[0])
    if len(shape) == 3 and shape[2] == 1:
        shape = shape[:2]
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in _CHANNELS):
        return ()
    short, long = sorted(shape[:2])
    return shape if short >= _LEAST_SIDE and long <= _LONGEST_TO_SHORTEST * short else ()


def _codes(part: Part, labels: NDArray[Any], classes: tuple[Any, ...]) -> NDArray[np.int64]:
    if len(labels) != len(part.X):
        raise DataError(
            f"{part.X_name} has {len(part.X)} rows and {part.y_name} {len(labels)} labels; "
            f"expected one label a row. {HELP}"
        )
    return codes_of(part.y_name, labels, classes)


def _weights(part: Part) -> F64 | None:
    """Return the weights of a part, with a mean of 1 so that learning rates keep their meaning."""
    if part.weights is None:
        return None
    weights = part.weights.reshape(-1)
    if weights.dtype.kind not in "biuf" or weights.shape != (len(part.X),):
        raise DataError(
            f"The weights of {part.X_name} must be numbers, one for each of {len(part.X)} rows; "
            f"found {part.weights.dtype} of the shape {part.weights.shape}. {HELP}"
        )
    weights = weights.astype(np.float64)
    mean = weights.mean()
    return weights / mean if mean > 0 and np.isfinite(mean) else weights


def _check_shape(train: Part, part: Part) -> None:
    here, there = train.X.shape[1:], part.X.shape[1:]
    if math.prod(here) != math.prod(there):
        raise DataError(
            f"{part.X_name} has {math.prod(there)} features a row, {train.X_name} "
            f"{math.prod(here)}; both must have the same. {HELP}"
        )
    # Images may lie flat beside others that do not, or with a channel of one.
    here, there = (tuple(side for side in shape if side != 1) for shape in (here, there))
    if here != there and len(here) > 1 and len(there) > 1:
        raise DataError(
            f"{part.X_name} has rows of the shape {part.X.shape[1:]}, {train.X_name} of "
            f"{train.X.shape[1:]}; lay both out alike. {HELP}"
        )


def _compare(train: Part, ours: _Extent, part: Part, theirs: _Extent) -> list[str]:
    """Return what differs between a part and the training rows; refuse another scale."""
    remarks = []
    if train.X.dtype.kind != part.X.dtype.kind and "f" in (train.X.dtype.kind, part.X.dtype.kind):
        remarks.append(f"{part.X_name} is {part.X.dtype}, {train.X_name} {train.X.dtype}.")
    ratio = _ratio(ours, theirs)
    found = f"{train.X_name} runs from {ours}, {part.X_name} from {theirs}"
    if not 1 / _REFUSED <= ratio <= _REFUSED:
        raise DataError(
            f"{found}; both must have one scale. Scale them alike, and leave features to the "
            f"grid. {HELP}"
        )
    # Whether most columns have values below zero in one part alone.
    signs_differ = np.mean((ours.low < 0) != (theirs.low < 0)) > 0.5
    enough = min(ours.n, theirs.n) >= _ENOUGH_ROWS
    if enough and (not 1 / _TOLD <= ratio <= _TOLD or signs_differ):
        remarks.append(f"{found}: are both scaled alike?")
    return remarks


def _ratio(ours: _Extent, theirs: _Extent) -> float:
    """Return how much larger the values of a part are, in the middle of all columns."""
    known = (ours.largest > 0) & (theirs.largest > 0)
    return float(np.median(theirs.largest[known] / ours.largest[known])) if known.any() else 1.0
