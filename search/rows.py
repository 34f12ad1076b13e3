"""From a link's result to the rows of its trials in the log."""

from typing import Any

import numpy as np

from search.link import LinkResult
from search.planner import NO_TRIAL
from search.schedule import Link
from search.store import COMPLETE, FAIL


def link_rows(link: Link, result: LinkResult, node: str, seconds: float) -> dict[str, Any]:
    """Return the log's columns for the trials that a link finishes.

    Parameters
    ----------
    link : Link
    result : LinkResult
    node : str
        Address of the machine it ran on.
    seconds : float
        Compute time that these trials share.
    """
    pack = link.pack
    numbers = pack.numbers[:, list(link.positions)]
    column, stop = np.nonzero(numbers != NO_TRIAL)
    # Without a stop there is no row, but still a column for each trajectory.
    cost, accuracy = (
        np.reshape([getattr(scores, name) for scores in result.scores], (-1, pack.width))
        for name in ("cost", "accuracy")
    )
    cost, accuracy = cost[stop, column], accuracy[stop, column]
    finite = np.isfinite(cost)
    return {
        "number": numbers[column, stop],
        "state": np.where(finite, COMPLETE, FAIL),
        "batch_size": pack.batch_size,
        "learning_rate": pack.learning_rate[column],
        "epochs": np.array(link.stops, np.int32)[stop],
        "alpha": pack.alpha[column],
        "val_cost": np.where(finite, cost, np.nan),
        "val_accuracy": np.where(finite, accuracy, np.nan),
        "seconds": seconds / max(1, len(column)),
        "pack": pack.index,
        "node": node,
        "started_at": result.started_at,
        "finished_at": result.finished_at,
        "attempt": link.attempt,
        "error": [None if ok else "diverged" for ok in finite],
    }
