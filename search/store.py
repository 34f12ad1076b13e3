"""The trial log: one parquet file per finished link, one row per finished trial."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from search.durable import prepare_folder, rename_durably, write_durably
from search.errors import StoreError

COMPLETE, PRUNED, FAIL = "COMPLETE", "PRUNED", "FAIL"

# Readers pass over files that begin with a dot.
_STAGED = ".staged-"

_TIME = pa.timestamp("us", tz="UTC")
_COLUMNS = [
    ("number", pa.int64(), "Trial number; for a grid its index, last hyperparameter fastest."),
    ("state", pa.string(), "COMPLETE, PRUNED or FAIL."),
    ("batch_size", pa.int32(), "Rows per update."),
    ("learning_rate", pa.float64(), "Step of the descent."),
    ("epochs", pa.int32(), "Passes over the training images."),
    ("alpha", pa.float64(), "L2 strength on the weights."),
    (
        "val_cost",
        pa.float64(),
        "Mean cross-entropy on the validation images; null unless COMPLETE.",
    ),
    ("val_accuracy", pa.float64(), "Fraction of them classified correctly; null unless COMPLETE."),
    (
        "seconds",
        pa.float64(),
        "The trial's share of its link's compute time; they sum to the whole.",
    ),
    ("pack", pa.int32(), "Index of the pack that trained the trial."),
    ("node", pa.string(), "Address of the machine that finished it."),
    ("started_at", _TIME, "Start of the link that finished it."),
    ("finished_at", _TIME, "End of the link that finished it."),
    ("attempt", pa.int32(), "1, or more where workers were lost on that link."),
    ("error", pa.string(), "Why the trial failed; null unless FAIL."),
]
SCHEMA = pa.schema(
    [pa.field(name, kind, metadata={"description": text}) for name, kind, text in _COLUMNS]
)


class TrialStore:
    """The log of one run.

    A file is named after its link, so that a link logged twice is the same file:
    every trial has exactly one row by construction.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    metadata : mapping of str to str, optional
        Travels in every file's schema: the data set's name and fingerprint.
    """

    def __init__(self, folder: Path, metadata: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        prepare_folder(folder)
        self._schema = SCHEMA.with_metadata({**(metadata or {})})

    def stage(self, pack: int, epoch: int, columns: Mapping[str, Any]) -> None:
        """Make the rows of one link durable, hidden until `publish`.

        Parameters
        ----------
        pack : int
        epoch : int
            Where the link ended.
        columns : mapping of str to array
            One entry for each column of `SCHEMA`; scalars are repeated, NaN stands
            for null, and times are one for all rows, in seconds since 1970.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        n = len(columns["number"])
        table = pa.table(
            [_array(columns[field.name], field.type, n) for field in self._schema],
            schema=self._schema,
        )
        # In place: `staged` passes over a part of a file, so no rename is needed.
        write_durably(
            self._path(pack, epoch, _STAGED),
            lambda file: pq.write_table(table, file, write_page_checksum=True),
        )

    def publish(self, pack: int, epoch: int) -> None:
        """Show the rows that were staged to every reader.

        Raises
        ------
        StoreError
            If the file cannot be renamed.
        """
        rename_durably(self._path(pack, epoch, _STAGED), self._path(pack, epoch))

    def staged(self) -> list[tuple[int, int]]:
        """Return pack and epoch of all rows that are staged and not published.

        A file that a killed writer left half-written is none, and removed.
        """
        links = []
        for path in self.folder.glob(f"{_STAGED}pack-*.parquet"):
            try:
                _check(str(path))
            except StoreError:
                path.unlink(missing_ok=True)
            else:
                *_, pack, _, epoch = path.stem.split("-")
                links.append((int(pack), int(epoch)))
        return sorted(links)

    def discard(self, pack: int, epoch: int) -> None:
        """Forget rows that were staged."""
        self._path(pack, epoch, _STAGED).unlink(missing_ok=True)

    def _path(self, pack: int, epoch: int, prefix: str = "") -> Path:
        return self.folder / f"{prefix}pack-{pack:05d}-epoch-{epoch:06d}.parquet"

    def read(self, *names: str) -> pa.Table:
        """Return the log, in no particular order.

        Parameters
        ----------
        *names : str
            Columns; all of them where none is named.

        Raises
        ------
        StoreError
            If a file is damaged or from another program.
        """
        paths = sorted(map(str, self.folder.glob("[!.]*.parquet")))
        wanted = list(names or SCHEMA.names)
        if not paths:
            return SCHEMA.empty_table().select(wanted)
        try:
            table = _scan(paths, list(dict.fromkeys(["number", "state", *wanted])))
        except (pa.ArrowException, OSError):
            table = None
        # A file of another program shows as rows without a number.
        if table is None or table["number"].null_count or table["state"].null_count:
            for path in paths:
                _check(path)
        return table.select(wanted)

    def columns(self, *names: str) -> tuple[NDArray[Any], ...]:
        """Return some columns of the log as arrays; null numbers become NaN."""
        return tuple(column.to_numpy() for column in self.read(*names).columns)


def _array(values: Any, kind: pa.DataType, n: int) -> pa.Array:
    if np.ndim(values) == 0:
        return pa.repeat(pa.scalar(_microseconds(values, kind), kind), n)
    return pa.array(values, kind, from_pandas=True)


def _microseconds(value: Any, kind: pa.DataType) -> Any:
    return round(value * 1e6) if pa.types.is_timestamp(kind) else value


def _scan(paths: list[str], columns: list[str]) -> pa.Table:
    # Here, because it takes a third of a second to import, and a new run has nothing to read.
    import pyarrow.dataset as ds

    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    file_format = ds.ParquetFileFormat(default_fragment_scan_options=options)
    return ds.dataset(paths, SCHEMA, file_format).to_table(columns)


def _check(path: str) -> None:
    """Raise the error that names what is wrong with a file, if anything is."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            if not file.schema_arrow.equals(SCHEMA):
                raise ValueError("its columns are not those of a trial log")
            file.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StoreError(
            f"{path} is damaged or no trial log ({error}). Move this file out of the folder and "
            "give the same command: its trials are then trained again."
        ) from error
