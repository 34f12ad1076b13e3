"""The seal of a file in one of a run's folders."""

from model.seal import Seal
from search.storage.remote_path import Place


def seal_of(path: Place, run: str) -> Seal:
    """Return the seal that a file must have: its run, its folder's name and its own.

    Parameters
    ----------
    path : Path or RemotePath
        A file in a folder of the run, not in the run's folder itself.
    run : str
        Identity of the run.
    """
    return Seal(run, f"{path.parent.name}/{path.name}")
