"""The file of a softmax regression: its contents, and the message if it cannot be read."""

import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from model.data.encoding import encodings_of, encodings_text
from model.errors import DataError
from model.features import Features
from model.seal import Openable, Seal, damage, has_seal, sealed_archive

if TYPE_CHECKING:
    from model.softmax import SoftmaxRegression

# The version of files that are written; the first ones had no version, and no seal.
_VERSION = 2

_Model = TypeVar("_Model", bound="SoftmaxRegression")


def file_of(model: "SoftmaxRegression", seal: Seal) -> bytes:
    """Return a model's weights, features, classes and settings as npz, with a seal."""
    archive = BytesIO()
    optional: dict[str, Any] = {} if model.fill is None else {"fill": model.fill}
    np.savez(
        archive,
        version=_VERSION,
        W=model.W,
        b=model.b,
        batch_size=model.batch_size,
        learning_rate=model.learning_rate,
        epochs=model.epochs,
        alpha=model.alpha,
        seed=model.seed,
        shift=model.features.shift,
        scale=model.features.scale,
        classes=np.asarray(model.classes) if len(model.classes) else np.arange(len(model.b)),
        feature_names=np.asarray(model.feature_names, str),
        columns=encodings_text(model.columns),
        **optional,
    )
    return sealed_archive(archive, seal)


def read_file(kind: type[_Model], path: Openable, seal: Seal | None = None) -> _Model:
    """Return the model of a file; see `SoftmaxRegression.load`.

    Parameters
    ----------
    kind : type
        The class of the model.
    path : Path or RemotePath
    seal : Seal, optional
        The seal that the file must have; by default any.

    Raises
    ------
    DataError
        If it is no such file, if a byte of it was changed, or if its arrays do not fit each other.
    """
    content = b""
    try:
        with path.open("rb") as file:
            content = file.read()
        if problem := seal.problem(content) if seal else damage(content):
            raise ValueError(problem)
        with np.load(BytesIO(content), allow_pickle=False) as saved:
            return _of_arrays(kind, {name: saved[name] for name in saved.files}, content)
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        TypeError,
        RuntimeError,
        MemoryError,
        BadZipFile,
        zlib.error,
    ) as error:
        if isinstance(error, MemoryError) and (has_seal(content) or not content):
            raise  # nothing is wrong with the file
        raise DataError(
            f"{path} is not a saved softmax regression ({error}); give a file that save() wrote."
        ) from error


def _of_arrays(kind: type[_Model], arrays: Mapping[str, NDArray[Any]], content: bytes) -> _Model:
    if "version" in arrays and not has_seal(content):
        raise ValueError("it has lost its seal")
    W, b = arrays["W"], arrays["b"]
    shift, scale = arrays.get("shift", np.zeros(1)), arrays.get("scale", np.ones(1))
    model = kind(
        batch_size=int(arrays["batch_size"]),
        learning_rate=float(arrays["learning_rate"]),
        epochs=int(arrays["epochs"]),
        alpha=float(arrays["alpha"]),
        seed=int(arrays["seed"]),
        dtype=W.dtype,
        features=Features(shift, scale),
        classes=arrays.get("classes", np.arange(len(b))),
        feature_names=tuple(arrays.get("feature_names", np.array([], str)).tolist()),
        fill=arrays.get("fill"),
        columns=encodings_of(str(arrays.get("columns", "[]"))),
    )
    model.W, model.b = W, b
    _check_shapes(model)
    return model


def _check_shapes(model: "SoftmaxRegression") -> None:
    D, c = model.W.shape
    fitting = {
        "b": model.b.shape == (c,),
        "shift and scale": model.features.shift.shape == model.features.scale.shape in ((1,), (D,)),
        "classes": np.shape(model.classes) == (c,),
        "feature_names": len(model.feature_names) in (0, D),
        "fill": model.fill is None or model.fill.shape == (D,),
        "columns": sum(len(column.features) for column in model.columns) in (0, D),
    }
    wrong = [name for name, fits in fitting.items() if not fits]
    if wrong or model.W.dtype.kind != "f" or model.b.dtype.kind != "f":
        raise ValueError(f"its {' and '.join(wrong) or 'weights'} do not fit")
