"""A run's log as a table of the library that its reader likes."""

import importlib
import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from search.config import show
from search.errors import MissingLibraryError, TableKindError
from search.record.log import read_log, schema_of
from search.record.run_folder import RunFolder
from search.storage import Place, place

_KINDS = ("pandas", "polars", "pyarrow")

# Rows that are sent at a time.
_ROWS = 10_000


def load_table(run: str | Place, kind: str) -> Any:
    """Return the log of a run; see `search.load`."""
    if kind not in _KINDS:
        raise TableKindError(f"There is no kind {show(kind)} of table; give {', '.join(_KINDS)}.")
    library = _library(kind)
    folder = RunFolder(place(run))
    table = _ordered(folder)
    if kind == "pandas":
        return table.to_pandas()
    return library.from_arrow(table) if kind == "polars" else table


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingLibraryError(
            f"A table of {name} needs {name}, which cannot be imported ({error}). Install it with "
            f"pip install {name}, or ask for another kind."
        ) from error


def arrow_parts(folder: RunFolder) -> Iterator[bytes]:
    """Yield the log of a run as a stream of Arrow, by number, some rows at a time.

    Raises
    ------
    StoreError
        If it cannot be read; before anything is yielded.
    """
    schema, parts = _parts(folder)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        for part in parts:
            writer.write_table(part)
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
    yield sink.getvalue()


def csv_lines(folder: RunFolder) -> Iterator[bytes]:
    """Yield the log of a run as CSV, by number, some lines at a time.

    Columns whose values are lists have no place there.

    Raises
    ------
    StoreError
        As for `arrow_parts`.
    """
    _, parts = _parts(folder, nested=False)
    for i, part in enumerate(parts):
        sink = pa.BufferOutputStream()
        csv.write_csv(part, sink, csv.WriteOptions(include_header=i == 0))
        yield bytes(sink.getvalue())


def _parts(folder: RunFolder, *, nested: bool = True) -> tuple[pa.Schema, Iterator[pa.Table]]:
    """Return the columns of a log and its rows by number, some at a time and at least one part.

    Putting all rows in order at once would take as long again before the first of them is sent, and
    as much memory.
    """
    schema = schema_of(folder.layout)
    names = [field.name for field in schema if nested or not pa.types.is_nested(field.type)]
    table = read_log(folder.trials, *names, run=folder.run, layout=folder.layout).combine_chunks()
    order = pc.sort_indices(table["number"])
    starts = range(0, max(len(table), 1), _ROWS)
    return table.schema, (table.take(order[start : start + _ROWS]) for start in starts)


def _ordered(folder: RunFolder) -> pa.Table:
    table = read_log(folder.trials, run=folder.run, layout=folder.layout)
    return table.sort_by("number").combine_chunks()
