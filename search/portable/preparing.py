"""What stands before a classifier in a pipeline of scikit-learn: from a user's rows to features."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, StandardScaler

from model.data.encoding import Encoding
from model.features import Features
from search.portable.libraries import library

Steps = list[tuple[str, Any]]
"""Steps of a pipeline, each with its name."""


def preparing(
    n_features: int,
    columns: Sequence[Encoding],
    names: Sequence[str],
    fill: NDArray[np.float64] | None,
    scaled: Features | None,
) -> Steps:
    """Return fitted steps that make what a classifier takes; none where rows need nothing.

    Parameters
    ----------
    n_features : int
    columns : sequence of Encoding
        How a table's columns become the features; empty where it was not a table.
    names : sequence of str
        Names of the features.
    fill : ndarray of shape (D,), float64, or None
        The value that replaces a missing value of each feature.
    scaled : Features or None
        The transform of the features; None where the classifier needs none.

    Raises
    ------
    MissingLibraryError
        If there are columns of text, and pandas is not installed.
    """
    scaling: Steps = []
    if scaled is not None:
        conversion = _as_float64().fit(np.zeros((1, n_features)))
        scaling = [("float64", conversion), *_scaling(scaled, n_features)]
    if any(column.categories for column in columns):
        return [("columns", _of_columns(columns, fills=fill is not None)), *scaling]
    filling: Steps = [] if fill is None else [("fill", SimpleImputer().fit(fill[None]))]
    steps = [*filling, *scaling]
    for _, step in steps[:1]:  # the later ones get arrays
        name(step, names)
    return steps


def name(step: Any, names: Sequence[str]) -> None:
    """Let a fitted step know the columns of a data frame by name."""
    if len(names):
        step.feature_names_in_ = np.array(names, dtype=object)


def _as_float64() -> FunctionTransformer:
    """Return a step that converts numbers and refuses missing ones.

    Scikit-learn scales float32 in float32, and would keep booleans beside numbers as objects. The
    function is one that skops knows.
    """
    return FunctionTransformer(np.positive, kw_args={"dtype": np.float64}, validate=True)


def _scaling(features: Features, n_features: int) -> Steps:
    """Return steps that compute (x - shift) * scale to the bits of `Features.apply`.

    A StandardScaler alone divides, which rounds another way: of trees, a row at the edge of a split
    would fall to its other side.
    """
    rows = np.zeros((1, n_features))
    shift = StandardScaler(with_std=False).fit(rows)
    shift.mean_ = np.array(np.broadcast_to(features.shift, n_features))
    scale = MinMaxScaler().fit(rows)  # which multiplies
    scale.scale_ = np.array(np.broadcast_to(features.scale, n_features))
    scale.min_ = np.zeros(n_features)
    return [("shift", shift), ("scale", scale)]


def _of_columns(columns: Sequence[Encoding], *, fills: bool) -> ColumnTransformer:
    """Return what takes a data frame with columns of text, by their names."""
    pandas = library("pandas", "A model of a table with columns of text")
    steps = [
        (f"{'texts' if texts else 'numbers'}_{i}", step, [column.name for column in some])
        for i, (texts, some, step) in enumerate(_steps(columns, fills=fills), 1)
    ]
    example = {c.name: [c.categories[0] if c.categories else c.fill] for c in columns}
    return ColumnTransformer(steps, sparse_threshold=0).fit(pandas.DataFrame(example))


def _steps(
    columns: Sequence[Encoding], *, fills: bool
) -> Iterator[tuple[bool, list[Encoding], Any]]:
    """Give columns that stand side by side and are alike, with what encodes them."""
    numbers: Any = SimpleImputer if fills else _as_float64
    for texts, found in groupby(columns, lambda column: bool(column.categories)):
        some = list(found)
        yield texts, some, _one_hot(some) if texts else numbers()


def _one_hot(columns: Sequence[Encoding]) -> OneHotEncoder:
    kinds = [np.array(column.categories, dtype=object) for column in columns]
    return OneHotEncoder(categories=kinds, handle_unknown="ignore", sparse_output=False)
