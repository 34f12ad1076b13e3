"""How much of the arithmetic a run has done, by its log."""

from dataclasses import dataclass

import numpy as np

from search.record.trial_log import TrialStore


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
        return Arithmetic(0, 0)
    key, order = [k[own] for k in key], np.lexsort([k[own] for k in key])
    changed = np.any([np.diff(k[order], prepend=np.nan) != 0 for k in key], axis=0)
    starts = np.flatnonzero(changed)
    sums = [int(np.maximum.reduceat(x[own][order], starts).sum()) for x in (trained, epochs)]
    return Arithmetic(*sums)
