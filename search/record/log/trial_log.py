"""The trial log: a parquet file for each finished link, a row for each finished trial."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from itertools import count
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from model.seal import EARLIER, Seal
from search.record.log.columns import SOFTMAX_LAYOUT, Layout
from search.record.log.reading import (
    MERGED,
    REPLACES,
    of_replicates,
    part_contents,
    part_problem,
    read_log,
    replaced_names,
    schema_of,
)
from search.storage import (
    Place,
    is_there,
    listed,
    prepare_folder,
    read_whole,
    remove,
    rename_durably,
    seal_of,
    write_durably,
    write_whole,
)

# Readers pass over files that begin with a dot.
_STAGED = ".staged-"

# A log of so many files stays as it is: what is damaged of it then is one link. Of more, reading
# takes longer than is pleasant, half a second for a thousand.
_FEW = 100

# A merged file has no more rows, for the same reason.
_MOST_ROWS = 2**17

SET_ASIDE = "set-aside"
"""The folder, beside those of the logs, of files that are not believed."""


def link_name(pack: int, epoch: int) -> str:
    """Return what the file of a link is called: after its pack and the epoch where it ended."""
    return f"pack-{pack:05d}-epoch-{epoch:06d}"


def link_of(name: str) -> tuple[int, int] | None:
    """Return the pack and the epoch of a link's file, or None for another file."""
    found = re.fullmatch(r"pack-(\d+)-epoch-(\d+)(?:-\d+)?", name)
    return (int(found[1]), int(found[2])) if found else None


