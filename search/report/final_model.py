"""The section on the final model: its mistakes on the test images, and its weights."""

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model.data.dataset import Dataset
from model.errors import DataError
from model.features import RAW, STANDARDIZED
from model.softmax import SoftmaxRegression, log_softmax
from search.report.charts import GREY_SCALE, SHARE_SCALE, SIGN_SCALE, Chart, hover, text_of
from search.report.run_data import RunData

_FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot",
)  # fmt: skip
_WORST = 24

# With more classes there are too many pictures of weights, and too little room for numbers.
_MOST_CLASSES = 12


@dataclass(frozen=True)
class Picture:
    """A small chart with the lines of text below it."""

    chart: Chart
    lines: tuple[str, ...]


@dataclass(frozen=True)
class FinalModel:
    """The final model and the test images.

    Attributes
    ----------
    W : ndarray of shape (D, c)
        The weights, as they are shown.
    X : ndarray of shape (n, D)
        The test images.
    y : ndarray of shape (n,)
        Their labels.
    log_p : ndarray of shape (n, c)
        Log-probability that the model gives each class of each image.
    names : tuple of str
        Names of the classes.
    """

    W: NDArray[Any]
    X: NDArray[Any]
    y: NDArray[np.int64]
    log_p: NDArray[Any]
    names: tuple[str, ...]

    @classmethod
    def of(cls, model: SoftmaxRegression, data: Dataset, features: str = RAW) -> Self | None:
        """Apply the model to the test images; None where there are none or they do not fit it.

        With standardized features, the weight of each pixel is shown times the pixel's standard
        deviation. Otherwise the pixels at the rim, which are nearly always black, would have
        weights beside which no others could be seen.
        """
        X, y = data.X_test, data.y_test
        if X is None or y is None or model.W.shape != (X.shape[1], data.n_classes):
            return None
        fashion = data.name == "fashion-mnist" and data.n_classes == len(_FASHION)
        names = _FASHION if fashion else tuple(map(str, range(data.n_classes)))
        log_p = log_softmax(np.asarray(X, model.W.dtype) @ model.W + model.b)
        per = X.std(axis=0)[:, None] if features == STANDARDIZED else 1.0
        return cls(model.W * per, X, y, np.nan_to_num(log_p), names)

    @property
    def predicted(self) -> NDArray[np.intp]:
        """The most probable class of each image."""
        label: NDArray[np.intp] = np.argmax(self.log_p, axis=1)
        return label

    @property
    def side(self) -> int | None:
        """Width and height of an image; None where images are not square."""
        side = math.isqrt(self.X.shape[1])
        return side if side * side == self.X.shape[1] else None

    def confusion(self) -> NDArray[np.int64]:
        """Return how many images of each class (row) the model took for each class (column)."""
        c = len(self.names)
        counts = np.bincount(self.y * c + self.predicted, minlength=c * c)
        return counts.reshape(c, c)

    def worst(self) -> NDArray[np.intp]:
        """Return the misclassified images with the largest loss, the worst first."""
        loss = -self.log_p[np.arange(len(self.y)), self.y]
        wrong = np.flatnonzero(self.predicted != self.y)
        return wrong[np.argsort(-loss[wrong], kind="stable")][:_WORST]


def final_model_of(run: RunData) -> FinalModel | str:
    """Return the final model, or a sentence that says why there is none to show."""
    if run.summary.best is None:
        return "Every trial failed, so there is no final model."
    if run.summary.test is None:
        return "The data set has no test images."
    if run.data is None:
        return "The data set is not at hand, so there are no test images to show."
    try:
        model = SoftmaxRegression.load(run.folder.model)
    except DataError:
        return f"{run.folder.model.name} cannot be read, so there is no model to show."
    shown = FinalModel.of(model, run.data, run.config.features)
    return shown or "The final model does not fit the data set."


def confusion_chart(final: FinalModel) -> Chart:
    """Return the confusion matrix as a chart."""
    counts, c = final.confusion(), len(final.names)
    mistakes = np.where(np.eye(c, dtype=bool), 0, counts)
    few = c <= _MOST_CLASSES
    cells = {
        "type": "heatmap", "z": counts, "zmin": 0, "zmax": max(1, int(1.5 * mistakes.max())),
        "colorscale": SHARE_SCALE, "showscale": False, "xgap": 1, "ygap": 1,
        "customdata": [[_confusion_text(final, counts, i, j) for j in range(c)] for i in range(c)],
        "hovertemplate": "%{customdata}<extra></extra>",
        **({"texttemplate": "%{z}", "textfont": {"size": 11}} if few else {}),
    }  # fmt: skip
    names = {"tickvals": list(range(c)), "ticktext": list(map(text_of, final.names))}
    axis = {**(names if few else {}), "showgrid": False, "zeroline": False}
    layout = {
        "xaxis": {**axis, "title": {"text": "taken for"}, "tickangle": -45},
        "yaxis": {**axis, "title": {"text": "true class"}, "autorange": "reversed"},
        "margin": {"t": 8},
    }
    return Chart("confusion", "Confusion matrix", [cells], layout, height=520, wide=True)


def _confusion_text(final: FinalModel, counts: NDArray[np.int64], i: int, j: int) -> str:
    share = 100 * counts[i, j] / max(1, counts[i].sum())
    taken = (f"{counts[i, j]} of {counts[i].sum()}", f"({share:.1f} %)")
    return hover([("true class", final.names[i]), ("taken for", final.names[j]), taken])


def weight_pictures(final: FinalModel) -> list[Picture]:
    """Return the weights of each class as an image; none where images are not square."""
    if final.side is None or len(final.names) > _MOST_CLASSES:
        return []
    most = float(np.abs(final.W).max()) or 1.0
    return [
        Picture(_pixels(f"weights-{k}", w, final.side, SIGN_SCALE, (-most, most)), (name,))
        for k, (w, name) in enumerate(zip(final.W.T, final.names, strict=True))
    ]


def mistake_pictures(final: FinalModel) -> list[Picture]:
    """Return pictures of the worst mistakes; none where images are not square."""
    if final.side is None:
        return []
    high = float(np.max(final.X)) or 1.0
    return [
        Picture(
            _pixels(f"mistake-{i}", final.X[i], final.side, GREY_SCALE, (0.0, high)),
            (
                final.names[final.y[i]],
                f"taken for {final.names[final.predicted[i]]}",
                f"loss {-final.log_p[i, final.y[i]]:.2f}",
            ),
        )
        for i in final.worst().tolist()
    ]


def _pixels(
    name: str, values: NDArray[Any], side: int, scale: Any, ends: tuple[float, float]
) -> Chart:
    image = {
        "type": "heatmap", "z": values.reshape(side, side), "zmin": ends[0], "zmax": ends[1],
        "colorscale": scale, "showscale": False, "hoverinfo": "skip",
    }  # fmt: skip
    hidden = {"visible": False, "fixedrange": True}
    layout = {
        "xaxis": hidden, "yaxis": {**hidden, "autorange": "reversed"},
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
    }  # fmt: skip
    return Chart(name, "", [image], layout, height=96)
