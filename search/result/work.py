"""How much a run has trained and where its time went, read from its log."""

import time
from dataclasses import dataclass

import numpy as np

from search.config import COLUMN_AXES
from search.plan import Prediction
from search.record import Arithmetic, Timing, TrialLog


def arithmetic(trial_log: TrialLog) -> Arithmetic:
    """Count the epochs that a run has trained itself: trials taken from other runs do not count.

    Raises
    ------
    StoreError
        If the log cannot be read.
    """
    *key, trained, epochs, sources = trial_log.columns(
        "pack", *COLUMN_AXES, "last_epoch", "epochs", "source"
    )
    own = np.array([source is None for source in sources.tolist()], bool)
    if not own.any():
        return Arithmetic(trained_epochs=0, unpruned_epochs=0)
    key, order = [k[own] for k in key], np.lexsort([k[own] for k in key])
    changed = np.any([np.diff(k[order], prepend=np.nan) != 0 for k in key], axis=0)
    starts = np.flatnonzero(changed)
    done, asked = (int(np.maximum.reduceat(x[own][order], starts).sum()) for x in (trained, epochs))
    return Arithmetic(trained_epochs=done, unpruned_epochs=asked)


@dataclass(frozen=True)
class Command:
    """What is known of the command that ends a run.

    Attributes
    ----------
    began : float
        When it was started, seconds since 1970.
    started_at : float
        When its first link started, with or without rows; infinite where it had no link.
    workers : int
        Number of links that it ran at the same time.
    prediction : Prediction or None
        The time that its training should have taken, if it was known before.
    """

    began: float
    started_at: float
    workers: int
    prediction: Prediction | None


def make_timing(trial_log: TrialLog, flops: float, command: Command) -> Timing:
    """Return where the time of a run and of the command that finishes it went.

    Parameters
    ----------
    trial_log : TrialLog
        The log of the run.
    flops : float
        Floating-point operations of the training products of the whole run.
    command : Command
        The command that ends the run.
    """
    seconds, *times = trial_log.columns("seconds", "started_at", "finished_at")
    started, finished = (column.astype("datetime64[us]").astype(np.int64) / 1e6 for column in times)
    mine = started >= command.began
    first = started[mine].min(initial=command.started_at) if mine.any() else command.began
    last = finished[mine].max(initial=first)
    compute, predicted = float(seconds.sum()), command.prediction
    return Timing(
        wall_s=time.time() - command.began,
        startup_s=float(first - command.began),
        training_s=float(last - first),
        predicted_training_s=predicted.training_s if predicted else None,
        workers=command.workers,
        compute_s=compute,
        gflops=flops / 1e9 / compute if compute else None,
    )
