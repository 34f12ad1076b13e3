"""Tables: CSV, Parquet, Arrow and Feather, alone or as train, test and validation in a folder."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.formats.arrow import (
    MAGIC,
    concatenated,
    decimal_point_of,
    read_table,
    table_of_frame,
)
from model.data.formats.arrow_columns import (
    is_index,
    is_text,
    labels_column,
    plain_columns,
    weights_column,
)
from model.data.formats.columns import (
    Column,
    by_name,
    encoded,
    fit_encoding,
    missing_remark,
    refuse_missing,
)
from model.data.formats.roles import part_of
from model.data.found import HELP, Found, Part, Reading, refuse_keys
from model.data.listing import listed
from model.errors import DataError

_TEXT = (".csv", ".tsv")
_BINARY = (".parquet", ".pq", ".arrow", ".feather", ".ipc")
_ARRAYS = (".npy", ".npz", ".idx")
# Names that people give to the column of the labels.
_LIKELY = ("target", "label", "labels", "class", "species", "y", "category", "outcome")
_LISTED = 12
_INDEX = (
    "counts or names the rows, as an index does, and is left out; under another name it is a "
    "feature"
)
_SHARD = re.compile(r"[-_]?\d+-of-\d+|part-\d+")


class TableReader:
    """Reads a table, or a folder with tables for training, test and validation."""

    kind = "a table"

    def is_yours(self, path: Path, head: bytes) -> bool:
        """Whether it is a table by its bytes or its name, or a folder of nothing but tables."""
        if path.is_dir():
            names = [_suffix(inside) for inside in path.iterdir()]
            return any(map(_is_table, names)) and not any(name in _ARRAYS for name in names)
        return any(head.startswith(magic) for magic in MAGIC) or _is_table(_suffix(path))

    def read(self, path: Path, reading: Reading) -> Found:
        """Read the table, or those of a folder."""
        refuse_keys(path, reading)
        files = _parts_of_folder(path) if path.is_dir() else {"": [path]}
        name = path.resolve().name if path.is_dir() else _stem(path)
        remarks: list[str] = []
        point = decimal_point_of(path for paths in files.values() for path in paths)
        found = _read_alike(files, point, reading.target)
        tables = {
            part: _Table.read(paths, found[part], reading, remarks) for part, paths in files.items()
        }
        return found_tables(name, tables, reading, remarks, _siblings(path), point)


def found_frames(name: str, frames: Mapping[str, Any], reading: Reading) -> Found:
    """Return the data set that data frames in memory are.

    Parameters
    ----------
    name : str
        How the data set calls itself.
    frames : mapping of str to data frame
        The table of each part: of ``""`` the training rows, of ``"_test"`` and ``"_val"`` others;
        of any library that speaks Arrow, such as pandas and polars.
    reading : Reading
        With the column of the labels.

    Raises
    ------
    DataError
        As for a table of a file.
    """
    remarks: list[str] = []
    tables = {
        part: _Table.of(f"{name}{part}", table_of_frame(f"{name}{part}", frame), reading, remarks)
        for part, frame in frames.items()
    }
    return found_tables(name, tables, reading, remarks, ())


def found_tables(
    name: str,
    tables: Mapping[str, "_Table"],
    reading: Reading,
    remarks: list[str],
    unused: Iterable[str],
    decimal_point: str = "",
) -> Found:
    """Return the data set that some tables are: text and missing values as the first one has them.

    Parameters
    ----------
    name : str
    tables : mapping of str to _Table
        The table of each part; the training rows under ``""``.
    reading : Reading
    remarks : list of str
        What was noticed so far.
    unused : iterable of str
    decimal_point : str
        With which the files were written, where their numbers tell it.
    """
    train = tables[""]
    if not train.columns:
        left_out = f" but {train.index[0]!r}, which {_INDEX}" if train.index else ""
        raise DataError(
            f"{train.source}: has no column besides {reading.target!r}{left_out}. {HELP}"
        )
    encodings = [fit_encoding(train.source, column, decimal_point) for column in train.columns]
    for table in tables.values():
        table.columns = by_name(
            table.source, table.columns, [e.name for e in encodings], train.source
        )
        if reading.missing == "refuse":
            refuse_missing(table.source, table.columns)
        remarks += missing_remark(table.source, table.columns)
    parts = {
        part: Part(
            X=encoded(table.source, table.columns, encodings, remarks),
            y=table.y,
            weights=table.weights,
            X_name=table.source,
            y_name=f"{table.source}: column {reading.target!r}",
        )
        for part, table in tables.items()
    }
    return Found(
        name=name,
        train=parts[""],
        test=parts.get("_test"),
        validation=parts.get("_val"),
        features=tuple(feature for e in encodings for feature in e.features),
        fill=np.array([fill for e in encodings for fill in e.fills])
        if reading.missing == "mean"
        else None,
        columns=tuple(encodings),
        missing=sum(int(c.missing.sum()) for table in tables.values() for c in table.columns),
        remarks=tuple(dict.fromkeys(remarks)),
        unused=tuple(unused),
    )


class _Table:
    """A table, with its labels and weights apart from the other columns."""

    def __init__(
        self,
        source: str,
        columns: list[Column],
        y: NDArray[Any],
        weights: NDArray[Any] | None,
        index: list[str],
    ) -> None:
        self.source, self.columns, self.y, self.weights = source, columns, y, weights
        # The columns that were left out as an index.
        self.index = index

    @classmethod
    def read(
        cls, paths: Sequence[Path], tables: list[Any], reading: Reading, remarks: list[str]
    ) -> "_Table":
        """Take the tables of pyarrow apart that the files of one part hold."""
        source = str(paths[0]) if len(paths) == 1 else f"{paths[0].parent} ({len(paths)} files)"
        checked_names(source, tables[0].column_names)
        return cls.of(source, concatenated(source, tables), reading, remarks)

    @classmethod
    def of(cls, source: str, table: Any, reading: Reading, remarks: list[str]) -> "_Table":
        """Take a table of pyarrow apart."""
        names = checked_names(source, table.column_names)
        target = _target(source, names, reading.target)
        weights = None
        left_out = {target}
        if reading.weights is not None:
            _known(source, names, reading.weights, "--weights")
            if reading.weights == target:
                raise DataError(
                    f"{source}: --weights names the column {target!r}, which holds the labels; "
                    "name another one, or leave it out."
                )
            left_out.add(reading.weights)
            weights = weights_column(source, table, reading.weights)
        y = labels_column(source, table, target)
        columns, index = [], []
        for name in names:
            if name in left_out:
                continue
            if not is_index(name):
                columns += plain_columns(source, name, table[name], remarks)
            elif table[name].null_count == table.num_rows:
                remarks.append(f"{source}: column {name!r} has no value and is left out.")
            else:
                index.append(name)
                remarks.append(f"{source}: column {name!r} {_INDEX}.")
        return cls(source, columns, y, weights, index)


def _read_alike(
    files: Mapping[str, Sequence[Path]], point: str, target: str | None
) -> dict[str, list[Any]]:
    """Return the tables of pyarrow of each part, with text where the training rows have text.

    A CSV file says no types: of the sizes ``1`` and ``XL`` a part may hold ``1`` alone, and of the
    labels ``01`` and ``10`` it may lack the first.
    """
    found = {part: [read_table(p, point, target) for p in paths] for part, paths in files.items()}
    texts = {name for table in found[""] for name in table.column_names if _is_text(table, name)}

    def alike(path: Path, table: Any) -> Any:
        odd = [name for name in table.column_names if name in texts and not _is_text(table, name)]
        return read_table(path, point, target, texts) if odd else table

    return {
        part: [alike(path, table) for path, table in zip(paths, found[part], strict=True)]
        for part, paths in files.items()
    }


def _is_text(table: Any, name: str) -> bool:
    """Whether a column that has its own name holds text."""
    return table.column_names.count(name) == 1 and is_text(table[name])


def _suffix(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def _stem(path: Path) -> str:
    return Path(re.sub(r"\.gz$", "", path.name, flags=re.IGNORECASE)).stem


def _is_table(suffix: str) -> bool:
    return suffix in _TEXT or suffix in _BINARY


def _parts_of_folder(folder: Path) -> dict[str, list[Path]]:
    """Return the files of each part, shards of one part together."""
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and _is_table(_suffix(path)):
            files.setdefault(part_of(_stem(path))[1], []).append(path)
    for paths in files.values():
        if len(paths) > 1 and not all(_SHARD.search(path.stem) for path in paths):
            raise DataError(
                f"{folder}: {paths[0].name} and {paths[1].name} could both be the same part; "
                f"expected one table each for train, test and validation. {HELP}"
            )
    if "" not in files:
        found = ", ".join(path.name for paths in files.values() for path in paths)
        raise DataError(
            f"{folder}: holds no training table such as train.csv; found {found}. {HELP}"
        )
    return files


def _siblings(path: Path) -> Iterable[str]:
    """Give the tables beside a file that look like its test or validation part."""
    if path.is_dir():
        return
    ours, _ = part_of(_stem(path))
    for other in sorted(path.parent.iterdir()):
        theirs, part = part_of(_stem(other))
        if other != path and part and theirs == ours and _suffix(other) == _suffix(path):
            yield f"{other.name} beside it (give the folder to use both)"


def checked_names(source: str, names: list[str]) -> list[str]:
    """Return the names of the columns of a table.

    Raises
    ------
    DataError
        If two of them have one name.
    """
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"{source}: has two columns {twice[0]!r}; each needs its own name. {HELP}")
    return names


def _target(source: str, names: list[str], target: str | None) -> str:
    if target is not None:
        return _known(source, names, target, "--target")
    likely = [name for name in names if name.lower() in _LIKELY] or names[-1:]
    raise DataError(
        f"{source}: which column holds the labels? Give --target COLUMN, such as --target "
        f"{likely[0]!r}. The columns are {listed(names, _LISTED)}. {HELP}"
    )


def _known(source: str, names: list[str], name: str, option: str) -> str:
    if name in names:
        return name
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise DataError(
        f"{source}: has no column {name!r}, as {option} says.{hint} The columns are "
        f"{listed(names, _LISTED)}. {HELP}"
    )
