"""Tables of a model of a table: its largest weights, and its worst mistakes."""

from dataclasses import dataclass

import numpy as np

from search.report.final_model import FinalModel

_FEATURES = 6


@dataclass(frozen=True)
class FeatureWeight:
    """A feature by its name, with its weight as text.

    Attributes
    ----------
    feature, weight : str
    speaks_for : bool
        Whether larger values speak for the class.
    """

    feature: str
    weight: str
    speaks_for: bool


def feature_weights(final: FinalModel) -> list[tuple[str, list[FeatureWeight]]]:
    """Return the features with the largest weights of each class; nothing of images.

    Parameters
    ----------
    final : FinalModel
        Where it has many classes, those with the most test rows are shown.
    """
    if final.data.image_shape:
        return []
    return [(final.names[k], _largest(final, k)) for k in final.shown_classes]


def _largest(final: FinalModel, k: int) -> list[FeatureWeight]:
    weights = final.W[:, k]
    order = np.argsort(-np.abs(weights), kind="stable")[:_FEATURES]
    return [
        FeatureWeight(_name(final, i), f"{weights[i]:+z.3g}", bool(weights[i] > 0))
        for i in order.tolist()
        if weights[i]
    ]


def _name(final: FinalModel, column: int) -> str:
    features = final.data.features
    return features[column] if features else f"feature {column}"


def mistake_rows(final: FinalModel) -> list[tuple[str, str, str, str]]:
    """Return row, class, class that it was taken for and loss of the worst; nothing of images."""
    if final.data.image_shape:
        return []
    losses = final.losses
    return [
        (f"{i}", final.names[final.y[i]], final.names[final.predicted[i]], f"{losses[i]:.2f}")
        for i in final.worst().tolist()
    ]
