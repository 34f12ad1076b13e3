"""Spaces, trials, plans, the trial log and the command line; rooms one above the other.

The rooms and who may import whom stand in ``docs/architecture.md``. From Python `sweep` runs a
sweep, and `load` and `load_study` read one.
"""

import os
import sys


def _end_at_once(*_: object) -> None:
    """End this process as an interrupted command ends: it has not begun anything."""
    os._exit(130)


def _end_at_an_early_interrupt() -> None:
    """Let Ctrl-C end a command without a traceback while it is still imported.

    `search.command.command` takes over from there. Where Ctrl-C is ignored it stays so.
    """
    # Part of the interpreter: the module signal takes milliseconds to import.
    import _signal  # type: ignore[import-not-found, unused-ignore]

    name = (getattr(sys, "argv", None) or [""])[0]  # a program that embeds Python may have none
    module = sys.orig_argv[2] if sys.orig_argv[1:2] == ["-m"] else ""
    by_module = name == "-m" and module.partition(".")[0] == "search"
    if not by_module and os.path.basename(name) != "packsweep":  # noqa: PTH119
        return
    # A process that a command has started has its arguments, and nothing takes over there.
    if "multiprocessing.spawn" in sys.modules:
        return
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _end_at_once)


_end_at_an_early_interrupt()

from importlib.util import find_spec  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Unpack

    from optuna import Study

    from search.session import SweepEvent, SweepOptions, SweepResult
    from search.storage import Place

# So Python calls a command until it has found its module, which is when this is read.
_BY_MODULE = getattr(sys, "argv", [])[:1] == ["-m"]


def _look_last_where_we_are() -> None:
    """Move the working directory to the end of Python's path.

    ``python -m`` puts it first, and a model.py of the user's would hide our package.
    """
    if _BY_MODULE and sys.path and sys.path[0] != str(Path(__file__).parents[1]):
        sys.path.append(sys.path.pop(0))


def _refuse_what_hides(package: str) -> None:
    """Say which file has the name of a package of ours, in place of what it leads to."""
    spec = find_spec(package)
    folders = spec.submodule_search_locations or [] if spec else []
    if spec is None or any(Path(folder, "errors.py").is_file() for folder in folders):
        return
    message = (
        f"{spec.origin} hides the package {package!r} of packsweep. Rename it, or take its folder "
        "out of Python's path."
    )
    if not _BY_MODULE and Path(sys.argv[0]).name != "packsweep":
        raise ImportError(message)
    sys.stderr.write(f"error: {message}\n")
    raise SystemExit(2)


_look_last_where_we_are()
_refuse_what_hides("model")
_refuse_what_hides("cluster")


def sweep(
    grid: "str | Path | Mapping[str, Any] | None" = None,
    data: Any = None,
    *,
    folder: "str | Place | None" = None,
    on_event: "Callable[[SweepEvent], object] | None" = None,
    **options: "Unpack[SweepOptions]",
) -> "SweepResult":
    """Train every combination of a grid, or what a sampler proposes, and return the result.

    It does what ``packsweep run`` does, with the same files. Another call with the same folder
    continues the run, whatever ended it; a finished run gives its result at once.

    Parameters
    ----------
    grid : str, Path or mapping, optional
        Name of a shipped grid, path of a grid file, the table in such a file, or only the lists,
        arrays and ranges of its hyperparameters. By default, a grid that suits the data.
    data : str, Path, tuple, mapping, data frame or Dataset, optional
        Name or path of a data set; ``(X, y)`` or ``(X, y, X_test, y_test)``; a mapping of arrays
        such as ``{"X": ..., "y": ..., "X_val": ..., "y_val": ...}``; or a data frame, whose labels
        are in the column `target`. By default, the grid's own.
    folder : str, Path or RemotePath, optional
        Folder of the run, or its URI. By default a temporary folder, deleted with the result.
    on_event : callable, optional
        Gets a `SweepEvent` whenever a task starts, ends, is lost or is late. An exception in it
        stops the sweep at a safe point, and is raised here.
    **options
        The options of ``packsweep run`` by their names: ``executor="serial"`` trains in this
        process instead of on Ray, ``workers``, ``address``, ``seed``, ``seeds``, ``sampler``,
        ``trials``, ``pruner``, ``objective``, ``metrics`` (a tuple of names), ``trainer``,
        ``code``, ``target``, ``weights``, ``missing``, ``products``, ``refits``, ``optimum``,
        ``budget`` (seconds), ``target_value`` (of the objective), ``patience``, ``reuse``,
        ``retry_failed``, ``extend``, ``fresh``, ``progress``, and ``keys``, a dict such as
        ``{"X": "images", "y": "labels"}``. Options that would have no effect are rejected. None
        means 'not given' for every option except ``executor``, ``refits`` and the booleans.

    Returns
    -------
    SweepResult
        With ``best_params``, ``best_cost``, ``summary``, ``log()``, ``model``, ``export_model()``
        and ``report``.

    Raises
    ------
    PacksweepError
        With a message for the user; its subclasses are in `search.errors` and `model.errors`.
        Errors about arguments or data are also `ValueError`s.
    InterruptedSweepError
        After Ctrl-C; everything done so far is in the folder.

    Examples
    --------
    >>> import search
    >>> space = {"batch_size": [64], "learning_rate": [1e-6, 5e-6], "epochs": [1, 2], "alpha": [0]}
    >>> found = search.sweep(space, "digits", executor="serial", progress=False)
    >>> found.best_params["epochs"], len(found.log())
    (2, 4)
    """
    # Here, because every import of this package passes by and should stay cheap.
    from search.session import sweep_from_python

    return sweep_from_python(grid, data, folder, on_event, **options)


def load(run: "str | Place", kind: str = "pandas") -> Any:
    """Return the log of a run, finished or not, as a table sorted by trial number.

    Parameters
    ----------
    run : str, Path or RemotePath
        The run's folder; text may be a URI such as ``s3://bucket/folder``.
    kind : str
        ``pandas``, ``polars`` or ``pyarrow``: the library of the returned table.

    Returns
    -------
    pandas.DataFrame, polars.DataFrame or pyarrow.Table

    Raises
    ------
    TableKindError
        If there is no such kind; also a ValueError.
    MissingLibraryError
        If the library is not installed; also an ImportError.
    RunFolderError
        If there is no run.
    StoreError
        If the log cannot be read.
    """
    # Here, because every import of this package passes by and should stay cheap.
    from search.record import load_table

    return load_table(run, kind)


def load_study(run: "str | Place") -> "Study":
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
    # Here, because Optuna takes a second to import and all else goes without.
    from search.tuning.studies import study_of_run

    return study_of_run(run)
