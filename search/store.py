"""The trial log: one parquet file per finished link, one row per finished trial."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from search.durable import prepare_folder, rename_durably, write_atomically
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
            One entry for each column of `SCHEMA`; scalars are repeated, times
            are seconds since 1970, NaN stands for null.

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
        write_atomically(
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
        """Return pack and epoch of all rows that are staged and not published."""
        names = (path.stem.split("-") for path in self.folder.glob(f"{_STAGED}pack-*.parquet"))
        return sorted((int(name[-3]), int(name[-1])) for name in names)

    def discard(self, pack: int, epoch: int) -> None:
        """Forget rows that were staged."""
        self._path(pack, epoch, _STAGED).unlink(missing_ok=True)

    def _path(self, pack: int, epoch: int, prefix: str = "") -> Path:
        return self.folder / f"{prefix}pack-{pack:05d}-epoch-{epoch:06d}.parquet"

    def read(self) -> pa.Table:
        """Return the whole log, in no particular order.

        Raises
        ------
        StoreError
            If a file is damaged or from another program.
        """
        tables = [_read(path) for path in sorted(self.folder.glob("pack-*.parquet"))]
        return pa.concat_tables([SCHEMA.empty_table(), *tables])

    def columns(self, *names: str) -> tuple[NDArray[Any], ...]:
        """Return some columns of the log as arrays; null numbers become NaN."""
        table = self.read().select(list(names))
        return tuple(column.to_numpy() for column in table.columns)


def _array(values: Any, kind: pa.DataType, n: int) -> pa.Array:
    if pa.types.is_string(kind) and not isinstance(values, str):
        return pa.array(list(values), kind)
    values = np.broadcast_to(np.asarray(values), (n,))
    if pa.types.is_timestamp(kind):
        values = np.rint(values * 1e6).astype("datetime64[us]")
    if pa.types.is_string(kind):
        return pa.array(values.tolist(), kind)
    return pa.array(np.ascontiguousarray(values), kind, from_pandas=True)


def _read(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path, partitioning=None, page_checksum_verification=True)
        return table.cast(SCHEMA)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StoreError(
            f"{path} is damaged or no trial log ({error}). Move this file out of the folder and "
            "give the same command: its trials are then trained again."
        ) from error
