"""Columns of pyarrow's tables as plain columns, and labels as they are written."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.formats.columns import Column
from model.data.found import HELP
from model.errors import DataError

# The index of a data frame, as pandas and R write it, and as pandas reads it again.
_INDEX = re.compile(r"^(__index_level_\d+__|Unnamed: 0(\.\d+)*|)$")
# What stands for a whole number and for nothing else, as it would be written again.
_WHOLE = r"^(0|-?[1-9]\d{0,17})$"
_REAL = r"^([-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(inf|nan))$"
# Digits of which a number would not be written so again: 007, +1, and what 64 bits do not hold.
_CODE = r"^([-+]?0\d+|\+\d+|-0|-?\d{19,})$"
_TRUTH = r"^(true|True|TRUE|false|False|FALSE)$"


def labels_as_written(texts: Any, decimal_point: str) -> Any:
    """Return the labels of a CSV file: numbers and booleans, or text where they would lose by it.

    Parameters
    ----------
    texts : pyarrow.ChunkedArray
        Of strings; null where there is none.
    decimal_point : str

    Returns
    -------
    pyarrow.ChunkedArray
        Of int64, float64, booleans, or the texts themselves. The codes ``01`` and ``1`` are two
        classes, ``007`` and ``10:30`` stay what they are.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    def are_all(pattern: str, of: Any) -> bool:
        return bool(pc.all(pc.match_substring_regex(of, pattern)).as_py())

    trimmed = pc.utf8_trim_whitespace(texts)
    plain = pc.replace_substring(trimmed, ",", ".") if decimal_point == "," else trimmed
    if are_all(_WHOLE, trimmed):
        return trimmed.cast(pa.int64())
    if are_all(_TRUTH, trimmed):
        return trimmed.cast(pa.bool_())
    codes = pc.any(pc.match_substring_regex(trimmed, _CODE)).as_py()
    return plain.cast(pa.float64()) if are_all(_REAL, plain) and not codes else texts


def labels_column(source: str, table: Any, target: str) -> NDArray[Any]:
    """Return the labels of a table: whole numbers, numbers, booleans or text.

    Raises
    ------
    DataError
        If a row has none, or they are of another kind.
    """
    with _understood(source, target, table[target], _NO_LABELS):
        return _labels(source, table[target], target)


def _labels(source: str, given: Any, target: str) -> NDArray[Any]:
    import pyarrow as pa

    column, types = _plain(given), pa.types
    nulls = _nulls(column)
    if nulls.any():
        row = int(np.flatnonzero(nulls)[0]) + 1
        raise DataError(
            f"{source}: column {target!r} has no label in row {row}; every row needs one, so "
            f"remove such rows, or name their class. {HELP}"
        )
    kind = column.type
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        labels: NDArray[Any] = np.asarray(column.to_numpy(zero_copy_only=False))
        return labels
    if not (is_text(column) or types.is_decimal(kind) or _is_time(kind)):
        raise DataError(f"{source}: column {target!r} holds {kind}, {_NO_LABELS}. {HELP}")
    return np.array(column.cast(pa.string()).to_pylist(), dtype=str)


_NO_LABELS = "which are not labels"
_NO_FEATURE = (
    "which is not a number, text, time or list of numbers; leave it out of the file, or turn it "
    "into numbers"
)


