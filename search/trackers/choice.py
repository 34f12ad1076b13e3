"""Which tracker a run goes to."""

from dataclasses import dataclass

from search.trackers.protocol import Tracker
from search.trackers.values import Run

OPTUNA, MLFLOW, TENSORBOARD = "optuna", "mlflow", "tensorboard"


@dataclass(frozen=True)
class Target:
    """Where a run goes.

    Attributes
    ----------
    kind : str
        ``optuna``, ``mlflow`` or ``tensorboard``.
    place : str
        URL of a storage, URI of a server or a database, or a folder.
    """

    kind: str
    place: str


def open_tracker(target: Target, run: Run) -> Tracker:
    """Return the tracker for a run, opened.

    Raises
    ------
    MissingLibraryError
        If its library is not installed.
    ConfigError
        If it is none that can be used, or has something else under the run's name.
    StoreError
        If it does not answer.
    """
    # Each late, because its library takes seconds to import and may not be installed.
    if target.kind == MLFLOW:
        from search.trackers.mlflow_tracker import MlflowTracker

        return MlflowTracker(target.place, run)
    if target.kind == TENSORBOARD:
        from search.trackers.tensorboard_tracker import TensorboardTracker

        return TensorboardTracker(target.place, run)
    from search.trackers.optuna_tracker import OptunaTracker

    return OptunaTracker(target.place, run)
