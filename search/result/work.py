"""How much a run has trained and where its time went, read from its log."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.command import Start
from search.config import EPOCHS
from search.plan import Prediction
from search.record import Arithmetic, Timing, TrialLog


def arithmetic(trial_log: TrialLog) -> Arithmetic:
    """Count the epochs that a run has trained itself: trials taken from other runs do not count.

    Raises
    ------
    StoreError
        If the log cannot be read.
    """
    others = (name for name in trial_log.layout.axes if name != EPOCHS)
    *key, trained, epochs, sources = trial_log.columns(
        "pack", *others, "last_epoch", EPOCHS, "source"
    )
    own = np.array([source is None for source in sources.tolist()], bool)
    if not own.any():
        return Arithmetic(trained_epochs=0, unpruned_epochs=0)
    key = [_codes(k[own]) for k in key]
    order = np.lexsort(key)
    changed = np.any([np.diff(k[order], prepend=np.nan) != 0 for k in key], axis=0)
    starts = np.flatnonzero(changed)
    done, asked = (int(np.maximum.reduceat(x[own][order], starts).sum()) for x in (trained, epochs))
    return Arithmetic(trained_epochs=done, unpruned_epochs=asked)


def _codes(values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers that are equal where values are."""
    if values.dtype != object:
        return values
    return np.unique(list(map(repr, values.tolist())), return_inverse=True)[1]


@dataclass(frozen=True)
class Command:
    """What is known of the command that ends a run.

    Attributes
    ----------
    began : Start
        When it was started.
    started_at : float
        When its first link started, with or without rows; infinite where it had no link.
    workers : int
        Number of links that it ran at the same time.
    prediction : Prediction or None
        The time that its training should have taken, if it was known before.
    """

    began: Start
    started_at: float
    workers: int
    prediction: Prediction | None


def make_timing(trial_log: TrialLog, flops: float, command: Command) -> Timing:
    """Return where the time of a run and of the command that finishes it went.

    The times of links are by the clocks of the workers, which may differ from this one and be set
    meanwhile: what follows from them is kept within the time that the command has taken.

    Parameters
    ----------
    trial_log : TrialLog
        The log of the run.
    flops : float
        Floating-point operations of the training products of the whole run; 0 where nobody knows.
    command : Command
        The command that ends the run.
    """
    seconds, *times = trial_log.columns("seconds", "started_at", "finished_at")
    started, finished = (column.astype("datetime64[us]").astype(np.int64) / 1e6 for column in times)
    wall, began = command.began.elapsed, command.began.at
    mine = started >= began
    first = started[mine].min(initial=command.started_at) if mine.any() else began
    last = finished[mine].max(initial=first)
    training = float(np.clip(last - first, 0.0, wall))
    compute, predicted = float(seconds.sum()), command.prediction
    return Timing(
        wall_s=wall,
        startup_s=float(np.clip(first - began, 0.0, wall - training)),
        training_s=training,
        predicted_training_s=predicted.training_s if predicted else None,
        workers=command.workers,
        compute_s=compute,
        gflops=flops / 1e9 / compute if compute and flops else None,
    )
