"""The trial log: a parquet file for each finished link, a row for each finished trial."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from search.config import SweepConfig
from search.durable import prepare_folder, read_whole, rename_durably, write_durably
from search.errors import ObjectStoreError, StoreError
from search.readout import READOUTS
from search.remote_path import Place, RemotePath, place
from search.run_folder import RunFolder

if TYPE_CHECKING:
    from optuna import Study

COMPLETE, PRUNED, FAIL = "COMPLETE", "PRUNED", "FAIL"

# Readers pass over files that begin with a dot.
_STAGED = ".staged-"

_FIGURES = [name for readout in READOUTS.values() for name in (readout.cost, readout.accuracy)]
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
    ("val_cost_avg", pa.float64(), "val_cost of the average of the last epoch's weights."),
    ("val_accuracy_avg", pa.float64(), "val_accuracy of the average of the last epoch's weights."),
    *(
        (f"{name}_std", pa.float64(), f"Standard deviation of {name} over the replicates, or null.")
        for name in _FIGURES
    ),
    (
        "replicates",
        pa.list_(
            pa.struct(
                [("seed", pa.int64()), ("fold", pa.int32())]
                + [(name, pa.float64()) for name in _FIGURES]
            )
        ),
        "What each training of the trial gave, with several seeds or folds, else null.",
    ),
    (
        "train_cost",
        pa.float64(),
        "Cost on the training images, penalty included, of the weights that select; null without "
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
OF_REPLICATES = (*(f"{name}_std" for name in _FIGURES), "replicates")
"""Columns of trials that are trained several times; rows of others may go without them."""

_OPTIONAL = (*OF_REPLICATES, "train_cost")

SCHEMA = pa.schema(
    [pa.field(name, kind, metadata={"description": text}) for name, kind, text in _COLUMNS]
)


def load_study(run: str | Place) -> "Study":
    """Return the log of a run, finished or not, as a study of Optuna in memory.

    Its visualisations, its importance analysis and its dashboard work on it.
    A trial that has no row yet waits, so that the numbers are those of the log.

    Parameters
    ----------
    run : str, Path or RemotePath
        The run's folder; text may be a URI.

    Raises
    ------
    RunFolderError
        If there is no run.
    StoreError
        If the log cannot be read.
    """
    # Here, because Optuna takes a second to import and a grid goes without.
    from search.tuning.export import as_study

    folder = RunFolder(place(run))
    manifest = folder.existing_manifest()
    config = SweepConfig.from_dict(manifest.config)
    rows = read_log(folder.trials).sort_by("number").to_pylist()
    return as_study(rows, config.axes_by_name, config.name, config.select)


def link_name(pack: int, epoch: int) -> str:
    """Return what the file of a link is called: after its pack and the epoch where it ended."""
    return f"pack-{pack:05d}-epoch-{epoch:06d}"


def link_of(name: str) -> tuple[int, int] | None:
    """Return the pack and the epoch of a link's file, or None for another file."""
    found = re.fullmatch(r"pack-(\d+)-epoch-(\d+)", name)
    return (int(found[1]), int(found[2])) if found else None


class TrialStore:
    """The log of one run.

    A file is named after what it tells, such as a link, so that what is logged
    twice is the same file: every trial has exactly one row by construction.

    Parameters
    ----------
    folder : Path or RemotePath
        Made where it is missing.
    metadata : mapping of str or bytes, optional
        Travels in every file's schema: the data set's name and fingerprint.
    """

    def __init__(self, folder: Place, metadata: Mapping[Any, Any] | None = None) -> None:
        self.folder = folder
        prepare_folder(folder)
        self._schema = SCHEMA.with_metadata({**(metadata or {})})

    def beside(self, name: str) -> Self:
        """Return another log of the same run, in a folder of that name beside this one's."""
        return type(self)(self.folder.with_name(name), self._schema.metadata)

    def stage(self, name: str, columns: Mapping[str, Any]) -> None:
        """Make rows durable, hidden until `publish`.

        Parameters
        ----------
        name : str
            Of what they tell; see `link_name`.
        columns : mapping of str to array
            One entry for each column of `SCHEMA`, those of `OF_REPLICATES` and ``train_cost``
            perhaps left out; scalars are repeated, NaN stands for null, and times are in
            seconds since 1970.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        n, columns = len(columns["number"]), dict.fromkeys(_OPTIONAL) | {**columns}
        table = pa.table(
            [_array(columns[field.name], field.type, n) for field in self._schema],
            schema=self._schema,
        )
        # In place: `staged` passes over a part of a file, so no rename is needed.
        write_durably(
            self._path(name, _STAGED),
            lambda file: pq.write_table(table, file, write_page_checksum=True),
        )

    def publish(self, name: str) -> None:
        """Show the rows that were staged to every reader.

        Raises
        ------
        StoreError
            If the file cannot be renamed.
        """
        rename_durably(self._path(name, _STAGED), self._path(name))

    def write(self, name: str, columns: Mapping[str, Any]) -> None:
        """Stage rows that wait for nothing else, and publish them.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        self.stage(name, columns)
        self.publish(name)

    def staged(self) -> list[str]:
        """Return the names of all that is staged and not published.

        A file that a killed writer left half-written is none, and removed.

        Raises
        ------
        StoreError
            If a file cannot be fetched; it stays.
        """
        names = []
        for path in self.folder.glob(f"{_STAGED}*.parquet"):
            content = read_whole(path)
            if content is not None and _problem(content) is None:
                names.append(path.stem.removeprefix(_STAGED))
            else:
                path.unlink(missing_ok=True)
        return sorted(names)

    def discard(self, name: str) -> None:
        """Forget rows that were staged."""
        self._path(name, _STAGED).unlink(missing_ok=True)

    def has(self, name: str) -> bool:
        """Whether rows of this name are published."""
        return self._path(name).exists()

    def _path(self, name: str, prefix: str = "") -> Place:
        return self.folder / f"{prefix}{name}.parquet"

    def read(self, *names: str) -> pa.Table:
        """Return the log as `read_log` does."""
        return read_log(self.folder, *names)

    def rows(self, numbers: Iterable[int]) -> list[dict[str, Any]]:
        """Return the rows of some trials in the order of their numbers, null as None."""
        table = self.read()
        chosen = np.isin(table["number"].to_numpy(), np.fromiter(numbers, np.int64))
        rows: list[dict[str, Any]] = table.filter(pa.array(chosen)).sort_by("number").to_pylist()
        return rows

    def columns(self, *names: str) -> tuple[NDArray[Any], ...]:
        """Return some columns of the log as arrays; null numbers become NaN."""
        return read_columns(self.folder, *names)


def read_log(folder: Place, *names: str) -> pa.Table:
    """Return a log in no particular order, whoever writes it; nothing in its folder is changed.

    Parameters
    ----------
    folder : Path or RemotePath
        That of the log's files; there need not be any yet.
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


def _array(values: Any, kind: pa.DataType, n: int) -> pa.Array:
    if pa.types.is_nested(kind) and values is not None:
        return pa.array(values, kind)
    if pa.types.is_timestamp(kind):
        values = np.round(np.multiply(values, 1e6)).astype(np.int64).tolist()
    if np.ndim(values) == 0:
        return pa.repeat(pa.scalar(values, kind), n)
    return pa.array(values, kind, from_pandas=True)


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
        problem = _problem(read_whole(path) or b"")
        if problem is not None:
            raise StoreError(
                f"{path} is damaged or no trial log ({problem}). Move this file out of the folder "
                "and give the same command: its trials are then trained again."
            ) from problem


def _problem(content: bytes) -> Exception | None:
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
