"""The figures of a classifier, the same for every trainer."""

import numpy as np
from numpy.typing import NDArray

from model.metrics import metrics_of
from model.trainers.rows import Rows


def classification_figures(
    probabilities: NDArray[np.floating], data: Rows, predicted: NDArray[np.integer] | None = None
) -> dict[str, float]:
    """Return the cost and the accuracy of some predictions, and what else the sweep asks for.

    Parameters
    ----------
    probabilities : ndarray of shape (n, c)
        The probability of each class for each row of `data`.
    data : Rows
    predicted : ndarray of shape (n,), optional
        The class that the model gives each row; the most probable one where it is left out. A model
        that decides by something else than its probabilities, such as margins, says so here:
        probabilities that are rounded to the same number hide what it decides.

    Returns
    -------
    dict of str to float
        ``cost``: mean cross-entropy, by the rows' weights. A probability counts as the epsilon of
        its type at least, as in scikit-learn's `log_loss`, so that one wrong certainty is no
        infinite cost.
        ``accuracy``: fraction of rows whose predicted class is theirs, by weight too.
        Then each of the metrics that `data` names.

    Examples
    --------
    >>> data = Rows(np.zeros((2, 1), np.float32), np.array([0, 1]), n_classes=2)
    >>> classification_figures(np.array([[1.0, 0.0], [0.75, 0.25]]), data)["accuracy"]
    0.5
    """
    of_class = probabilities[np.arange(len(data.y)), data.y]
    least = np.finfo(of_class.dtype).eps
    # NaN stays NaN: such a model has diverged.
    losses = -np.log(np.maximum(of_class, least).astype(np.float64))
    right = (probabilities.argmax(axis=1) if predicted is None else predicted) == data.y
    return {
        "cost": float(np.average(losses, weights=data.weights)),
        "accuracy": float(np.average(right, weights=data.weights)),
        **metrics_of(probabilities, data.y, data.weights, data.metrics, predicted),
    }
