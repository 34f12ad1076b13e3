"""The softmax model as scikit-learn's LogisticRegression, with what stands before it."""

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model.features import Features
from model.softmax import SoftmaxRegression
from search.portable.libraries import library

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

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
    # Here, because scikit-learn takes a second to import, and a model card goes without.
    from sklearn.pipeline import Pipeline

    from search.portable.preparing import name, preparing

    scaled = None if _folds(model.features) else model.features
    W, b = model.of_source() if scaled is None else (model.W.astype(np.float64), model.b)
    steps = preparing(len(W), model.columns, model.feature_names, model.fill, scaled)
    last = _logistic_regression(W, b.astype(np.float64), np.asarray(model.classes), model.epochs)
    if steps:
        return Pipeline([*steps, ("classify", last)])
    name(last, model.feature_names)
    return last


def _folds(features: Features) -> bool:
    """Whether the weights can take the transform over."""
    return float(np.abs(features.shift * features.scale).max()) <= _FOLDED


def _logistic_regression(
    W: NDArray[np.float64],
    b: NDArray[np.float64],
    classes: NDArray[Any],
    epochs: int,
) -> "LogisticRegression":
    """Return a fitted one; of two classes it has the second against the first."""
    from sklearn.linear_model import LogisticRegression

    if W.shape[1] == 2:
        W, b = np.diff(W), np.diff(b)
    fitted = LogisticRegression()
    fitted.classes_ = classes if len(classes) else np.arange(max(2, W.shape[1]))
    fitted.coef_, fitted.intercept_ = np.ascontiguousarray(W.T), b
    fitted.n_iter_ = np.array([epochs], np.int32)
    fitted.n_features_in_ = len(W)
    return fitted


def joblib_bytes(estimator: Any) -> bytes:
    """Return the file that `joblib.load` reads."""
    import joblib

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
