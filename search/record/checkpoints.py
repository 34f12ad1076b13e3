"""Pack states on disk: a killed sweep goes on from the last link of each pack."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from model.pack import PackState
from model.trainers.states import States
from search.plan import Pack
from search.storage import Place, listed, load_arrays, prepare_folder, remove, save_arrays, seal_of

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Checkpoint:
    """Where a pack stands, and what of the way is in no row yet.

    Attributes
    ----------
    state : PackState or States
        The state of the softmax trainer, or of another trainer.
    columns : ndarray of int64
        The pack's columns that the state has, increasing.
    seconds : ndarray of shape (M,), float64
        Compute time of each of the pack's columns since its last row.
    reports : ndarray of shape (M, len(pack.stops)), float64
        Validation cost of each column where it was scored, else NaN.
    node : str
        Address of the machine that trained the last link.
    started_at, finished_at : float
        Start and end of that link, in seconds since 1970.
    attempt : int
        Attempt of that link, counted from 1.
    """

    state: Any
    columns: I64
    seconds: F64
    reports: F64
    node: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0
    attempt: int = 1

    @classmethod
    def before(cls, pack: Pack, state: Any) -> Self:
        """Return where a pack stands before its first epoch."""
        shape = pack.numbers.shape
        return cls(state, np.arange(pack.width), np.zeros(shape[0]), np.full(shape, np.nan))


class StateKind(Protocol):
    """What a trainer's states are; `Checkpoints` asks.

    Attributes
    ----------
    kind : type
        Their class, a dataclass of arrays and plain values with an ``epoch``.
    """

    @property
    def kind(self) -> type[Any]:
        """Their class."""

    def are_of(self, state: Any, pack: Pack, columns: I64) -> bool:
        """Whether a state that was read is one of some columns of a pack."""


@dataclass(frozen=True)
class SoftmaxStates:
    """The states of the softmax trainer.

    Attributes
    ----------
    shape : tuple of int or None
        Features and classes of the data set, which they must have.
    """

    shape: tuple[int, int] | None = None
    kind: type[PackState] = PackState

    def are_of(self, state: PackState, pack: Pack, columns: I64) -> bool:
        """Whether a state that was read is one of some columns of a pack."""
        features, classes = self.shape or (len(state.V), len(state.b) + 1)
        M, K = len(columns), classes - 1
        return bool(
            state.learning_rate.shape == state.alpha.shape == state.scale.shape == (M,)
            and state.V.shape == (features, K * M)
            and state.b.shape == (K, M)
            and state.batch_size == pack.shared["batch_size"]
            and all(
                np.array_equal(getattr(state, name), values[columns])
                for name, values in pack.columns.items()
            )
        )


@dataclass(frozen=True)
class TrainerStates:
    """The states of any other trainer."""

    kind: type[States] = States

    def are_of(self, state: States, pack: Pack, columns: I64) -> bool:
        """Whether a state that was read is one of some columns of a pack."""
        return state.is_of([pack.column_params(m) for m in columns.tolist()])


class Checkpoints:
    """The newest state of every unfinished pack of one run, a file each.

    A state is saved only when the rows up to it are staged. It is removed when nobody needs it any
    more. One that is missing costs time and no result.

    Parameters
    ----------
    folder : Path or RemotePath
        Folder of the files; made where it is missing.
    run : str
        Identity of the run, for the seals.
    states : StateKind
        What the trainer's states are.
    """

    def __init__(self, folder: Place, run: str = "", states: StateKind = SoftmaxStates()) -> None:
        self.folder, self._run, self._states = folder, run, states
        prepare_folder(folder)

    def _path(self, pack: Pack) -> Place:
        return self.folder / f"pack-{pack.index:05d}.npz"

    def save(self, pack: Pack, checkpoint: Checkpoint) -> None:
        """Replace the pack's checkpoint by a newer one.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        path = self._path(pack)
        save_arrays(path, checkpoint, seal_of(path, self._run))

    def load(self, pack: Pack) -> Checkpoint | None:
        """Return the pack's checkpoint if it is whole and of this pack, else None.

        A damaged checkpoint costs the time to train the pack again and nothing else, so it is no
        error.

        Raises
        ------
        StoreError
            If the file cannot be fetched, so that it may well be whole.
        """
        path = self._path(pack)
        checkpoint = load_arrays(
            path, Checkpoint, seal_of(path, self._run), state=self._states.kind
        )
        if checkpoint is None or not _is_of(checkpoint, pack):
            return None
        fits = self._states.are_of(checkpoint.state, pack, checkpoint.columns)
        return checkpoint if fits else None

    def reached(self, pack: Pack) -> tuple[int, I64 | None]:
        """Return the epoch and the columns of the pack's checkpoint, 0 and None without one."""
        checkpoint = self.load(pack)
        return (checkpoint.state.epoch, checkpoint.columns) if checkpoint else (0, None)

    def keep_only(self, packs: Iterable[Pack]) -> None:
        """Forget the states of all other packs."""
        kept = {self._path(pack) for pack in packs}
        for path in listed(self.folder, "pack-*.npz"):
            if path not in kept:
                remove(path)

    def remove(self, pack: Pack) -> None:
        """Forget the state of a pack that is finished."""
        remove(self._path(pack))


def _is_of(checkpoint: Checkpoint, pack: Pack) -> bool:
    """Whether a checkpoint, but for its state, is of a pack."""
    columns = checkpoint.columns
    return bool(
        columns.ndim == 1
        and len(columns)
        and 0 < checkpoint.state.epoch <= pack.stops[-1]
        and checkpoint.reports.shape == pack.numbers.shape
        and checkpoint.seconds.shape == (pack.width,)
        and columns[0] >= 0
        and (np.diff(columns) > 0).all()
        and columns[-1] < pack.width
    )
