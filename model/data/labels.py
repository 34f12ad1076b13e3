"""Labels of any kind, as the user writes them, and the classes that they stand for."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.listing import listed
from model.errors import DataError

Label = bool | int | float | str
"""The label of a class, as its user writes it."""


def labels_of(what: str, y: NDArray[Any]) -> NDArray[Any]:
    """Return one label a row: whole numbers, booleans or text.

    Parameters
    ----------
    what : str
        Where the labels stand, as a message begins.
    y : ndarray of shape (n,), (n, 1) or (n, c)
        Labels of any kind; with c columns they are one-hot, and a row's label is the place of
        its one. Bytes are text in UTF-8.

    Returns
    -------
    ndarray of shape (n,)
        Labels of kind ``b``, ``i``, ``u``, ``f`` (only whole numbers) or ``U``.

    Raises
    ------
    DataError
        If they are none of this, with the first one that is not.
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2:
        return _from_one_hot(what, y)
    if y.ndim != 1:
        raise DataError(
            f"{what} has the shape {y.shape}; expected one label a row, (n,) or (n, 1), or one-hot "
            "rows, (n, classes)."
        )
    if y.dtype.kind in "SO":
        y = _text(what, y)
    if y.dtype.kind == "U":
        return _checked_text(what, y)
    if y.dtype.kind in "biu":
        return y
    if y.dtype.kind == "f":
        return _whole(what, y)
    raise DataError(
        f"{what} holds values of the type {y.dtype}; labels are whole numbers, booleans or text."
    )


def _from_one_hot(what: str, y: NDArray[Any]) -> NDArray[Any]:
    valid = y.dtype.kind in "biuf" and y.shape[1] > 1
    ones = (y != 0).sum(axis=1) if valid else np.zeros(len(y))
    wrong = np.flatnonzero((ones != 1) | (y.sum(axis=1) != 1)) if valid else np.arange(len(y))
    if len(wrong):
        row = wrong[0]
        raise DataError(
            f"{what} has the shape {y.shape}, and row {row + 1} (counted from 1) is "
            f"{listed(y[row].tolist())}; rows of several columns are labels only where they are "
            "one-hot: a single 1, all else 0."
        )
    places: NDArray[Any] = y.argmax(axis=1)
    return places


def _text(what: str, y: NDArray[Any]) -> NDArray[Any]:
    """Return bytes, and objects that are all text or all numbers, as an array of their kind."""
    values = y.tolist()
    if all(isinstance(value, bytes) for value in values):
        try:
            return np.array([value.decode() for value in values], dtype=str)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{what} holds {error.object!r}, which is not UTF-8; save the labels as text."
            ) from error
    kinds = {type(value) for value in values}
    if kinds in ({str}, {bool}, {int}) or kinds <= {int, float}:
        return np.array(values)
    odd = next(value for value in values if not isinstance(value, str))
    raise DataError(
        f"{what} holds objects of several kinds, such as {odd!r}; labels are whole numbers, "
        "booleans or text, all of one kind."
    )


def _checked_text(what: str, y: NDArray[Any]) -> NDArray[Any]:
    empty = np.flatnonzero(np.char.strip(y) == "")
    if len(empty):
        raise DataError(
            f"{what} has no label in row {empty[0] + 1} (counted from 1); every row needs one, so "
            "remove such rows, or name their class."
        )
    return y


def _whole(what: str, y: NDArray[Any]) -> NDArray[Any]:
    y = y.astype(np.float64)
    # Beyond 2**53 two labels could be one number.
    wrong = np.flatnonzero(~(np.abs(y) < 2.0**53) | (np.rint(y) != y))
    if len(wrong):
        row = wrong[0]
        raise DataError(
            f"{what} holds {y[row]:g} in row {row + 1} (counted from 1); labels are whole numbers, "
            "booleans or text. What a regression predicts is not a class."
        )
    return y


def classes_of(what: str, y: NDArray[Any], most: int) -> tuple[Label, ...]:
    """Return the classes of some labels, sorted.

    Raises
    ------
    DataError
        If there are more than `most`.
    """
    found = np.unique(y)
    if not len(found):
        raise DataError(f"{what} holds no label.")
    if len(found) > most:
        raise DataError(
            f"{what} holds {len(found)} different labels, such as "
            f"{listed(found[:3].tolist())}; a class has many rows, and there are at most {most} "
            "classes. Is this a number or a name of each row?"
        )
    return tuple(found.tolist())


def codes_of(what: str, y: NDArray[Any], classes: Sequence[Label]) -> NDArray[np.int64]:
    """Return the place of each label among the classes.

    Parameters
    ----------
    what : str
        Where the labels stand, as a message begins.
    y : ndarray of shape (n,)
    classes : sequence of Label
        The classes that are trained, sorted.

    Raises
    ------
    DataError
        If a label is none of them.
    """
    known = np.array(classes)
    if (known.dtype.kind == "U") != (y.dtype.kind == "U"):
        raise _strange(what, _odd_one(y.tolist(), classes), classes)
    places = np.searchsorted(known, y)
    wrong = np.flatnonzero(known[np.minimum(places, len(known) - 1)] != y)
    if len(wrong):
        raise _strange(what, y[wrong[0]].item(), classes)
    return places.astype(np.int64)


def _odd_one(labels: Sequence[Label], classes: Sequence[Label]) -> Label:
    """Return the label that made labels text where the classes are numbers: no class as written."""
    written = {str(label).lower() for label in classes}
    return next((label for label in labels if str(label).lower() not in written), labels[0])


def _strange(what: str, label: Label, classes: Sequence[Label]) -> DataError:
    return DataError(
        f"{what} holds the label {shown(label)}, which is not among the training labels "
        f"{classes_text(classes)}; a class that is tested must be trained."
    )


def shown(label: Label) -> str:
    """Return a label as a message shows it: text in quotes."""
    return repr(label)


def classes_text(classes: Sequence[Label]) -> str:
    """Return classes in a few words: ``0 to 9``, or a list that may break off."""
    first, last = classes[0], classes[-1]
    whole = all(type(label) is int for label in classes)
    if whole and len(classes) > 2 and int(last) - int(first) == len(classes) - 1:
        return f"{first} to {last}"
    return listed(classes)
