"""The states of a pack's trainings, written down: bytes, whatever a trainer's state is."""

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model.trainers.trainer import OwnFormat, Params, State, Trainer


def dumped(trainer: Trainer, state: State) -> bytes:
    """Return a state as bytes: in the trainer's own format, or pickled."""
    if isinstance(trainer, OwnFormat):
        return trainer.dump(state)
    return pickle.dumps(state, protocol=5)


def loaded(trainer: Trainer, content: bytes) -> State:
    """Return the state that `dumped` made these bytes of; on workers alone."""
    if isinstance(trainer, OwnFormat):
        return trainer.load(content)
    return pickle.loads(content)  # noqa: S301 - what a worker of this run has written, sealed


@dataclass(frozen=True, eq=False)
class States:
    """Where the k columns of a pack stand.

    Attributes
    ----------
    epoch : int
        The epoch that all of them have reached.
    seed : int
        The seed of their trainings.
    params : str
        The hyperparameters of each column, as JSON: a list of k tables.
    lasts : ndarray of shape (k,), int64
        The epoch at which each column's training ends.
    trained : ndarray of shape (k,), int64
        The epoch at which each state stands: `epoch`, or later where a state holds its past.
    failed : ndarray of shape (k,), bool
        Whether a column cannot be trained on.
    content : ndarray of uint8
        The states as bytes, one after the other: of a failed column the reason, in words; of one
        that is not yet begun nothing.
    ends : ndarray of shape (k,), int64
        Where each ends in `content`.
    """

    epoch: int
    seed: int
    params: str
    lasts: NDArray[np.int64]
    trained: NDArray[np.int64]
    failed: NDArray[np.bool_]
    content: NDArray[np.uint8]
    ends: NDArray[np.int64]

    @classmethod
    def start(cls, params: Sequence[Params], lasts: NDArray[np.int64], seed: int) -> Self:
        """Return the states before the first epoch."""
        k = len(params)
        return cls(
            epoch=0,
            seed=seed,
            params=json.dumps([dict(mine) for mine in params]),
            lasts=np.asarray(lasts, np.int64),
            trained=np.zeros(k, np.int64),
            failed=np.zeros(k, bool),
            content=np.zeros(0, np.uint8),
            ends=np.zeros(k, np.int64),
        )

    @property
    def column_params(self) -> list[dict[str, Any]]:
        """The hyperparameters of each column."""
        found: list[dict[str, Any]] = json.loads(self.params)
        return found

    @property
    def parts(self) -> list[bytes]:
        """What `content` holds for each column."""
        begins = [0, *self.ends.tolist()[:-1]]
        whole = self.content.tobytes()
        return [whole[a:b] for a, b in zip(begins, self.ends.tolist(), strict=True)]

    def take(self, places: NDArray[np.integer]) -> Self:
        """Return the states of some columns."""
        chosen = places.tolist()
        if chosen == list(range(len(self.ends))):
            return self
        parts, params = self.parts, self.column_params
        return replace(
            self.with_parts([parts[i] for i in chosen]),
            params=json.dumps([params[i] for i in chosen]),
            lasts=self.lasts[places],
            trained=self.trained[places],
            failed=self.failed[places],
        )

    def with_parts(self, parts: Sequence[bytes]) -> Self:
        """Return the same with other contents."""
        ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
        return replace(self, content=np.frombuffer(b"".join(parts), np.uint8), ends=ends)

    def all_failed(self, epoch: int, reason: str) -> Self:
        """Return them at an epoch that none has reached, for one reason."""
        k = len(self.ends)
        found = self.with_parts([reason.encode()] * k)
        return replace(found, epoch=epoch, failed=np.ones(k, bool))

    def is_of(self, params: Sequence[Mapping[str, Any]]) -> bool:
        """Whether they fit each other, and are of trainings with these hyperparameters."""
        k = len(params)
        arrays = (self.lasts, self.trained, self.failed, self.ends)
        return (
            all(array.shape == (k,) for array in arrays)
            and self.content.ndim == 1
            and bool((np.diff(self.ends, prepend=0) >= 0).all())
            and (int(self.ends[-1]) if k else 0) == len(self.content)
            and self.params == json.dumps([dict(mine) for mine in params])
        )
