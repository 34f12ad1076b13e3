"""A run taken to a tracker: a storage of Optuna, MLflow, event files of TensorBoard.

It knows what of a run a tracker is told, how a trial that is there already is known again, and
what each tracker can hold. It never knows how a run is trained, nor who looks at what it sends.
"""

from search.trackers.changes import Changes, changes
from search.trackers.choice import MLFLOW, OPTUNA, TENSORBOARD, Target, open_tracker
from search.trackers.protocol import Tracker
from search.trackers.run_reading import read_run
from search.trackers.sending import Sent, send
from search.trackers.values import Run, Trial

__all__ = [
    "MLFLOW",
    "OPTUNA",
    "TENSORBOARD",
    "Changes",
    "Run",
    "Sent",
    "Target",
    "Tracker",
    "Trial",
    "changes",
    "open_tracker",
    "read_run",
    "send",
]
