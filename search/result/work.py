"""How much a run has trained, and where its time went, by its log."""

import time
from dataclasses import dataclass

import numpy as np

from search.plan import Prediction
from search.record import TrialLog


@dataclass(frozen=True)
class Arithmetic:
    """Epochs of all trajectories together.

    Attributes
    ----------
    trained : int
        That were trained.
    unpruned : int
        That would have been trained without a pruner.
    """

    trained: int
    unpruned: int

    @property
    def saved(self) -> float:
        """The fraction that pruning has saved."""
        return 1 - self.trained / self.unpruned if self.unpruned else 0.0


def arithmetic(trial_log: TrialLog) -> Arithmetic:
    """Count the epochs of a log's trajectories; what another run or trial has trained is not in.

    Raises
    ------
    StoreError
        If the log cannot be read.
    """
    *key, trained, epochs, sources = trial_log.columns(
        "pack", "learning_rate", "alpha", "last_epoch", "epochs", "source"
    )
    own = np.array([source is None for source in sources.tolist()], bool)
    if not own.any():
        return Arithmetic(0, 0)
    key, order = [k[own] for k in key], np.lexsort([k[own] for k in key])
    changed = np.any([np.diff(k[order], prepend=np.nan) != 0 for k in key], axis=0)
    starts = np.flatnonzero(changed)
    sums = [int(np.maximum.reduceat(x[own][order], starts).sum()) for x in (trained, epochs)]
    return Arithmetic(*sums)


def make_timing(
    trial_log: TrialLog,
    began: float,
    started_at: float,
    flops: float,
    workers: int,
    prediction: Prediction | None,
) -> dict[str, float | None]:
    """Return the figures for the summary.

    Parameters
    ----------
    trial_log : TrialLog
    began : float
        When the command was started, seconds since 1970.
    started_at : float
        When its first link started, with or without rows; infinite where it had none.
    flops : float
        Floating-point operations of the training products of the whole run.
    workers : int
    prediction : Prediction or None
        Of what this command had to train.

    Returns
    -------
    dict of str to float
        Of this command: ``wall_s`` so far, ``startup_s`` to the first link,
        ``training_s`` from there to the end of the last link (both 0 where it
        trained nothing), ``predicted_training_s``, ``workers``. Of the whole
        run, whatever commands it took: ``compute_s`` on all workers, and
        ``gflops``, the rate of each; None where all was reused.
    """
    seconds, *times = trial_log.columns("seconds", "started_at", "finished_at")
    started, finished = (column.astype("datetime64[us]").astype(np.int64) / 1e6 for column in times)
    mine = started >= began
    first = started[mine].min(initial=started_at) if mine.any() else began
    last = finished[mine].max(initial=first)
    compute = float(seconds.sum())
    return {
        "wall_s": time.time() - began,
        "startup_s": float(first - began),
        "training_s": float(last - first),
        "predicted_training_s": prediction.training_s if prediction else None,
        "workers": workers,
        "compute_s": compute,
        "gflops": flops / 1e9 / compute if compute else None,
    }
