"""Which classes the final model takes for which: a matrix, or a table where that is too large."""

from dataclasses import dataclass

import numpy as np

from search.report.charts import SHARE_SCALE, Chart, text_of
from search.report.final_model import MOST_CLASSES, FinalModel

# A matrix of more classes has cells that nobody can tell apart.
_LARGEST_MATRIX = 100
_LISTED = 30
_LONGEST_NAME = 24


@dataclass(frozen=True)
class Confusions:
    """The most frequent confusions, where there is no room for all.

    Attributes
    ----------
    rows : list of tuple of str
        True class, class that it was taken for, how often, and which share of the true class.
    mistakes : int
        How many mistakes there are in all.
    """

    rows: list[tuple[str, str, str, str]]
    mistakes: int


def confusion_chart(final: FinalModel) -> Chart | None:
    """Return the confusion matrix as a chart; None where there are too many classes for it."""
    c = len(final.names)
    if c > _LARGEST_MATRIX:
        return None
    few, counts = c <= MOST_CLASSES, final.confusion()
    mistakes = np.where(np.eye(c, dtype=bool), 0, counts)
    names = [text_of(name) for name in short_names(final.names)]
    shares = 100 * counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    gap = 1 if few else 0
    cells = {
        "type": "heatmap", "x": names, "y": names, "z": counts, "customdata": shares.round(1),
        "zmin": 0, "zmax": max(1.0, 1.5 * float(mistakes.max())),
        "colorscale": SHARE_SCALE, "showscale": False, "xgap": gap, "ygap": gap,
        "hovertemplate": "true class %{y}<br>taken for %{x}<br>%{z}, %{customdata} % of the class"
                         "<extra></extra>",
        **({"texttemplate": "%{z}", "textfont": {"size": 11}} if few else {}),
    }  # fmt: skip
    axis = {"type": "category", "showgrid": False, "zeroline": False}
    axis |= {"tickmode": "linear"} if few else {"tickfont": {"size": 10}}
    layout = {
        "xaxis": {**axis, "title": {"text": "taken for"}, "tickangle": -45},
        "yaxis": {**axis, "title": {"text": "true class"}, "autorange": "reversed"},
        "margin": {"t": 8},
    }
    height = 520 if few else 720
    return Chart("confusion", "Confusion matrix", [cells], layout, height=height, wide=True)


def confusions(final: FinalModel) -> Confusions | None:
    """Return the most frequent confusions; None where the chart shows them all."""
    c = len(final.names)
    if c <= _LARGEST_MATRIX:
        return None
    counts, names = final.confusion(), final.names
    totals = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    most = np.argsort(-counts, axis=None, kind="stable")[:_LISTED]
    pairs = zip(*(place.tolist() for place in np.divmod(most, c)), strict=True)
    rows = [
        (names[i], names[j], f"{counts[i, j]:,}", f"{100 * counts[i, j] / totals[i]:.1f} %")
        for i, j in pairs
        if counts[i, j]
    ]
    return Confusions(rows, int(counts.sum()))


def short_names(names: tuple[str, ...]) -> list[str]:
    """Return names that fit beside a chart, each of them once; long ones are cut."""
    short: dict[str, None] = {}
    for place, name in enumerate(names):
        fitting = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
        short[fitting if fitting not in short else f"{fitting} ({place})"] = None
    return list(short)
