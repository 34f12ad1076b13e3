"""The columns of the trial log, and the log read whoever writes it."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from model.data.memory import asked_bytes, most_unpacked
from model.seal import EARLIER, Seal
from search.command import has_own_process, program
from search.errors import StoreError
from search.record.log.columns import SOFTMAX_LAYOUT, Layout
from search.storage import Place, RemotePath, listed, read_whole, seal_of

_TIME = pa.timestamp("us", tz="UTC")
_STATE = [
    ("number", pa.int64(), "Trial number; for a grid its index, last hyperparameter fastest."),
    ("state", pa.string(), "COMPLETE, PRUNED or FAIL."),
]
_AXES = {
    "batch_size": "Rows per update.",
    "learning_rate": "Step of the descent.",
    "epochs": "Passes over the training rows.",
    "alpha": "L2 strength on the weights.",
}
_FIGURES = {
    "val_cost": "Mean cross-entropy on the validation rows; null unless COMPLETE.",
    "val_accuracy": "Fraction of them classified correctly; null unless COMPLETE.",
    "val_cost_avg": "val_cost of the average of the last epoch's weights.",
    "val_accuracy_avg": "val_accuracy of the average of the last epoch's weights.",
}
_METRIC = "Metric of that name on the validation rows; null unless COMPLETE."
_REST = [
    (
        "train_cost",
        pa.float64(),
        "Cost on the training rows, penalty included, of the weights that select; null without "
        "--optimum.",
    ),
    (
        "last_cost",
        pa.float64(),
        "The newest cost; also of a pruned trial, where trials are compared by cost.",
    ),
    ("last_epoch", pa.int32(), "Epochs that were trained: all, or fewer where it was pruned."),
    (
        "reports",
        pa.map_(pa.int32(), pa.float64()),
        "What trials are compared by, at each epoch at which a pruner was asked; null without one.",
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


def of_replicates(layout: Layout) -> tuple[str, ...]:
    """Return the columns of trials that are trained several times; others may go without them."""
    return (*(f"{name}_std" for name in layout.figures), "replicates")


@cache
def schema_of(layout: Layout) -> pa.Schema:
    """Return the schema of a log, with a description of each column."""
    figures = [(name, pa.float64()) for name in layout.figures]
    replicate = pa.struct([("seed", pa.int64()), ("fold", pa.int32()), *figures])
    columns = [
        *_STATE,
        *(
            (name, _kind(layout, name), _AXES.get(name, "Hyperparameter of the trainer."))
            for name in layout.axes
        ),
        *(
            (
                name,
                kind,
                _FIGURES.get(name, _METRIC),
            )
            for name, kind in figures
        ),
        *(
            (f"{name}_std", kind, f"Standard deviation of {name} over the replicates, or null.")
            for name, kind in figures
        ),
        (
            "replicates",
            pa.list_(replicate),
            "What each training of the trial gave, with several seeds or folds, else null.",
        ),
        *_REST,
    ]
    return pa.schema(
        [pa.field(name, kind, metadata={"description": text}) for name, kind, text in columns]
    )


def _kind(layout: Layout, name: str) -> pa.DataType:
    dtype = layout.dtype(name)
    return pa.string() if dtype.hasobject else pa.from_numpy_dtype(dtype)


MERGED = "merged"
"""How the name of a file begins that holds the rows of many links, whose files it replaces."""

REPLACES = b"replaces"
"""Under this key a merged file has the names of the files that it replaces, as JSON."""

SCHEMA = schema_of(SOFTMAX_LAYOUT)
"""The schema of the softmax trainer's log."""


def read_log(
    folder: Place,
    *names: str,
    run: str = "",
    once: bool = True,
    layout: Layout = SOFTMAX_LAYOUT,
) -> pa.Table:
    """Return a log in no particular order, whoever writes it; nothing in its folder is changed.

    Parameters
    ----------
    folder : Path or RemotePath
        Folder of the log's files; there need not be any yet.
    *names : str
        Columns; all of them where none is named.
    run : str
        Identity of the run whose log it is.
    once : bool
        Whether each number is that of one trial.
    layout : Layout
        The columns that depend on the run's trainer.

    Raises
    ------
    StoreError
        If a file is damaged or not of this run, if a trial has two rows, or if a file cannot be
        fetched.
    """
    schema = schema_of(layout)
    wanted = list(names or schema.names)
    contents = []
    for path, content in _settled_contents(folder, run):
        problem = part_problem(content, seal_of(path, run))
        if problem:
            raise unbelievable(path, problem)
        contents.append(content)
    if not contents:
        return schema.empty_table().select(wanted)
    table = scan(folder, contents, list(dict.fromkeys(["number", *wanted])))
    if once:
        check_once(folder, table["number"])
    return table.select(wanted)


