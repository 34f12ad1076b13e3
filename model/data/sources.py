"""From the word or path that the user gives to a data set."""

import math
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.dataset import Dataset
from model.data.digits import load_digits
from model.data.download import DownloadError
from model.data.fashion_mnist import FileProgress, Notify, load_fashion_mnist
from model.data.idx import read_idx_folder
from model.errors import DataError

KNOWN = ("auto", "fashion-mnist", "digits")
"""The names that `load_dataset` understands next to paths."""

_RULER = "=" * 78
_FALLBACK = f"""\
{_RULER}
NOT FASHION-MNIST: this run uses the digits of scikit-learn instead, 1,500 small
training images. Its results say nothing about Fashion-MNIST.

Why: Fashion-MNIST is neither on disk nor to be had from the network.
{{reason}}

For the real data set, set FASHION_MNIST_DIR to a folder with its four files, or
run again with a network. --dataset digits asks for digits without this notice,
--dataset fashion-mnist stops instead of using them.
{_RULER}"""


def load_dataset(
    spec: str,
    *,
    notify: Notify,
    progress: FileProgress | None = None,
) -> Dataset:
    """Load the data set that a name or a path stands for.

    Parameters
    ----------
    spec : str
        ``fashion-mnist``, ``digits``, ``auto`` (Fashion-MNIST, or digits with a
        notice where it is neither on disk nor to be had from the network), or
        the path of an ``.npz`` file or of a folder of IDX files.
    notify : callable
        Told in words what the user should know: a download, a data set replaced.
    progress : callable, optional
        Called with (file name, bytes there, bytes in all or None) during a download.

    Returns
    -------
    Dataset
        X of shape (n, D), uint8 as stored, else float32; y of shape (n,), int64.

    Raises
    ------
    DataError
        If the name is unknown, or the data cannot be had or read.
    """
    loaders: dict[str, Callable[[], Dataset]] = {
        "auto": lambda: _load_auto(notify, progress),
        "fashion-mnist": lambda: load_fashion_mnist(notify=notify, progress=progress),
        "digits": load_digits,
    }
    return loaders[spec]() if spec in loaders else _load_path(spec)


def _load_auto(notify: Notify, progress: FileProgress | None) -> Dataset:
    try:
        return load_fashion_mnist(notify=notify, progress=progress)
    except DownloadError as error:
        notify(_FALLBACK.format(reason=error))
        return load_digits()


def _load_path(spec: str) -> Dataset:
    try:
        path = Path(spec).expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, RuntimeError) as error:
        raise DataError(f"--dataset {spec}: cannot be looked at ({error}).") from error
    if is_folder and spec:
        return read_idx_folder(path, name=path.resolve().name)
    if is_file and path.suffix.lower() == ".npz":
        return _load_npz(path)
    found = "a file of another kind" if is_file else "neither"
    raise DataError(
        f"--dataset {spec!r}: expected {', '.join(KNOWN)}, or the path of an .npz file or of a "
        f"folder of IDX files; found {found}."
    )


def _load_npz(path: Path) -> Dataset:
    arrays = _read_npz(path)
    X = _to_pixels(path, "X", arrays["X"])
    y = _to_labels(path, "y", arrays["y"])
    if "X_test" not in arrays:
        return Dataset(path.stem, X, y)
    X_test = _to_pixels(path, "X_test", arrays["X_test"])
    if X_test.dtype != X.dtype:
        X, X_test = X.astype(np.float32), X_test.astype(np.float32)
    return Dataset(path.stem, X, y, X_test, _to_labels(path, "y_test", arrays["y_test"]))


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays that count; others in the file are left alone."""
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("not a zip archive, or not all of it")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return {key: _member(archive, key) for key in _wanted(path, archive.files)}
    except DataError:
        raise
    # Damage makes zipfile, zlib and the header's parser raise a dozen unrelated kinds.
    except Exception as error:
        raise DataError(
            f"{path}: cannot be read ({str(error) or type(error).__name__}); expected an .npz "
            "file with arrays of numbers, as numpy.savez writes it."
        ) from error


def _member(archive: Mapping[str, NDArray[Any]], key: str) -> NDArray[Any]:
    array = archive[key]
    if not isinstance(array, np.ndarray):  # numpy hands over other members as raw bytes
        raise TypeError(f"{key} is not an array")
    return array


def _wanted(path: Path, found: list[str]) -> tuple[str, ...]:
    pair = ("X_test", "y_test")
    wanted = ("X", "y", *pair) if set(pair) & set(found) else ("X", "y")
    missing = [key for key in wanted if key not in found]
    if missing:
        raise DataError(
            f"{path}: lacks {' and '.join(missing)}; expected X and y, and optionally X_test and "
            f"y_test together, found {', '.join(found) or 'nothing'}."
        )
    return wanted


def _to_pixels(path: Path, key: str, array: NDArray[Any]) -> NDArray[np.generic]:
    """Return (n, D) pixels, uint8 where they are stored so, else float32."""
    if array.ndim < 2 or not array.size or array.dtype.kind not in "buif":
        raise DataError(
            f"{path}: {key} must hold numbers in 2 or more dimensions, one image a row, none of "
            f"them empty; found {array.dtype} of the shape {array.shape}."
        )
    flat = np.ascontiguousarray(array.reshape(len(array), math.prod(array.shape[1:])))
    if flat.dtype == np.uint8:
        return flat
    with np.errstate(over="ignore"):  # too large becomes infinite, which Dataset refuses
        return flat.astype(np.float32)


def _to_labels(path: Path, key: str, array: NDArray[Any]) -> NDArray[np.int64]:
    if array.dtype.kind not in "buif":
        raise DataError(f"{path}: {key} must hold whole numbers, found {array.dtype}.")
    # Beyond 2**31 no label is meant, and the conversion below might wrap around.
    wrong = ~(np.abs(array.astype(np.float64)) < 2**31) | (np.rint(array) != array)
    if wrong.any():
        raise DataError(
            f"{path}: {key} must hold whole numbers, the classes from 0 on; found "
            f"{array[wrong][0]}."
        )
    return array.astype(np.int64)
