"""Rows without labels, for a saved model to predict: a table, or one array."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from model.data.encoding import Encoding
from model.data.formats.arrow import decimal_point_of, read_table
from model.data.formats.arrow_columns import plain_columns
from model.data.formats.columns import Column, encoded, refuse_missing
from model.data.formats.folder import read_array
from model.data.formats.npz import NpzReader
from model.data.formats.tables import TableReader, checked_names
from model.data.found import HEAD
from model.data.listing import listed
from model.errors import DataError


def read_rows(
    path: Path, columns: Sequence[Encoding], *, fills: bool, remarks: list[str]
) -> NDArray[Any]:
    """Return the rows of a file as a model takes them.

    Parameters
    ----------
    path : Path
        A table in a format of docs/data.md, or a file that holds one array: npy, npz or IDX. An
        npz may have several, of which the rows are called X.
    columns : sequence of Encoding
        How the columns of the training table became the features; empty if it was not a table, and
        a table then has the features in their order.
    fills : bool
        Whether the model has something for missing values.
    remarks : list of str
        Gets a sentence for what is left out of the file, or unknown to the model.

    Returns
    -------
    ndarray of shape (n, ...)

    Raises
    ------
    DataError
        If it cannot be read, or its columns are not those of the model.
    """
    try:
        if path.is_dir():
            raise DataError(f"{path}: is a folder; give a table of it, or a file of one array.")
        if not path.is_file():
            raise DataError(f"{path}: there is no such file; give a table, or a file of one array.")
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    if TableReader().is_yours(path, head):
        return _of_table(path, columns, remarks, fills=fills)
    if NpzReader().is_yours(path, head):
        return NpzReader().read_rows(path)
    return read_array(path)


def _of_table(
    path: Path, columns: Sequence[Encoding], remarks: list[str], *, fills: bool
) -> NDArray[Any]:
    # A CSV file says no types: new rows may hold only the numbers among the texts of a column.
    texts = {column.name for column in columns if column.categories}
    known = next((column.decimal_point for column in columns if column.decimal_point), "")
    source, table = str(path), read_table(path, decimal_point_of([path], known), as_text=texts)
    checked_names(source, table.column_names)
    if not table.num_rows:
        raise DataError(f"{source}: has no rows.")
    if not columns:
        plain = [c for name in table.column_names for c in _plain(source, name, table, remarks)]
        columns = [Encoding(column.name, (), float("nan")) for column in plain]
    else:
        plain = _wanted(source, table, columns, remarks)
    if not fills:
        refuse_missing(source, plain, "train the model on a data set with --missing mean")
    return encoded(source, plain, columns, remarks)


def _plain(source: str, name: str, table: Any, remarks: list[str]) -> list[Column]:
    return plain_columns(source, name, table[name], remarks)


def _wanted(
    source: str, table: Any, columns: Sequence[Encoding], remarks: list[str]
) -> list[Column]:
    """Return the columns that the model takes, in its order; others are left out."""
    wanted = {column.name for column in columns}
    found: dict[str, Column] = {}
    left_out: list[str] = []
    for name in table.column_names:
        try:
            mine = {c.name: c for c in _plain(source, name, table, remarks) if c.name in wanted}
        except DataError:
            # A column that the model does not use need not be understood.
            if name in wanted or any(one.startswith(f"{name}[") for one in wanted):
                raise
            mine = {}
        found |= mine
        if not mine:
            left_out.append(name)
    if lacking := [column.name for column in columns if column.name not in found]:
        raise DataError(
            f"{source}: lacks {listed(lacking)}, of which the model was trained; it has "
            f"{listed(table.column_names)}."
        )
    if left_out:
        remarks.append(f"{source}: the model does not look at {listed(left_out)}.")
    return [found[column.name] for column in columns]
