"""Pack states on disk: a killed sweep goes on from the last link of each pack."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model.pack import PackState
from search.plan import Pack
from search.storage import Place, load_arrays, prepare_folder, save_arrays, seal_of

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Checkpoint:
    """Where a pack stands, and what of the way is in no row yet.

    Attributes
    ----------
    state : PackState
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

    state: PackState
    columns: I64
    seconds: F64
    reports: F64
    node: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0
    attempt: int = 1

    @classmethod
    def before(cls, pack: Pack, state: PackState) -> Self:
        """Return where a pack stands before its first epoch."""
        shape = pack.numbers.shape
        return cls(state, np.arange(pack.width), np.zeros(shape[0]), np.full(shape, np.nan))


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
    shape : tuple of int, optional
        Features and classes of the data set, which the states must have.
    """

    def __init__(self, folder: Place, run: str = "", shape: tuple[int, int] | None = None) -> None:
        self.folder, self._run, self._shape = folder, run, shape
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
        checkpoint = load_arrays(path, Checkpoint, seal_of(path, self._run))
        return checkpoint if checkpoint and self._fits(checkpoint, pack) else None

    def _fits(self, checkpoint: Checkpoint, pack: Pack) -> bool:
        features, classes = self._shape or (len(checkpoint.state.V), len(checkpoint.state.b) + 1)
        return _has_shapes(checkpoint, features, classes) and _is_of(checkpoint, pack)

    def reached(self, pack: Pack) -> tuple[int, I64 | None]:
        """Return the epoch and the columns of the pack's checkpoint, 0 and None without one."""
        checkpoint = self.load(pack)
        return (checkpoint.state.epoch, checkpoint.columns) if checkpoint else (0, None)

    def keep_only(self, packs: Iterable[Pack]) -> None:
        """Forget the states of all other packs."""
        kept = {self._path(pack) for pack in packs}
        for path in self.folder.glob("pack-*.npz"):
            if path not in kept:
                path.unlink(missing_ok=True)

    def remove(self, pack: Pack) -> None:
        """Forget the state of a pack that is finished."""
        self._path(pack).unlink(missing_ok=True)


def _has_shapes(checkpoint: Checkpoint, features: int, classes: int) -> bool:
    """Whether all arrays fit each other and a data set."""
    state, M = checkpoint.state, np.size(checkpoint.columns)
    K = classes - 1
    return (
        M > 0
        and checkpoint.columns.shape == (M,)
        and state.learning_rate.shape == state.alpha.shape == state.scale.shape == (M,)
        and state.V.shape == (features, K * M)
        and state.b.shape == (K, M)
    )


def _is_of(checkpoint: Checkpoint, pack: Pack) -> bool:
    """Whether a checkpoint, whose arrays fit each other, is of a pack's trajectories."""
    state, columns = checkpoint.state, checkpoint.columns
    return bool(
        state.batch_size == pack.batch_size
        and 0 < state.epoch <= pack.stops[-1]
        and checkpoint.reports.shape == pack.numbers.shape
        and checkpoint.seconds.shape == (pack.width,)
        and columns[0] >= 0
        and (np.diff(columns) > 0).all()
        and columns[-1] < pack.width
        and all(
            np.array_equal(getattr(state, name), values[columns])
            for name, values in pack.columns.items()
        )
    )
