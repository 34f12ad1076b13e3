"""The softmax model as a safetensors file: its own arrays, and what they mean."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from model.softmax import SoftmaxRegression
from search.portable.libraries import library

FORMULA = "logits = float64(float32((x - shift) * scale)) @ weights + bias"


def safetensors_bytes(model: SoftmaxRegression, about: Mapping[str, Any] | None = None) -> bytes:
    """Return a safetensors file with ``weights``, ``bias``, ``shift``, ``scale`` and ``fill``.

    ``fill`` is there where missing values are replaced. The metadata, each value as JSON, have the
    classes, the names of the features, the columns of a table, and the formula.

    Parameters
    ----------
    model : SoftmaxRegression
    about : mapping, optional
        More for the metadata.

    Raises
    ------
    MissingLibraryError
        If safetensors is not installed.
    """
    save = library("safetensors.numpy", "A safetensors file").save
    D = len(model.W)
    arrays = {
        "weights": model.W,
        "bias": model.b,
        "shift": np.broadcast_to(model.features.shift, D),
        "scale": np.broadcast_to(model.features.scale, D),
    }
    if model.fill is not None:
        arrays["fill"] = model.fill
    metadata = {"formula": FORMULA, **(about or {})}
    content: bytes = save(
        # It writes memory as it lies.
        {name: np.ascontiguousarray(array) for name, array in arrays.items()},
        {name: json.dumps(value) for name, value in metadata.items()},
    )
    return content
