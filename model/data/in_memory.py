"""Data sets from memory: arrays, memory maps and data frames, as Python has them."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.data.assembly import assemble
from model.data.dataset import Dataset
from model.data.formats.roles import choose, found_arrays
from model.data.formats.tables import found_frames
from model.data.found import Found, Reading
from model.data.labels import labels_of
from model.errors import DataError

NAME = "data"
"""How a data set from memory calls itself, and how messages about it begin."""

_LABELS = "y"
_TUPLES = {2: ("X", "y"), 4: ("X", "y", "X_test", "y_test")}


def dataset_of(
    given: Any, reading: Reading | None = None, of_grid: Collection[str] = ()
) -> Dataset:
    """Return the data set that something in memory is.

    Parameters
    ----------
    given : Dataset, tuple, mapping or data frame
        ``(X, y)`` or ``(X, y, X_test, y_test)``; a mapping of arrays by the names that an npz file
        may have, such as ``X_val`` or ``weights``; or a data frame with the labels in the column
        ``reading.target``. X may be a data frame too. Arrays are not copied; memory maps stay on
        the disk until their rows are asked for.
    reading : Reading, optional
    of_grid : collection of str
        What of it a grid says, for messages.

    Raises
    ------
    DataError
        If it is none of these, or breaks a rule of data sets.

    Examples
    --------
    >>> data = dataset_of((np.zeros((4, 2)), ["a", "b", "b", "a"]))
    >>> data.classes, data.y.tolist()
    (('a', 'b'), [0, 1, 1, 0])
    """
    reading = reading or Reading()
    if isinstance(given, Dataset):
        _refuse_what_is_unread(
            reading, ("target", "weights", "missing", "keys"), "a Dataset", of_grid
        )
        return given
    if _is_frame(given):
        _refuse_what_is_unread(reading, ("keys",), "a data frame", of_grid)
        _check_names("", given)
        return assemble(found_frames(NAME, {"": given}, reading))
    if isinstance(given, tuple | list) and len(given) in _TUPLES:
        given = dict(zip(_TUPLES[len(given)], given, strict=True))
    if not isinstance(given, Mapping):
        raise DataError(
            f"The data is {type(given).__name__}; it must be a name or a path, (X, y), (X, y, "
            "X_test, "
            "y_test), a mapping of arrays such as {'X': ..., 'y': ...}, a data frame with target, "
            "or a Dataset."
        )
    return assemble(_found(given, reading, of_grid))


def _found(given: Mapping[str, Any], reading: Reading, of_grid: Collection[str]) -> Found:
    if any(map(_is_frame, given.values())):
        named = choose(NAME, given, Reading(keys=reading.keys))
        if any(_is_frame(given[name]) for role, name in named.items() if role.startswith("X")):
            # The weights are a column of a frame then.
            kind = "rows with their labels"
            _refuse_what_is_unread(reading, ("target",), kind, of_grid)
            return _found_with_labels(given, named, reading)
    _refuse_what_is_unread(reading, ("target", "missing"), "arrays", of_grid)
    chosen = choose(NAME, given, reading)
    return found_arrays(NAME, NAME, chosen, given, lambda name: _array(name, given[name]))


_SAYS = {
    "target": "names the column of a data frame that holds the labels",
    "weights": "names the array or the column that holds the weights",
    "missing": "fills in what a data frame lacks",
    "keys": "says which arrays are meant",
}


def _refuse_what_is_unread(
    reading: Reading, names: Sequence[str], kind: str, of_grid: Collection[str]
) -> None:
    """Refuse what is said of the data and has no meaning for what it is."""
    for name in names:
        if (value := getattr(reading, name)) != getattr(Reading(), name):
            place, out = (" of the grid's [reading]", "it") if name in of_grid else ("", name)
            raise DataError(
                f"{name}{place} is {value!r}, which {_SAYS[name]}, and the data is {kind}. Leave "
                f"{out} out."
            )


def _found_with_labels(
    given: Mapping[str, Any], chosen: Mapping[str, str], reading: Reading
) -> Found:
    """Return what data frames without labels are, and labels beside them."""
    frames: dict[str, Any] = {}
    target = _LABELS
    parts = [part for part in ("", "_test", "_val") if f"X{part}" in chosen]
    taken = {str(name) for part in parts for name in _columns(given[chosen[f"X{part}"]])}
    while target in taken:  # it is a feature
        target += "_"
    for part in parts:
        columns = _columns(given[chosen[f"X{part}"]])
        labels = _array(chosen[f"y{part}"], given[chosen[f"y{part}"]])
        if labels.ndim > 1:
            labels = labels_of(f"{NAME}: {chosen[f'y{part}']}", labels)
        n = len(next(iter(columns.values()))) if columns else 0
        if len(labels) != n:
            raise DataError(
                f"{NAME}: {chosen[f'X{part}']} has {n} rows and {chosen[f'y{part}']} has "
                f"{len(labels)}; each row has a label."
            )
        frames[part] = {**columns, target: labels}
    if weighted := [role for role in chosen if role.startswith("weights")]:
        raise DataError(
            f"{NAME}: {chosen[weighted[0]]} is given with a data frame; give the weights as a "
            "column of it, and weights=NAME."
        )
    return found_frames(NAME, frames, Reading(target, reading.weights, reading.missing))


def _is_frame(value: Any) -> bool:
    """Whether it is a table of a library that speaks Arrow, and no single column."""
    return hasattr(value, "__arrow_c_stream__") and hasattr(value, "columns")


def _columns(frame: Any) -> dict[str, Any]:
    if not _is_frame(frame):
        raise DataError(f"{NAME}: X is a data frame in one part and not in another.")
    return {str(name): frame[name] for name in _check_names("X ", frame)}


def _check_names(part: str, frame: Any) -> list[Any]:
    """Return the names of a frame's columns, each of which is there once; 1 is called "1" too."""
    names = list(getattr(frame, "column_names", None) or frame.columns)
    if twice := [name for name, count in Counter(map(str, names)).items() if count > 1]:
        raise DataError(
            f"{NAME}: {part}has two columns {twice[0]!r}; each needs its own name. Rename "
            "one, or leave it out."
        )
    return names


def _array(name: str, value: ArrayLike) -> NDArray[Any]:
    if _is_frame(value) and len(columns := _columns(value)) == 1:
        (value,) = columns.values()  # whose text is not a Python object then
    if value is None:
        raise DataError(f"{NAME}: {name} is None; give an array, or a column of a data frame.")
    if hasattr(value, "toarray"):
        raise DataError(
            f"{NAME}: {name} is a sparse {type(value).__name__}, and rows are trained with their "
            f"zeros. Give {name}.toarray(), or a file in svmlight's format."
        )
    if isinstance(value, np.ma.MaskedArray) and (masked := int(np.sum(value.mask))):
        raise DataError(
            f"{NAME}: {name} is an array of which {masked} values are masked, and no row may lack "
            f"one. Give {name}.filled(...), or only the rows that are whole."
        )
    array = np.asanyarray(value)  # a memory map stays one
    if array.dtype.hasobject and array.ndim == 1 and all(isinstance(v, str) for v in array):
        return array.astype(str)
    if array.dtype.hasobject:
        raise DataError(f"{NAME}: {name} holds Python objects; give numbers or text.")
    return array
