"""A run's log as a table of the library that its reader likes."""

import importlib
from typing import Any

from search.config import show
from search.errors import MissingLibraryError, TableKindError
from search.record.log_reading import read_log
from search.record.run_folder import RunFolder
from search.storage import Place, place

_KINDS = ("pandas", "polars", "pyarrow")


def load_table(run: str | Place, kind: str) -> Any:
    """Return the log of a run; see `search.load`."""
    if kind not in _KINDS:
        raise TableKindError(f"There is no kind {show(kind)} of table; give {', '.join(_KINDS)}.")
    library = _library(kind)
    folder = RunFolder(place(run))
    table = read_log(folder.trials, run=folder.run, layout=folder.layout).sort_by("number")
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