class TrialLog:
    """The log of one run.

    A file is named after what it tells, such as a link. One that stands is never replaced: rows
    of a name that is taken get the next free one, ``NAME-2`` for example.

    Parameters
    ----------
    folder : Path or RemotePath
        Folder of the files; made where it is missing.
    metadata : mapping of str or bytes, optional
        What every file's schema carries besides: the data set's name and fingerprint, and its
        classes as JSON where they are not simply 0, 1, ...
    run : str
        Identity of the run, for the seals.
    once : bool
        Whether each number is that of one trial; not where rows of several runs are kept.
    layout : Layout
        The columns that depend on the run's trainer.
    """

    def __init__(
        self,
        folder: Place,
        metadata: Mapping[Any, Any] | None = None,
        run: str = "",
        *,
        once: bool = True,
        layout: Layout = SOFTMAX_LAYOUT,
    ) -> None:
        self.folder, self._run, self._once, self.layout = folder, run, once, layout
        prepare_folder(folder)
        self._schema = schema_of(layout).with_metadata({**(metadata or {})})
        # All rows, of the files that there are; see `keep`.
        self._kept: pa.Table | None = None
        # Names of the files that merged ones have replaced, as long as no file comes or goes that
        # changes that; None where it is not known.
        self._replaced: set[str] | None = None

    def beside(self, name: str) -> Self:
        """Return another log of the same run, in a folder of that name beside this one's."""
        folder = self.folder.with_name(name)
        return type(self)(folder, self._schema.metadata, self._run, layout=self.layout)

    def stage(self, name: str, columns: Mapping[str, Any]) -> str:
        """Make rows durable, hidden until `publish`; return the name that they got.

        Parameters
        ----------
        name : str
            Name of what gave the rows, such as a link; see `link_name`.
        columns : mapping of str to array
            An entry for each column of the schema; those of `of_replicates` and ``train_cost`` may
            be left out. Scalars are repeated, NaN stands for null, times are in seconds since 1970.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        optional = dict.fromkeys((*of_replicates(self.layout), "train_cost"))
        n, columns = len(columns["number"]), optional | {**columns}
        table = pa.table(
            [_array(columns[field.name], field.type, n) for field in self._schema],
            schema=self._schema,
        )
        name = self._free(name)
        content = _sealed(table, seal_of(self._path(name), self._run))
        # Written directly, not by way of a temporary file: `staged` discards half-written files.
        write_durably(self._path(name, _STAGED), lambda file: file.write(content))
        return name

    def _free(self, name: str) -> str:
        """Return a name under which nothing is published: this one, or the next."""
        names = (name if k == 1 else f"{name}-{k}" for k in count(1))
        return next(free for free in names if not self.has(free))

    def publish(self, name: str) -> None:
        """Show staged rows to every reader.

        Raises
        ------
        StoreError
            If the file cannot be renamed.
        """
        self._kept = None
        rename_durably(self._path(name, _STAGED), self._path(name))

    def write(self, name: str, columns: Mapping[str, Any]) -> None:
        """Stage rows that wait for nothing else, and publish them.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        self.publish(self.stage(name, columns))

    def staged(self) -> list[str]:
        """Return the names of all rows that are staged and not published.

        A file that a killed writer left half-written is removed.

        Raises
        ------
        StoreError
            If a file cannot be fetched; it stays.
        """
        names = []
        for path in listed(self.folder, f"{_STAGED}*.parquet"):
            content, name = read_whole(path), path.stem.removeprefix(_STAGED)
            seal = seal_of(self._path(name), self._run)
            if content is not None and part_problem(content, seal) is None:
                names.append(name)
            else:
                remove(path)
        return sorted(names)

    def problems(
        self, problem_of: Callable[[bytes], str | None] = lambda _: None
    ) -> Iterator[tuple[Place, str | None]]:
        """Yield every published file with what is wrong with it, None where nothing is.

        Parameters
        ----------
        problem_of : callable
            Gets the content of each file that is whole and of this run, in the order of their
            names, and returns what is wrong with its rows, if anything is.

        Raises
        ------
        StoreError
            If a file cannot be fetched.
        """
        for path, content in part_contents(self.folder, self._run):
            yield path, part_problem(content, seal_of(path, self._run)) or problem_of(content)

    def set_aside(self, path: Place) -> Place:
        """Move a file away that is not believed; return where it is now.

        Raises
        ------
        StoreError
            If it cannot be moved.
        """
        folder = self.folder.with_name(SET_ASIDE)
        prepare_folder(folder)
        names = (f"{path.name}.{k}" for k in count(1))
        kept = next(folder / name for name in names if not is_there(folder / name))
        self._kept = self._replaced = None
        rename_durably(path, kept)
        return kept

    def discard(self, name: str) -> None:
        """Delete staged rows."""
        remove(self._path(name, _STAGED))

    def has(self, name: str) -> bool:
        """Whether rows of this name are published, perhaps in a merged file."""
        return is_there(self._path(name)) or name in self._names_replaced()

    def _names_replaced(self) -> set[str]:
        if self._replaced is None:
            merged = listed(self.folder, f"{MERGED}*.parquet")
            self._replaced = set().union(*(replaced_names(path, self._run) for path in merged))
        return self._replaced

    def merge(self) -> None:
        """Bring the log into few files, if it has many; for the writer of a run with all its rows.

        A merged file names those that it replaces, and no reader counts these from the moment that
        it is there. Killed in between, the next call deletes them.

        Raises
        ------
        StoreError
            If a file cannot be read or written; the log is whole all the same.
        """
        self._delete_replaced()
        names = [path.name for path in listed(self.folder, "[!.]*.parquet")]
        if self._run == EARLIER or sum(not name.startswith(MERGED) for name in names) <= _FEW:
            return
        rows: list[pa.Table] = []
        names = []
        for path, content in part_contents(self.folder, self._run):
            if path.name.startswith(MERGED):
                continue
            if part_problem(content, seal_of(path, self._run)):
                return  # damaged since it was counted
            with pq.ParquetFile(pa.BufferReader(content)) as file:
                table = file.read(use_threads=False)
            if not table.schema.equals(self._schema):
                return  # of another version
            if rows and sum(map(len, rows)) + len(table) > _MOST_ROWS:
                self._write_merged(rows, names)
                rows, names = [], []
            rows.append(table)
            names.append(path.stem)
        self._write_merged(rows, names)
        self._delete_replaced()

    def drop(self, unwanted: Callable[[Mapping[str, Any]], bool]) -> list[int]:
        """Take rows out of the log, whose trials then have none; return their numbers.

        Each file that has one is replaced by a file of its other rows, as `merge` replaces files:
        killed in between, some of the rows are gone and the others are not.

        Parameters
        ----------
        unwanted : callable
            Gets the number, the state and the error of a row, and says whether it goes.

        Raises
        ------
        StoreError
            If a file cannot be read or written.
        """
        dropped: list[int] = []
        for path, content in list(part_contents(self.folder, self._run)):
            if part_problem(content, seal_of(path, self._run)):
                continue  # it is set aside later
            with pq.ParquetFile(pa.BufferReader(content)) as file:
                table = file.read(use_threads=False)
            asked = table.select(["number", "state", "error"]).to_pylist()
            gone = np.array([unwanted(row) for row in asked], bool)
            if gone.any():
                merged = path.name.startswith(MERGED)
                names = [path.stem, *(replaced_names(path, self._run) if merged else ())]
                self._write_merged([table.filter(pa.array(~gone))], names)
                dropped += [row["number"] for row, goes in zip(asked, gone, strict=True) if goes]
        self._kept = self._replaced = None
        self._delete_replaced()
        return dropped

    def _write_merged(self, rows: Sequence[pa.Table], names: Sequence[str]) -> None:
        path = self._path(self._free(MERGED))
        table = (
            pa.concat_tables(rows).combine_chunks().replace_schema_metadata(self._schema.metadata)
        )
        more = {REPLACES.decode(): json.dumps(names)}
        write_whole(path, _sealed(table, seal_of(path, self._run), more))
        self._kept = self._replaced = None

    def _delete_replaced(self) -> None:
        for name in self._names_replaced():
            remove(self._path(name))

    def _path(self, name: str, prefix: str = "") -> Place:
        return self.folder / f"{prefix}{name}.parquet"

    def read(self, *names: str, once: bool | None = None) -> pa.Table:
        """Return the log as `read_log` does; `once` is the log's own where it is left out."""
        once = self._once if once is None else once
        return read_log(self.folder, *names, run=self._run, once=once, layout=self.layout)

    def keep(self, rows: pa.Table) -> None:
        """Keep what was read and found right for `columns` to give, until a file comes or goes.

        A command that continues looks at a log several times.
        """
        self._kept = rows

    def rows(self, numbers: Iterable[int]) -> list[dict[str, Any]]:
        """Return the rows of some trials in the order of their numbers, null as None."""
        table = self.read()
        chosen = np.isin(table["number"].to_numpy(), np.fromiter(numbers, np.int64))
        rows: list[dict[str, Any]] = table.filter(pa.array(chosen)).sort_by("number").to_pylist()
        return rows

    def columns(self, *names: str) -> tuple[NDArray[Any], ...]:
        """Return some columns of the log as arrays; null numbers become NaN."""
        kept = self._kept
        if kept is None or not names or not set(names) <= set(kept.column_names):
            kept = self.read(*names)
        return tuple(kept[name].to_numpy() for name in names or kept.column_names)


def _sealed(table: pa.Table, seal: Seal, more: Mapping[str, str] | None = None) -> bytes:
    buffer = BytesIO()
    with pq.ParquetWriter(buffer, table.schema, write_page_checksum=True) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"seal": seal.blank, **(more or {})})
    return seal.close(buffer.getvalue())


def _array(values: Any, kind: pa.DataType, n: int) -> pa.Array:
    if pa.types.is_nested(kind) and values is not None:
        return pa.array(values, kind)
    if pa.types.is_timestamp(kind):
        values = np.round(np.multiply(values, 1e6)).astype(np.int64).tolist()
    if np.ndim(values) == 0:
        return pa.repeat(pa.scalar(values, kind), n)
    return pa.array(values, kind, from_pandas=True)
