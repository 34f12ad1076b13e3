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
        The states as bytes, each once: of a failed column the reason, in words; of one that is not
        yet begun nothing.
    begins, ends : ndarray of shape (k,), int64
        Where that of each column begins and ends in `content`; columns that are one training so
        far have the same.
    """

    epoch: int
    seed: int
    params: str
    lasts: NDArray[np.int64]
    trained: NDArray[np.int64]
    failed: NDArray[np.bool_]
    content: NDArray[np.uint8]
    begins: NDArray[np.int64]
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
            begins=np.zeros(k, np.int64),
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
        whole = self.content.tobytes()
        places = zip(self.begins.tolist(), self.ends.tolist(), strict=True)
        return [whole[a:b] for a, b in places]

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
        places: dict[bytes, tuple[int, int]] = {}
        end = 0
        for part in parts:
            if part not in places:
                places[part] = (end, end + len(part))
                end += len(part)
        found = np.array([places[part] for part in parts], np.int64).reshape(-1, 2)
        content = np.frombuffer(b"".join(places), np.uint8)
        return replace(self, content=content, begins=found[:, 0], ends=found[:, 1])

    def all_failed(self, epoch: int, reason: str) -> Self:
        """Return them at an epoch that none has reached, for one reason."""
        k = len(self.ends)
        found = self.with_parts([reason.encode()] * k)
        return replace(found, epoch=epoch, failed=np.ones(k, bool))

    def is_of(self, params: Sequence[Mapping[str, Any]]) -> bool:
        """Whether they fit each other, and are of trainings with these hyperparameters."""
        k = len(params)
        arrays = (self.lasts, self.trained, self.failed, self.begins, self.ends)
        return (
            all(array.shape == (k,) for array in arrays)
            and self.content.ndim == 1
            and bool((self.begins >= 0).all())
            and bool((self.begins <= self.ends).all())
            and bool((self.ends <= len(self.content)).all())
            and self.params == json.dumps([dict(mine) for mine in params])
        )
