"""Messages to and from a worker, besides the rows: legs to train, and their results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.scoring import Scores

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True)
class LegResult:
    """The result of a leg of a link, in which k columns are scored.

    Attributes
    ----------
    scores : dict of str to Scores
        The scores of the k columns on the validation images, by readout; empty if k is 0.
    seconds : float
        The compute time of training and scoring.
    train_cost : ndarray of shape (k,), float64, or None
        The cost of the k columns on the training images, penalty included, by the readout
        that selects; None if it is not wanted.
    metrics : dict of str to ndarray of shape (k,), float64
        What is known beside cost and accuracy: what the sweep asks for, by the readout that
        selects, and what another trainer returns of itself.
    errors : tuple of str or None
        Why each of the k columns has failed, where its trainer says so; empty where none has.
    """

    scores: dict[str, Scores]
    seconds: float
    train_cost: F64 | None = None
    metrics: Mapping[str, F64] = field(default_factory=dict)
    errors: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class LinkResult:
    """The result of a link.

    Attributes
    ----------
    state : PackState or States
        The state of the last leg's columns at the end of the link.
    legs : tuple of LegResult
        The result of each leg.
    started_at, finished_at : float
        Seconds since 1970 by the worker's clock at the start; how long it took is measured by
        one that nobody sets.
    trained_epochs : int
        Number of epochs from the start of the link to its end.
    """

    state: Any
    legs: tuple[LegResult, ...]
    started_at: float
    finished_at: float
    trained_epochs: int

    @property
    def seconds(self) -> float:
        """Compute time of the link."""
        return self.finished_at - self.started_at


@dataclass(frozen=True, eq=False)
class LegTask:
    """A leg of a link, as the worker needs it.

    Attributes
    ----------
    epoch : int
        The epoch at which it ends.
    columns : ndarray of int64
        The pack's columns that are trained, increasing.
    scored : ndarray of int64
        The columns among them that are scored at its end, increasing.
    """

    epoch: int
    columns: I64
    scored: I64


@dataclass(frozen=True)
class FinalScore:
    """The score of a final model on the test images.

    Attributes
    ----------
    cost : float
        Mean cross-entropy.
    accuracy : float
        Fraction of images classified correctly.
    metrics : dict of str to float, or None
        What else the sweep asks for; None where it asks for nothing.
    """

    cost: float
    accuracy: float
    metrics: Mapping[str, float] | None = None


FinalScores = Mapping[str, FinalScore]
"""The scores of a final training, by readout."""
