"""How much a run has trained, and where its time went, by its log."""

import time

import numpy as np

from search.plan import Prediction
from search.record import Arithmetic, Timing, TrialStore


def arithmetic(store: TrialStore) -> Arithmetic:
    """Count the epochs of a log's trajectories; what another run or trial has trained is not in.

    Raises
    ------
    StoreError
        If the log cannot be read.
    """
    *key, trained, epochs, sources = store.columns(
        "pack", "learning_rate", "alpha", "last_epoch", "epochs", "source"
    )
    own = np.array([source is None for source in sources.tolist()], bool)
    if not own.any():
        return Arithmetic(trained_epochs=0, unpruned_epochs=0)
    key, order = [k[own] for k in key], np.lexsort([k[own] for k in key])
    changed = np.any([np.diff(k[order], prepend=np.nan) != 0 for k in key], axis=0)
    starts = np.flatnonzero(changed)
    done, asked = (int(np.maximum.reduceat(x[own][order], starts).sum()) for x in (trained, epochs))
    return Arithmetic(trained_epochs=done, unpruned_epochs=asked)


def make_timing(
    store: TrialStore,
    began: float,
    started_at: float,
    flops: float,
    workers: int,
    prediction: Prediction | None,
) -> Timing:
    """Return where the time of a run and of the command that finishes it went.

    Parameters
    ----------
    store : TrialStore
    began : float
        When the command was started, seconds since 1970.
    started_at : float
        When its first link started, with or without rows; infinite where it had none.
    flops : float
        Floating-point operations of the training products of the whole run.
    workers : int
    prediction : Prediction or None
        The prediction of what this command had to train.
    """
    seconds, *times = store.columns("seconds", "started_at", "finished_at")
    started, finished = (column.astype("datetime64[us]").astype(np.int64) / 1e6 for column in times)
    mine = started >= began
    first = started[mine].min(initial=started_at) if mine.any() else began
    last = finished[mine].max(initial=first)
    compute = float(seconds.sum())
    return Timing(
        wall_s=time.time() - began,
        startup_s=float(first - began),
        training_s=float(last - first),
        predicted_training_s=prediction.training_s if prediction else None,
        workers=workers,
        compute_s=compute,
        gflops=flops / 1e9 / compute if compute else None,
    )
