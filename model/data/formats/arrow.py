"""Files that pyarrow reads, as its tables: CSV, Parquet, Arrow and Feather."""

import contextlib
import gzip
import os
import zlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from model.data.formats.arrow_columns import labels_as_written
from model.data.formats.csv_text import CsvForm, form_of, told_point
from model.data.found import HELP
from model.data.memory import asked_bytes, check_unpacked
from model.errors import DataError

_CHUNK = 1 << 20
# Bytes of a file by which its decimal point is told.
_HEAD = 4 << 20
_GZIP = b"\x1f\x8b"

_FEATHER_1 = b"FEA1"
# The library believes its lengths and places: a changed byte ends the process, or makes numbers of
# what lies beside the file in memory.
_OLD = (
    "is Feather version 1, in which a damaged file cannot be told from a whole one. "
    'Write it again: python -c "from pyarrow import feather; '
    "feather.write_feather(feather.read_table('OLD'), 'NEW')\"."
)

MAGIC = {
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
    _FEATHER_1: "Feather",
    b"\xff\xff\xff\xff": "Arrow",
}
"""What the formats that are not text begin with."""
_LONGEST = max(map(len, MAGIC))


def decimal_point_of(paths: Iterable[Path], known: str = "") -> str:
    """Return the decimal point of files that belong together; see `told_point`.

    Raises
    ------
    DataError
        If it is unclear. A file that cannot be read is left to `read_table`.
    """
    heads = {}
    for path in paths:
        with contextlib.suppress(OSError, EOFError, zlib.error):
            head = _head(path)
            if not head.startswith(tuple(MAGIC)):
                heads[path] = head.decode(errors="replace")
    return told_point(heads, known)


def _head(path: Path) -> bytes:
    """Return the beginning of a file, unpacked: whole lines, if it has several."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        if packed:
            with gzip.open(file) as unpacked:
                head: bytes = unpacked.read(_HEAD)
        else:
            head = file.read(_HEAD)
    return head if len(head) < _HEAD else head[: head.rfind(b"\n") + 1] or head


def read_table(
    path: Path, decimal_point: str, target: str | None = None, as_text: Collection[str] = ()
) -> Any:
    """Return a file as a table of pyarrow.

    Parameters
    ----------
    path : Path
    decimal_point : str
        As `decimal_point_of` has it.
    target : str, optional
        The column of the labels.
    as_text : collection of str
        Columns of a CSV file that are text, whatever this file alone would make of them.

    Raises
    ------
    DataError
        If it is damaged, or no table.
    """
    import pyarrow as pa

    try:
        content = _content(path)
        head = bytes(memoryview(content)[:_LONGEST])
        magic = next((magic for magic in MAGIC if head.startswith(magic)), b"")
        if magic == _FEATHER_1:
            raise DataError(f"{path}: {_OLD} {HELP}")
        if magic:
            return _read_binary(path, magic, content)
        return _read_csv(path, content, decimal_point, target, as_text)
    except MemoryError as error:  # an ArrowException too
        check_unpacked(path, asked_bytes(error))
        raise
    except (OSError, EOFError, pa.ArrowException, ValueError, zlib.error) as error:
        if isinstance(error, DataError):
            raise
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(
            f"{path}: cannot be read ({reason[0]}). Fetch or write the file again. {HELP}"
        ) from error


def _content(path: Path) -> Any:
    """Return what a file holds, unpacked, once and in memory of pyarrow's own.

    Threads of its pools let go of what they have read when its reader has long gone on. Where that
    is an object of Python's they need Python for it, and a process that ends then is aborted.
    """
    import pyarrow as pa

    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        if packed:
            return _unpacked(path, file)
        buffer = pa.allocate_buffer(os.fstat(file.fileno()).st_size)
        return buffer.slice(0, file.readinto(buffer))


def _unpacked(path: Path, file: BinaryIO) -> Any:
    """Return what a gzip file holds; one of a few bytes can hold more than any memory."""
    import pyarrow as pa

    pieces: list[bytes] = []
    size = 0
    with gzip.open(file) as stream:
        while piece := stream.read(_CHUNK):
            size += len(piece)
            check_unpacked(path, size)
            pieces.append(piece)
    buffer = pa.allocate_buffer(size)
    left = memoryview(buffer).cast("B")
    while pieces:  # from the end, whose memory goes back to the system at once
        piece = pieces.pop()
        left[-len(piece) :] = piece
        left = left[: -len(piece)]
    return buffer


def _read_binary(path: Path, magic: bytes, content: Any) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    stream = pa.BufferReader(content)
    if MAGIC[magic] == "Parquet":
        _check_parquet(path, parquet.read_metadata(stream))
        table = parquet.read_table(stream, page_checksum_verification=True)
    elif magic == b"ARROW1":
        table = pa.ipc.open_file(stream).read_all()
    else:
        table = pa.ipc.open_stream(stream).read_all()
    table.validate(full=True)  # offsets of a damaged file may point anywhere
    return table


def _read_csv(
    path: Path, content: Any, decimal_point: str, target: str | None, as_text: Collection[str]
) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    form: CsvForm = form_of(path, memoryview(content), decimal_point)
    texts = {*as_text, *([] if target is None else [target])}
    table = csv.read_csv(
        pa.BufferReader(content),
        read_options=csv.ReadOptions(block_size=min(content.size + 1, 2**30)),
        parse_options=csv.ParseOptions(delimiter=form.delimiter, newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(texts, pa.string()),
            decimal_point=form.decimal_point,
            null_values=form.null_values,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    names = table.column_names
    if target is None or target in as_text or names.count(target) != 1:
        return table
    labels = labels_as_written(table[target], form.decimal_point)
    return table.set_column(names.index(target), target, labels)


def _check_parquet(path: Path, metadata: Any) -> None:
    """Refuse a file whose columns, as numbers of 8 bytes, do not fit into the memory."""
    groups = range(metadata.num_row_groups)
    packed = sum(metadata.row_group(group).total_byte_size for group in groups)
    check_unpacked(path, max(packed, metadata.num_rows * metadata.num_columns * 8))


def table_of_frame(source: str, frame: Any) -> Any:
    """Return a data frame in memory as a table of pyarrow, without an index of its rows.

    Raises
    ------
    DataError
        If its library does not speak Arrow, or a column is of a kind that Arrow does not have.
    """
    import pyarrow as pa

    if hasattr(frame, "reset_index"):  # of pandas, whose index is not a column
        frame = frame.reset_index(drop=True)
    try:
        if isinstance(frame, Mapping):  # else columns of polars come as Python's floats
            frame = {name: _column(values) for name, values in frame.items()}
        table = pa.table(frame)
    except MemoryError:  # an ArrowException too
        raise
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(f"{source}: is not a readable table ({reason[0]}). {HELP}") from error
    if not table.num_rows:
        raise DataError(f"{source}: holds no row. {HELP}")
    return table


def _column(values: Any) -> Any:
    import pyarrow as pa

    return pa.chunked_array(values) if hasattr(values, "__arrow_c_stream__") else values


def concatenated(source: str, tables: list[Any]) -> Any:
    """Return tables of pyarrow, one below the other.

    Raises
    ------
    DataError
        If they do not have the same columns, or no row.
    """
    import pyarrow as pa

    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except MemoryError:  # an ArrowException too
        raise
    except pa.ArrowException as error:
        raise DataError(
            f"{source}: its files do not have the same columns ({error}). {HELP}"
        ) from None
    if not table.num_rows:
        raise DataError(f"{source}: has no rows. {HELP}")
    return table
