"""The loaded data, in words."""

from typing import Any

from numpy.typing import NDArray

from model.data.dataset import Dataset
from model.data.labels import classes_text
from model.data.listing import listed

_LISTED = 8


def describe(data: Dataset, source: str) -> str:
    """Return what was loaded: a line on all of it, and a line for each remark.

    Parameters
    ----------
    data : Dataset
    source : str
        How the user calls it: the name of a file, or of a data set that is known.

    Returns
    -------
    str
        Such as ``my.npz: 2,000 rows x 784 features (28 x 28, uint8, 0 to 255), 10 classes
        (1 to 10), test set of 500 rows; not used: X_val``.
    """
    n, n_features = data.X.shape
    parts = [
        f"{n:,} rows x {n_features:,} feature{'s' * (n_features > 1)} ({_kind(data)})",
        f"{data.n_classes} classes ({classes_text(data.classes)})",
        *_other_part("test set", data.X_test),
        *_other_part("validation set", data.X_val),
        *(["weighted rows"] if data.weights is not None else []),
    ]
    unused = f"; not used: {listed(data.unused, _LISTED)}" if data.unused else ""
    lines = [f"{source}: {', '.join(parts)}{unused}"]
    if data.features:
        lines.append(f"  features: {listed(data.features, _LISTED)}")
    return "\n".join([*lines, *(f"  {remark}" for remark in data.remarks)])


def _kind(data: Dataset) -> str:
    """Return the shape of an image, the type, and the range of the values."""
    shape = [" x ".join(map(str, data.image_shape))] if data.image_shape else []
    low, high = data.value_range
    values = f"{low:zg} to {high:zg}"
    return ", ".join([*shape, data.X.dtype.name, values])


def _other_part(name: str, X: NDArray[Any] | None) -> list[str]:
    return [] if X is None else [f"{name} of {len(X):,} rows"]
