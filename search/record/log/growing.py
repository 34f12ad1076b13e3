"""The columns of a log that may be growing, for readers who look again and again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from search.record.log.columns import Layout
from search.record.log.reading import (
    check_once,
    part_problem,
    published,
    scan,
    schema_of,
    unbelievable,
)
from search.storage import Place, read_whole, seal_of


@dataclass(frozen=True)
class Coded:
    """A column with few different values: each of them once, and which of them each row has.

    Attributes
    ----------
    values : ndarray
        Different ones, in any order; words are objects. What is missing is NaN among numbers, and
        None among words.
    codes : ndarray of shape (n,), unsigned
        Places in `values`, a byte each where there are no more than 256.

    Examples
    --------
    >>> column = Coded.of(np.array(["tanh", None, "tanh"], object))
    >>> column.codes, column[2]
    (array([0, 1, 0], dtype=uint8), 'tanh')
    """

    values: NDArray[Any]
    codes: NDArray[Any]

    @classmethod
    def of(cls, column: NDArray[Any]) -> "Coded":
        """Code a column of numbers or of words."""
        found = pa.array(column, from_pandas=column.dtype.hasobject).dictionary_encode()
        return _of_arrow(found, column.dtype)

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Any) -> Any:
        """Return the values of some rows, as an array of them does."""
        return self.values[self.codes[rows]]


Column = NDArray[Any] | Coded

PartColumns = dict[tuple[str, str], list[Column]]
"""The columns of files, which are never changed, by the identity of the run and the file's name."""


def _of_arrow(found: pa.DictionaryArray, dtype: Any) -> Coded:
    values = found.dictionary.to_pylist()
    indices = found.indices
    if indices.null_count:
        indices = indices.fill_null(len(values))
        values.append(None)
    if dtype.hasobject:
        return Coded(_objects(values), _small(indices.to_numpy(), len(values)))
    return Coded(np.array(values, dtype), _small(indices.to_numpy(), len(values)))


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _small(codes: NDArray[Any], count: int) -> NDArray[Any]:
    """Return codes in as few bytes as their number needs."""
    return codes.astype(np.min_scalar_type(max(count - 1, 0)), copy=False)


def _joined(parts: Sequence[Coded]) -> Coded:
    """Return columns as one."""
    first = parts[0].values
    if all(part.values is first for part in parts):
        return Coded(first, np.concatenate([part.codes for part in parts]))
    places: list[NDArray[Any]] = []
    if any(part.values.dtype.hasobject for part in parts):
        place: dict[Any, int] = {}
        for part in parts:
            found = [place.setdefault(value, len(place)) for value in part.values.tolist()]
            places.append(np.array(found, np.int64))
        values = _objects(list(place))
    else:
        values, inverse = np.unique(
            np.concatenate([part.values for part in parts]), return_inverse=True
        )
        places = np.split(inverse, np.cumsum([len(part.values) for part in parts])[:-1])
    codes = [_small(at, len(values))[part.codes] for at, part in zip(places, parts, strict=True)]
    return Coded(values, np.concatenate(codes))


def read_new_columns(
    folder: Place,
    known: PartColumns,
    *names: str,
    run: str,
    layout: Layout,
    coded: Sequence[str] = (),
) -> tuple[Column, ...]:
    """Return what `read_columns` does, and read only the files that were not there before.

    Parameters
    ----------
    folder : Path or RemotePath
    known : PartColumns
        What was read before. Files that are gone are removed from it, and new ones added.
    *names : str
    run : str
    layout : Layout
    coded : sequence of str
        The columns that are returned as `Coded`.

    Raises
    ------
    StoreError
        As for `read_log`.
    """
    gone: set[tuple[str, str]] = set()
    while True:
        paths = {(run, path.name): path for path in published(folder, run)}
        for key in known.keys() - paths.keys():
            del known[key]
        new = {key: read_whole(paths[key]) for key in paths.keys() - known.keys() - gone}
        # Files may have gone meanwhile, such as into a merged one: the folder tells.
        if None not in new.values():
            break
        gone |= {key for key, content in new.items() if content is None}
    for key, content in new.items():
        assert content is not None  # noqa: S101 - for the type
        if problem := part_problem(content, seal_of(paths[key], run)):
            raise unbelievable(paths[key], problem)
        table = scan(folder, [content], list(names))
        known[key] = _columns_of(table, coded)
    if not known:
        return tuple(_columns_of(schema_of(layout).empty_table().select(list(names)), coded))
    keys = sorted(known)
    columns = tuple(
        _joined(parts) if name in coded else np.concatenate(parts)
        for name, parts in zip(names, zip(*(known[key] for key in keys), strict=True), strict=True)
    )
    # Parts of what is returned, so that it is in memory once.
    ends = np.cumsum([len(known[key][0]) for key in keys])
    for key, end in zip(keys, ends.tolist(), strict=True):
        start = end - len(known[key][0])
        known[key] = [
            Coded(column.values, column.codes[start:end])
            if isinstance(column, Coded)
            else column[start:end]
            for column in columns
        ]
    _check_once(folder, columns[names.index("number")])
    return columns


def _columns_of(table: pa.Table, coded: Sequence[str]) -> list[Column]:
    columns: list[Column] = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name in coded and pa.types.is_string(column.type):
            whole = column.combine_chunks().dictionary_encode()
            columns.append(_of_arrow(whole, np.dtype(object)))
        else:
            found = column.to_numpy()
            columns.append(Coded.of(found) if name in coded else found)
    return columns


def _check_once(folder: Place, numbers: Column) -> None:
    """Raise an error if a trial has more than one row."""
    array = np.asarray(numbers)
    # Counting is twenty times as fast as a hash of each; numbers of trials begin at 0.
    dense = len(array) and array.min() >= 0 and array.max() < 16 * len(array)
    if not (dense and np.bincount(array).max() == 1):
        check_once(folder, pa.chunked_array([array]))
