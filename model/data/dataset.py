"""The value that a data set becomes: labelled rows, checked and fingerprinted."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from model.data.encoding import Encoding
from model.data.labels import Label, shown
from model.errors import DataError
from model.shuffle import validation_rows

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

MOST_CLASSES = 1000
"""Classes of a data set at most; more are not classes, but a number or a name for each row."""

_CHUNK = 4096
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training rows with labels, and test and validation rows where the source has them.

    Attributes
    ----------
    name : str
        How the data set calls itself in the manifest, the log and the report.
    X : ndarray of shape (n, D), a whole or floating type
        Training rows in the source's own scale and precision.
    y : ndarray of shape (n,), int64
        Class of each row, as its place in `classes`.
    X_test, y_test : ndarray or None
        The same for the test rows; both are None where the source has none.
    X_val, y_val : ndarray or None
        The same for rows that the source sets apart to compare trials by; where they are given, no
        training row is taken for that.
    classes : tuple of Label
        Labels as the source writes them, sorted. Left out, they are 0, 1, ... up to the largest
        of `y`.
    weights, weights_test, weights_val : ndarray of shape (n,), float64, or None
        Weight of each row in every cost and accuracy; None where all count the same.
    image_shape : tuple of int
        Height and width, and channels where there are any (last), of the image that a row is;
        empty where rows are not images.
    channels_first : bool
        Whether a row has its channels one after the other, each a whole picture.
    features : tuple of str
        Name of each column; empty where the source has no names.
    fill : ndarray of shape (D,), float64, or None
        The value that replaces a missing value of each column; None where none was replaced.
    columns : tuple of Encoding
        How the columns of a table have become the features; empty where it was not a table.
    missing : int
        How many values were missing and are replaced.
    remarks : tuple of str
        What the reader has done or noticed that its user should know, a sentence each.
    unused : tuple of str
        Names of arrays, columns and files that look like data and are not part of it.

    Raises
    ------
    DataError
        If shapes disagree, a label is out of range or a value is not a finite number of at most
        3.4e38.
    """

    name: str
    X: NDArray[Any]
    y: I64
    X_test: NDArray[Any] | None = None
    y_test: I64 | None = None
    X_val: NDArray[Any] | None = None
    y_val: I64 | None = None
    classes: tuple[Label, ...] = ()
    weights: F64 | None = None
    weights_test: F64 | None = None
    weights_val: F64 | None = None
    image_shape: tuple[int, ...] = ()
    channels_first: bool = False
    features: tuple[str, ...] = ()
    fill: F64 | None = None
    columns: tuple[Encoding, ...] = ()
    missing: int = 0
    remarks: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check("training", self.X, self.y, self.weights)
        if not self.classes:
            object.__setattr__(self, "classes", tuple(range(int(self.y.max()) + 1)))
        if self.n_classes < 2:
            raise DataError(
                f"{self.name}: every training label is {shown(self.classes[0])}; a classifier "
                "needs at least two classes."
            )
        for part, X, y, weights in (
            ("test", self.X_test, self.y_test, self.weights_test),
            ("validation", self.X_val, self.y_val, self.weights_val),
        ):
            if (X is None) != (y is None):
                raise DataError(
                    f"{self.name}: {part} rows and their labels come together or not at all; give "
                    "both, or neither."
                )
            if X is not None and y is not None:
                self._check(part, X, y, weights)
                self._check_fits(part, X, y)

    def _check(self, part: str, X: NDArray[Any], y: NDArray[Any], weights: F64 | None) -> None:
        check_rows(f"{self.name}: {part}", X, y, self.features)
        if weights is None:
            return
        valid = weights.shape == y.shape and bool((weights >= 0).all()) and weights.sum() < np.inf
        if not valid or not weights.any():
            raise DataError(
                f"{self.name}: the weights of the {part} rows must be finite numbers of at least "
                f"0, one for each row, and not all 0; found {weights.shape} for {len(y)} rows"
                f"{_smallest(weights)}."
            )

    def _check_fits(self, part: str, X: NDArray[Any], y: I64) -> None:
        if X.shape[1] != self.X.shape[1]:
            raise DataError(
                f"{self.name}: {part} rows have {X.shape[1]} features, training rows "
                f"{self.X.shape[1]}; both must have the same."
            )
        if int(y.max()) >= self.n_classes:
            raise DataError(
                f"{self.name}: {part} label {int(y.max())} does not occur in the training labels "
                f"0 to {self.n_classes - 1}; a class that is tested must be trained."
            )

    @property
    def n_classes(self) -> int:
        """Number of classes c."""
        return len(self.classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes as text, in their order."""
        return tuple(map(str, self.classes))

    @property
    def plain_classes(self) -> bool:
        """Whether the classes are the numbers 0, 1, ... that their places are, too."""
        return self.classes == tuple(range(self.n_classes)) and type(self.classes[0]) is int

    @cached_property
    def value_range(self) -> tuple[float, float]:
        """The smallest and the largest value of the training rows."""
        return float(self.X.min()), float(self.X.max())

    @property
    def noun(self) -> Literal["images", "rows"]:
        """What messages call the rows."""
        return "images" if self.image_shape else "rows"

    def parts(self, fraction: float) -> tuple[int, int]:
        """Return how many rows train and how many score the trials.

        Parameters
        ----------
        fraction : float
            The part of the training rows that scores, where the source sets none apart.
        """
        n = len(self.y)
        if self.y_val is not None:
            return n, len(self.y_val)
        scoring = validation_rows(n, fraction)
        return n - scoring, scoring

    def picture(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a row, of shape (D,), as the image that it is: of the shape `image_shape`."""
        if not self.channels_first:
            return values.reshape(self.image_shape)
        height, width, channels = (*self.image_shape, 1)[:3]
        picture = values.reshape(channels, height, width).transpose(1, 2, 0)
        return picture.reshape(self.image_shape)

    def feature(self, column: int) -> str:
        """Return how people call a column: by its name, or by its number."""
        return _feature(self.features, column)

    @cached_property
    def fingerprint(self) -> str:
        """The first 16 hex digits of the sha256 over all arrays, shapes and types, and classes."""
        digest = hashlib.sha256()
        for array in (self.X, self.y, self.X_test, self.y_test):
            if array is not None:
                _update(digest, array)
        # What a plain data set lacks leaves no trace: its fingerprint is that of its arrays.
        for name in ("X_val", "y_val", "weights", "weights_test", "weights_val", "fill"):
            array = getattr(self, name)
            if array is not None:
                digest.update(name.encode())
                _update(digest, array)
        if not self.plain_classes:
            digest.update(repr(self.classes).encode())
        if self.features:
            digest.update(repr(self.features).encode())
        return digest.hexdigest()[:16]


def _update(digest: Any, array: NDArray[Any]) -> None:
    digest.update(f"{array.shape}{array.dtype.str}".encode())
    digest.update(np.ascontiguousarray(array).data)


def _smallest(weights: F64) -> str:
    return f", the smallest {weights.min()}" if weights.size else ""


def _feature(names: tuple[str, ...], column: int) -> str:
    return f"column {names[column]!r}" if names else f"feature {column}"


def check_rows(what: str, X: NDArray[Any], y: NDArray[Any], features: tuple[str, ...] = ()) -> None:
    """Raise `DataError` unless X of shape (n, D) is finite and y of shape (n,) holds classes."""
    if X.ndim != 2 or y.shape != (X.shape[0],) or not X.size:
        raise DataError(
            f"{what} rows have the shape {X.shape} and labels {y.shape}; expected (n, features) "
            "and (n,) with one n of at least 1."
        )
    if X.dtype.kind not in "uif":
        raise DataError(f"{what} rows are of the type {X.dtype}; expected whole or real numbers.")
    if features and len(features) != X.shape[1]:
        raise DataError(f"{what} rows have {X.shape[1]} columns and {len(features)} names of them.")
    for start, chunk in _chunks(X):
        wrong = ~(np.abs(chunk) <= _LARGEST)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise DataError(
                f"{what}, row {start + row + 1} (counted from 1), holds {chunk[row, column]} at "
                f"{_feature(features, column)}; every value must be a finite number of at most "
                "3.4e38, so fix or remove such rows first."
            )
    if not 0 <= int(y.min()) <= int(y.max()) < MOST_CLASSES:
        raise DataError(
            f"{what} labels run from {y.min()} to {y.max()}; expected whole numbers from 0 to "
            f"the number of classes less one, below {MOST_CLASSES}."
        )


def _chunks(X: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Give the rows of a floating X, a few at a time, each with the place of its first.

    Numbers in float16 are small enough: only chunks with one that is not finite are given.
    """
    if X.dtype.kind != "f":
        return
    for start in range(0, len(X), _CHUNK):
        chunk = X[start : start + _CHUNK]
        if X.dtype != np.float16:
            yield start, chunk
        elif not np.isfinite(chunk).all():
            yield start, chunk.astype(np.float32)
