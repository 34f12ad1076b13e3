"""The columns of the trial log, and the log read whoever writes it."""

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from search.errors import ObjectStoreError, StoreError
from search.record.columns import FIGURES
from search.storage import Place, RemotePath, read_whole

_TIME = pa.timestamp("us", tz="UTC")
_COLUMNS = [
    ("number", pa.int64(), "Trial number; for a grid its index, last hyperparameter fastest."),
    ("state", pa.string(), "COMPLETE, PRUNED or FAIL."),
    ("batch_size", pa.int32(), "Rows per update."),
    ("learning_rate", pa.float64(), "Step of the descent."),
    ("epochs", pa.int32(), "Passes over the training rows."),
    ("alpha", pa.float64(), "L2 strength on the weights."),
    (
        "val_cost",
        pa.float64(),
        "Mean cross-entropy on the validation rows; null unless COMPLETE.",
    ),
    ("val_accuracy", pa.float64(), "Fraction of them classified correctly; null unless COMPLETE."),
    ("val_cost_avg", pa.float64(), "val_cost of the average of the last epoch's weights."),
    ("val_accuracy_avg", pa.float64(), "val_accuracy of the average of the last epoch's weights."),
    *(
        (f"{name}_std", pa.float64(), f"Standard deviation of {name} over the replicates, or null.")
        for name in FIGURES
    ),
    (
        "replicates",
        pa.list_(
            pa.struct(
                [("seed", pa.int64()), ("fold", pa.int32())]
                + [(name, pa.float64()) for name in FIGURES]
            )
        ),
        "What each training of the trial gave, with several seeds or folds, else null.",
    ),
    (
        "train_cost",
        pa.float64(),
        "Cost on the training rows, penalty included, of the weights that select; null without "
        "--optimum.",
    ),
    ("last_cost", pa.float64(), "The newest cost by which it is compared; also of a pruned trial."),
    ("last_epoch", pa.int32(), "Epochs that were trained: all, or fewer where it was pruned."),
    (
        "reports",
        pa.map_(pa.int32(), pa.float64()),
        "Cost, as in last_cost, at each epoch at which a pruner was asked; null without a pruner.",
    ),
    (
        "seconds",
        pa.float64(),
        "The trial's share of its pack's compute time; they sum to the whole.",
    ),
    ("pack", pa.int32(), "Index of the pack that trained the trial; null where none did."),
    ("node", pa.string(), "Address of the machine that finished it."),
    ("started_at", _TIME, "Start of the link that finished it."),
    ("finished_at", _TIME, "End of the link that finished it."),
    ("attempt", pa.int32(), "1, or more where workers were lost on that link."),
    ("error", pa.string(), "Why the trial failed; null unless FAIL."),
    ("source", pa.string(), "Whose result this is where the trial was not trained, else null."),
]
OF_REPLICATES = (*(f"{name}_std" for name in FIGURES), "replicates")
"""Columns of trials that are trained several times; rows of others may go without them."""

SCHEMA = pa.schema(
    [pa.field(name, kind, metadata={"description": text}) for name, kind, text in _COLUMNS]
)


def read_log(folder: Place, *names: str) -> pa.Table:
    """Return a log in no particular order, whoever writes it; nothing in its folder is changed.

    Parameters
    ----------
    folder : Path or RemotePath
        Folder of the log's files; there need not be any yet.
    *names : str
        Columns; all of them where none is named.

    Raises
    ------
    StoreError
        If a file is damaged or from another program, or cannot be fetched.
    """
    paths: Sequence[Place] = sorted(folder.glob("[!.]*.parquet"))
    wanted = list(names or SCHEMA.names)
    if not paths:
        return SCHEMA.empty_table().select(wanted)
    try:
        table = _scan(folder, paths, list(dict.fromkeys(["number", "state", *wanted])))
    except ObjectStoreError:
        raise
    except (pa.ArrowException, OSError) as error:
        _check(paths)
        raise StoreError(
            f"The log in {folder} could not be read ({error}), though each of its files can be. "
            "Give the same command again."
        ) from error
    # A file of another program shows as rows without a number.
    if table["number"].null_count or table["state"].null_count:
        _check(paths)
    return table.select(wanted)


def read_columns(folder: Place, *names: str) -> tuple[NDArray[Any], ...]:
    """Return some columns of a log as arrays; null numbers become NaN.

    Raises
    ------
    StoreError
        As for `read_log`.
    """
    return tuple(column.to_numpy() for column in read_log(folder, *names).columns)


def log_problem(content: bytes) -> Exception | None:
    """Return what is wrong with the content of a file, if anything is."""
    source = pa.BufferReader(content)
    try:
        with pq.ParquetFile(source, page_checksum_verification=True) as file:
            if not file.schema_arrow.equals(SCHEMA):
                return ValueError("its columns are not those of a trial log")
            file.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        return error
    return None


def _scan(folder: Place, paths: Sequence[Place], columns: list[str]) -> pa.Table:
    # Here, because it takes a third of a second to import, and a new run has nothing to read.
    import pyarrow.dataset as ds

    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    file_format = ds.ParquetFileFormat(default_fragment_scan_options=options)
    if isinstance(folder, RemotePath):
        # Fetched whole and at the same time: files are small, and a scan would ask four times.
        contents = folder.store.read_folder(folder.key, [path.name for path in paths])
        fragments = [file_format.make_fragment(pa.BufferReader(content)) for content in contents]
        return ds.FileSystemDataset(fragments, SCHEMA, file_format).to_table(columns)
    return ds.dataset(list(map(str, paths)), SCHEMA, file_format).to_table(columns)


def _check(paths: Iterable[Place]) -> None:
    """Raise the error that names the first file with which something is wrong, if there is one."""
    for path in paths:
        problem = log_problem(read_whole(path) or b"")
        if problem is not None:
            raise StoreError(
                f"{path} is damaged or no trial log ({problem}). Move this file out of the folder "
                "and give the same command: its trials are then trained again."
            ) from problem
