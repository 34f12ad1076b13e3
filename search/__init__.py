"""Spaces, trials, plans, the trial log and the command line; rooms one above the other.

The rooms and who may import whom stand in ``docs/architecture.md``. From Python a run is read by
`load` and `load_study`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna import Study

    from search.storage import Place


def load(run: "str | Place", kind: str = "pandas") -> Any:
    """Return the log of a run, finished or not, as a table sorted by trial number.

    Parameters
    ----------
    run : str, Path or RemotePath
        The run's folder; text may be a URI such as ``s3://bucket/folder``.
    kind : str
        ``pandas``, ``polars`` or ``pyarrow``: the library whose table it is.

    Returns
    -------
    pandas.DataFrame, polars.DataFrame or pyarrow.Table

    Raises
    ------
    TableKindError
        If there is no such kind; a ValueError too.
    MissingLibraryError
        If the library is not installed; an ImportError too.
    RunFolderError
        If there is no run.
    StoreError
        If the log cannot be read.
    """
    # Here, because every import of this package passes by and shall stay cheap.
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
