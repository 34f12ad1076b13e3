"""The softmax model as scikit-learn's LogisticRegression, with what stands before it."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import groupby
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from model.data.encoding import Encoding
from model.features import Features
from model.softmax import SoftmaxRegression
from search.portable.libraries import library

# A mean that is so many times its column's spread is taken away before the product: folded into
# the bias, it would take as many units of float64's last place from the logits.
_FOLDED = 2.0**20


def as_estimator(model: SoftmaxRegression) -> Any:
    """Return a fitted estimator of scikit-learn that predicts what a model predicts.

    It takes rows as their source has them: columns of text, missing values and the scale of the
    features are its own affair. Logits are those of the model up to rounding: the model rounds
    what it sees of a row to float32, this does not.

    Parameters
    ----------
    model : SoftmaxRegression

    Returns
    -------
    LogisticRegression or Pipeline
        The first where it needs nothing before it; a pipeline ends in one.

    Raises
    ------
    MissingLibraryError
        If the model is of a table with columns of text, and pandas is not installed.

    Examples
    --------
    >>> model = SoftmaxRegression(1, 0.1, 5, 0.0, classes=("no", "yes"))
    >>> model = model.fit(np.array([[0.0], [1.0]]), np.array(["no", "yes"]))
    >>> as_estimator(model).predict([[0.0], [1.0]]).tolist()
    ['no', 'yes']
    """
    scaler = _scaler(model.features, len(model.W))
    W, b = (model.W.astype(np.float64), model.b.astype(np.float64)) if scaler else model.of_source()
    first = encoder(model.columns, model.feature_names, model.fill)
    names = () if first or scaler else model.feature_names
    last = _logistic_regression(W, b, np.asarray(model.classes), names, model.epochs)
    if scaler and not first:
        _name(scaler, model.feature_names)
    steps = [("columns", first), ("scale", scaler), ("classify", last)]
    found = [(name, step) for name, step in steps if step is not None]
    return Pipeline(found) if len(found) > 1 else last


def _logistic_regression(
    W: NDArray[np.float64],
    b: NDArray[np.float64],
    classes: NDArray[Any],
    names: Sequence[str],
    epochs: int,
) -> LogisticRegression:
    """Return a fitted one; of two classes it has the second against the first."""
    if W.shape[1] == 2:
        W, b = np.diff(W), np.diff(b)
    fitted = LogisticRegression()
    fitted.classes_ = classes if len(classes) else np.arange(max(2, W.shape[1]))
    fitted.coef_, fitted.intercept_ = np.ascontiguousarray(W.T), b
    fitted.n_iter_ = np.array([epochs], np.int32)
    fitted.n_features_in_ = len(W)
    _name(fitted, names)
    return fitted


def _name(step: Any, names: Sequence[str]) -> None:
    """Let a fitted step know the columns of a data frame by name."""
    if len(names):
        step.feature_names_in_ = np.array(names, dtype=object)


def _scaler(features: Features, n_features: int) -> StandardScaler | None:
    """Return the transform as a step of its own, where the weights cannot take it over."""
    if np.abs(features.shift * features.scale).max() <= _FOLDED:
        return None
    return scaler_of(features, n_features)


def scaler_of(features: Features, n_features: int) -> StandardScaler:
    """Return the transform of the features, fitted."""
    scaler = StandardScaler()
    scaler.mean_ = np.array(np.broadcast_to(features.shift, n_features))
    with np.errstate(divide="ignore"):  # of a constant feature, which is 0 whatever it is
        scaler.scale_ = 1 / np.array(np.broadcast_to(features.scale, n_features))
    scaler.var_ = scaler.scale_**2
    scaler.n_features_in_, scaler.n_samples_seen_ = n_features, np.int64(1)
    return scaler


def encoder(
    columns: Sequence[Encoding], names: Sequence[str], fill: NDArray[np.float64] | None
) -> Any:
    """Return what makes the features of a table's columns, fitted; None where nothing does.

    Parameters
    ----------
    columns : sequence of Encoding
        Empty where it was no table.
    names : sequence of str
        Names of the features.
    fill : ndarray of shape (D,), float64, or None
        What stands for a missing value of each feature.

    Raises
    ------
    MissingLibraryError
        If there are columns of text, and pandas is not installed.
    """
    if any(column.categories for column in columns):
        return _of_columns(columns, fills=fill is not None)
    if fill is None:
        return None
    imputer = SimpleImputer().fit(fill[None])
    _name(imputer, names)
    return imputer


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
    numbers: Any = SimpleImputer if fills else _checked_numbers
    for texts, found in groupby(columns, lambda column: bool(column.categories)):
        some = list(found)
        kinds = [np.array(column.categories, dtype=object) for column in some]
        yield texts, some, _one_hot(kinds) if texts else numbers()


def _one_hot(kinds: Sequence[NDArray[Any]]) -> OneHotEncoder:
    return OneHotEncoder(categories=list(kinds), handle_unknown="ignore", sparse_output=False)


def _checked_numbers() -> FunctionTransformer:
    """Return a step that changes nothing, but refuses what is missing and makes true a 1."""
    return FunctionTransformer(validate=True)


def joblib_bytes(estimator: Any) -> bytes:
    """Return the file that `joblib.load` reads."""
    buffer = BytesIO()
    joblib.dump(estimator, buffer)
    return buffer.getvalue()


def skops_bytes(estimator: Any) -> bytes:
    """Return the file that `skops.io.load` reads, which runs no code.

    Raises
    ------
    MissingLibraryError
        If skops is not installed.
    """
    content: bytes = library("skops.io", "A skops file").dumps(estimator)
    return content
