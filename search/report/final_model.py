"""The final model and the test rows, which the sections on it show."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model.data import fashion_mnist
from model.data.dataset import Dataset
from model.errors import DataError
from model.features import RAW, STANDARDIZED
from model.softmax import SoftmaxRegression, log_softmax
from search.report.run_data import RunData

WORST = 24
"""How many of the worst mistakes are shown."""

MOST_CLASSES = 12
"""How many classes have their weights shown; with more there are too many pictures or rows."""

# Columns that are in float64 at a time.
_COLUMNS = 64


@dataclass(frozen=True)
class FinalModel:
    """The final model and the test rows.

    Attributes
    ----------
    W : ndarray of shape (D, c)
        The weights, as they are shown.
    by_deviation : bool
        Whether each weight is shown times the standard deviation of its feature.
    data : Dataset
        The data set, for what it says of its rows.
    X : ndarray of shape (n, D)
        The test rows.
    y : ndarray of shape (n,)
        The places of their labels among the classes.
    predicted : ndarray of shape (n,)
        The most probable class of each row.
    losses : ndarray of shape (n,)
        The loss of each row: minus the log-probability of its class.
    names : tuple of str
        Names of the classes.
    """

    W: NDArray[Any]
    by_deviation: bool
    data: Dataset
    X: NDArray[Any]
    y: NDArray[np.int64]
    predicted: NDArray[np.intp]
    losses: NDArray[np.float64]
    names: tuple[str, ...]

    @classmethod
    def of(cls, model: SoftmaxRegression, data: Dataset, features: str = RAW) -> Self | None:
        """Apply the model to the test rows; None where there are none or they do not fit it.

        The columns of a table have units, and so have their weights: each is shown times the
        column's standard deviation. So are those of standardized pixels. Otherwise the pixels at
        the rim, which are nearly always black, would have weights beside which no others could
        be seen.
        """
        X, y = data.X_test, data.y_test
        if X is None or y is None or model.W.shape != (X.shape[1], data.n_classes):
            return None
        by_deviation = features == STANDARDIZED or not data.image_shape
        W = model.W * model.features.scale[:, None]  # of the rows as they are
        if by_deviation:
            W = W * _deviations(X)[:, None]
        predicted, losses = np.empty(len(y), np.intp), np.empty(len(y))
        with np.errstate(all="ignore"):  # of a model whose final training diverged
            for rows, Z in model.logits_by_part(X):
                log_p = np.nan_to_num(log_softmax(Z))
                predicted[rows] = log_p.argmax(axis=1)
                losses[rows] = -log_p[np.arange(len(Z)), y[rows]]
        return cls(W, by_deviation, data, X, y, predicted, losses, class_names(data))

    @property
    def unweighted(self) -> str:
        """What is to be said of counts where rows have weights."""
        if self.data.weights_test is None:
            return ""
        return f" The {self.data.noun} are counted, whatever their weights."

    @property
    def shown_classes(self) -> list[int]:
        """The classes whose weights are shown: all, or those with the most test rows."""
        counts = np.bincount(self.y, minlength=len(self.names))
        return sorted(np.argsort(-counts, kind="stable")[:MOST_CLASSES].tolist())

    def confusion(self) -> NDArray[np.int64]:
        """Return how many rows of each class (row) the model took for each class (column)."""
        c = len(self.names)
        counts = np.bincount(self.y * c + self.predicted, minlength=c * c)
        return counts.reshape(c, c)

    def worst(self) -> NDArray[np.intp]:
        """Return the misclassified rows with the largest loss, the worst first."""
        wrong = np.flatnonzero(self.predicted != self.y)
        return wrong[np.argsort(-self.losses[wrong], kind="stable")][:WORST]


def _deviations(X: NDArray[Any]) -> NDArray[np.float64]:
    """Return the standard deviation of each column, a few columns at a time to save memory."""
    blocks = (X[:, i : i + _COLUMNS] for i in range(0, X.shape[1], _COLUMNS))
    return np.concatenate([block.std(axis=0, dtype=np.float64) for block in blocks])


def class_names(data: Dataset) -> tuple[str, ...]:
    """Return the classes as their user writes them; those of Fashion-MNIST have a name each."""
    known = data.fingerprint == fashion_mnist.FINGERPRINT
    return fashion_mnist.CLASS_NAMES if known else data.class_names


def final_model_of(run: RunData) -> FinalModel | str:
    """Return the final model, or a sentence that says why there is none to show."""
    rows = run.summary.dataset.rows
    if run.summary.best is None:
        return f"There is no final model: {run.summary.trials.why_none}."
    if run.summary.test is None:
        return f"The data set has no test {rows}."
    if not run.config.trainer.is_softmax:
        return f"What {run.config.trainer.name} has trained is not opened here."
    if run.data is None:
        return f"The data set is not at hand, so there are no test {rows} to show."
    try:
        model = SoftmaxRegression.load(run.folder.model, run.folder.seal(run.folder.model))
    except DataError:
        return f"{run.folder.model.name} cannot be believed, so there is no model to show."
    shown = FinalModel.of(model, run.data, run.config.features)
    return shown or "The final model does not fit the data set."