def read_columns(
    folder: Place, *names: str, run: str = "", layout: Layout = SOFTMAX_LAYOUT
) -> tuple[NDArray[Any], ...]:
    """Return some columns of a log as arrays; null numbers become NaN.

    Raises
    ------
    StoreError
        As for `read_log`.
    """
    table = read_log(folder, *names, run=run, layout=layout)
    return tuple(column.to_numpy() for column in table.columns)


class _NoPandas:
    """A finder of modules by which pandas is not installed."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """Refuse pandas, and leave all else to the other finders."""
        del path, target
        if name == "pandas":
            raise ModuleNotFoundError(name=name)


def spare_pandas() -> None:
    """Let pyarrow find no pandas when it first looks for it, as it does for any column.

    To look is to import it, up to half a second in which a command does nothing. What makes a data
    frame finds it all the same. Only in a command's own process: where code of the user's own hands
    values of pandas to pyarrow, those would be read as any sequence is.
    """
    if has_own_process() and "pandas" not in sys.modules:
        sys.meta_path.insert(0, _NoPandas)
        try:
            pa.scalar(None)
        finally:
            sys.meta_path.remove(_NoPandas)


def published(folder: Place, run: str) -> list[Place]:
    """Return the files of a log that count, in the order of their names.

    Those do not that a merged file has replaced, which a killed command may have left.

    Raises
    ------
    StoreError
        If the folder cannot be listed, or a merged file not be fetched.
    """
    paths = listed(folder, "[!.]*.parquet")
    merged = [path for path in paths if path.name.startswith(MERGED)]
    if len(merged) == len(paths):
        # Quicker, because a log of a million trials has no other files: only one that has lost rows
        # since it was merged is replaced in its turn.
        merged = [path for path in merged if len(merged) > 1 and _may_replace_merged(path)]
    gone = set().union(*(_replaced(path, found, run) for path, found in _contents(folder, merged)))
    return [path for path in paths if path.stem not in gone]


def _may_replace_merged(path: Place) -> bool:
    """Whether a merged file may have replaced another one, by the end of it alone."""
    if isinstance(path, RemotePath):
        return True
    try:
        with pq.ParquetFile(path) as file:
            names = (file.metadata.metadata or {}).get(REPLACES, b"")
    except (pa.ArrowException, OSError):
        return False  # what is damaged is found where it is read
    return f'"{MERGED}'.encode() in names


def replaced_names(path: Place, run: str) -> set[str]:
    """Return which files a merged one replaces, by their names; none where it is not believed."""
    return _replaced(path, read_whole(path), run)


def _replaced(path: Place, content: bytes | None, run: str) -> set[str]:
    if content is None or part_problem(content, seal_of(path, run)):
        return set()
    with pq.ParquetFile(pa.BufferReader(content)) as file:
        return set(json.loads(file.metadata.metadata[REPLACES]))


def _settled_contents(folder: Place, run: str) -> list[tuple[Place, bytes]]:
    """Return what `part_contents` yields, of one moment: what goes meanwhile may be merged now."""
    before: list[Place] = []
    while True:
        paths = published(folder, run)
        found = [(p, content) for p, content in _contents(folder, paths) if content is not None]
        # A name that leads to no file stays in the folder, and is left out.
        if len(found) == len(paths) or paths == before:
            return found
        before = paths


def part_contents(folder: Place, run: str) -> Iterator[tuple[Place, bytes]]:
    """Yield the files of a log that count, and what each holds, in the order of their names.

    A file that somebody moves away meanwhile is left out.

    Raises
    ------
    StoreError
        If one cannot be fetched.
    """
    for path, content in _contents(folder, published(folder, run)):
        if content is not None:
            yield path, content


def _contents(folder: Place, paths: Sequence[Place]) -> Iterator[tuple[Place, bytes | None]]:
    """Yield what files hold; None of one that is gone."""
    if isinstance(folder, RemotePath):
        # At the same time: files are small, and each would wait for its answer.
        names = [path.name for path in paths]
        with suppress(FileNotFoundError):  # of one that went meanwhile
            yield from zip(paths, folder.store.read_folder(folder.key, names), strict=True)
            return
    for path in paths:
        yield path, read_whole(path)


def part_problem(content: bytes, seal: Seal) -> str | None:
    """Return what is wrong with the content of a file, as a sentence about it, if anything is."""
    problem = seal.problem(content)
    # What has its seal was written by this program, and is whole.
    return problem if problem or seal.run != EARLIER else _problem_of_unsealed(content)


def _problem_of_unsealed(content: bytes) -> str | None:
    try:
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
            if not file.schema_arrow.equals(SCHEMA):
                return "its columns are not those of a trial log"
            file.read(use_threads=False)
    except MemoryError as error:  # an ArrowException too
        if asked_bytes(error) <= most_unpacked():
            raise
        return f"it is not a whole parquet file: {error}"
    except (pa.ArrowException, OSError, ValueError) as error:
        return f"it is not a whole parquet file: {error}"
    return None


def read_part(content: bytes, *names: str) -> dict[str, NDArray[Any]]:
    """Return some columns of one file, with whose content nothing is wrong.

    Raises
    ------
    ValueError
        If it is of a version with other columns.
    """
    try:
        table = _columns(content, list(names))
        return {name: table[name].to_numpy() for name in names}
    except MemoryError:  # an ArrowException too
        raise
    except (pa.ArrowException, OSError, KeyError) as error:
        raise ValueError(f"it has other columns: {error}") from error


def scan(folder: Place, contents: Sequence[bytes], columns: list[str]) -> pa.Table:
    """Return some columns of files, with whose content nothing is wrong.

    Raises
    ------
    StoreError
        If they are of a version with other columns.
    """
    # File by file and without threads, as all that is read here: threads of the library let go of
    # the content when the reader has gone on, need Python for that, and abort a process that ends.
    try:
        parts = [_columns(content, columns) for content in contents]
        return pa.concat_tables(parts)
    except MemoryError:  # an ArrowException too
        raise
    except (pa.ArrowException, OSError, KeyError) as error:
        raise StoreError(
            f"The log in {folder} cannot be read ({error}). Another version of the program may "
            "have written it: read it with that one."
        ) from error


def _columns(content: bytes, columns: list[str]) -> pa.Table:
    with pq.ParquetFile(pa.BufferReader(content)) as file:
        table = file.read(columns, use_threads=False).select(columns)
    return table.replace_schema_metadata(None)


def check_once(folder: Place, numbers: pa.ChunkedArray) -> None:
    """Raise a `StoreError` if a trial has more than one row."""
    if pc.count_distinct(numbers).as_py() == len(numbers):
        return
    counts = pc.value_counts(numbers)
    twice = pc.filter(counts.field("values"), pc.greater(counts.field("counts"), 1))
    raise StoreError(
        f"{folder} has more than one row of trial {twice[0]}. {_way_out(folder)}, and each trial "
        "has one row again."
    )


def unbelievable(path: Place, problem: str) -> StoreError:
    """Return what is said of a file with which something is wrong."""
    return StoreError(
        f"{path} cannot be believed: {problem}. {_way_out(path.parent)}, and its trials are "
        "trained again."
    )


def lost_rows(run: Place, rows: int, total: int) -> str:
    """Return what is said of a finished run whose log has fewer rows than trials.

    Parameters
    ----------
    run : Path or RemotePath
        The run's folder.
    rows, total : int
        Trials that have a row, and all of them.
    """
    trials = f"{total - rows} of its {total} trials have"
    return (
        f"The run was finished, and {trials} no row in its log: files are gone. The "
        f"command that began it, or {program('run')} --resume {run}, trains them again."
    )


def _way_out(folder: Place) -> str:
    return (
        f"With {program('run')} --resume {folder.parent} the file is set aside, in a folder of "
        "that name"
    )