@contextlib.contextmanager
def _understood(source: str, name: str, column: Any, rule: str) -> Iterator[None]:
    """Say of a column what it holds, where the library cannot do with it what is asked for."""
    import pyarrow as pa

    try:
        yield
    except (DataError, MemoryError):  # an ArrowException too
        raise
    except (pa.ArrowException, UnicodeDecodeError, OverflowError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(
            f"{source}: column {name!r} holds {column.type}, {rule} ({reason[0]}). {HELP}"
        ) from error


def _is_time(kind: Any) -> bool:
    """Whether it is a time by the clock or the calendar, or a duration: a number of seconds."""
    from pyarrow import types

    return bool(types.is_temporal(kind) and not types.is_interval(kind))


def weights_column(source: str, table: Any, name: str) -> NDArray[Any]:
    """Return the weights of the rows of a table.

    Raises
    ------
    DataError
        If a row has none, or one is no number.
    """
    columns = plain_columns(source, name, table[name], [])
    # Lists are several; a time is a number of seconds as a feature, and weighs nothing.
    column = columns[0] if len(columns) == 1 and not _is_time(_plain(table[name]).type) else None
    if column is None or column.is_text or column.missing.any():
        raise DataError(
            f"{source}: column {name!r} holds the weights of the rows, and must be a number in "
            f"each of them. {HELP}"
        )
    return column.values


def _plain(column: Any) -> Any:
    """Return a column as one array, with what stands for others as what it stands for."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks == 1 else pa.concat_arrays(array.chunks)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _nulls(array: Any) -> NDArray[np.bool_]:
    nulls: NDArray[np.bool_] = np.asarray(array.is_null().to_numpy(zero_copy_only=False))
    return nulls


def is_index(name: str) -> bool:
    """Whether a column is an index of the rows by its name, whatever it counts or calls them.

    An index of rows that were shuffled tells their old order, and in a table that was sorted by its
    classes the class.
    """
    return bool(_INDEX.match(name))


def is_text(column: Any) -> bool:
    """Whether a column of pyarrow holds text."""
    import pyarrow as pa

    types, kind = pa.types, column.type
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def plain_columns(source: str, name: str, column: Any, remarks: list[str]) -> list[Column]:
    """Return a column of pyarrow as plain columns: several where it holds lists of one length.

    Parameters
    ----------
    source : str
        Where it is, as a message begins.
    name : str
    column : pyarrow.ChunkedArray
    remarks : list of str
        Gets a sentence where a rule turned it into numbers.

    Raises
    ------
    DataError
        If it holds nothing that can be a feature.
    """
    with _understood(source, name, column, _NO_FEATURE):
        return _plain_columns(source, name, column, remarks)


def _plain_columns(source: str, name: str, column: Any, remarks: list[str]) -> list[Column]:
    import pyarrow as pa

    array, types = _plain(column), pa.types
    kind, nulls = array.type, _nulls(array)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _list_columns(source, name, array)
    if types.is_null(kind):
        return [Column(name, np.zeros(len(array)), nulls)]
    if is_text(array):
        return [Column(name, np.array(array.to_pylist(), dtype=object), nulls)]
    if types.is_temporal(kind):
        seconds = _seconds(source, name, array)
        remarks.append(f"{source}: {_temporal_rule(kind)}")
        return [Column(name, seconds, nulls)]
    if types.is_decimal(kind):
        array = _decimals(array)
        kind = array.type
    if not (types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)):
        raise DataError(f"{source}: column {name!r} holds {kind}, {_NO_FEATURE}. {HELP}")
    filled = array.fill_null(False if types.is_boolean(kind) else 0)
    values = np.asarray(filled.to_numpy(zero_copy_only=False))
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    missing = nulls | np.isnan(values) if values.dtype.kind == "f" else nulls
    return [Column(name, values, missing)]


def _list_columns(source: str, name: str, array: Any) -> list[Column]:
    import pyarrow.compute as pc

    if array.null_count or array.flatten().null_count:
        raise DataError(f"{source}: column {name!r} holds lists that lack values. {HELP}")
    lengths = np.unique(np.asarray(pc.list_value_length(array).to_numpy(zero_copy_only=False)))
    if len(lengths) != 1 or not lengths[0]:
        raise DataError(
            f"{source}: column {name!r} holds lists of {lengths.min()} to {lengths.max()} values; "
            f"all rows need as many. {HELP}"
        )
    values = np.asarray(array.flatten().to_numpy(zero_copy_only=False))
    if values.dtype.kind not in "iuf":
        raise DataError(f"{source}: column {name!r} holds lists that are not of numbers. {HELP}")
    rows = values.reshape(len(array), int(lengths[0]))
    missing = np.isnan(rows) if values.dtype.kind == "f" else np.zeros(rows.shape, bool)
    return [Column(f"{name}[{i}]", rows[:, i], missing[:, i]) for i in range(rows.shape[1])]


def _decimals(array: Any) -> Any:
    """Return decimals as whole numbers where all are whole by their type, else in float64."""
    import pyarrow as pa

    if array.type.scale <= 0:
        with contextlib.suppress(pa.ArrowInvalid):  # beyond 64 bits
            return array.cast(pa.int64())
    return array.cast(pa.float64())


def _temporal_rule(kind: Any) -> str:
    from pyarrow import types

    if types.is_duration(kind):
        return "durations are seconds."
    return "times of day are seconds." if types.is_time(kind) else "dates are seconds since 1970."


def _seconds(source: str, name: str, array: Any) -> NDArray[np.float64]:
    """Return times as seconds; missing ones as 0."""
    import pyarrow as pa

    kind, types = array.type, pa.types
    if types.is_date(kind):
        array = array.cast(pa.timestamp("ms"))
        kind = array.type
    units = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
    if not hasattr(kind, "unit") or kind.unit not in units:
        raise DataError(
            f"{source}: column {name!r} holds {kind}, which is no number of seconds; leave it out "
            f"of the file, or turn it into numbers. {HELP}"
        )
    whole = array.cast(pa.int32() if types.is_time32(kind) else pa.int64()).fill_null(0)
    seconds: NDArray[np.float64] = whole.to_numpy(zero_copy_only=False) / units[kind.unit]
    return seconds
