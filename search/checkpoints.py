"""Pack states on disk, so that a killed sweep goes on from its last link."""

import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from model.pack import PackState
from search.durable import prepare_folder, write_atomically
from search.planner import Pack


@dataclass(frozen=True)
class Checkpoint:
    """Where a pack stands on disk.

    Attributes
    ----------
    state : PackState
    unlogged_seconds : float
        Compute time spent on the way since the last checkpoint that has rows.
    """

    state: PackState
    unlogged_seconds: float = 0.0


class Checkpoints:
    """The newest state of every unfinished pack of one run.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        prepare_folder(folder)

    def _path(self, pack: Pack) -> Path:
        return self.folder / f"pack-{pack.index:05d}.npz"

    def save(self, pack: Pack, checkpoint: Checkpoint) -> None:
        """Replace the pack's checkpoint by a newer one.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        state = checkpoint.state
        arrays = {field.name: getattr(state, field.name) for field in fields(state)}
        arrays["unlogged_seconds"] = checkpoint.unlogged_seconds
        write_atomically(self._path(pack), lambda file: np.savez(file, **arrays))

    def load(self, pack: Pack) -> Checkpoint | None:
        """Return the pack's checkpoint if it is whole, else None.

        One that cannot be used costs the time to train it again and nothing
        else, so it is no error.
        """
        try:
            # Opened here, because numpy leaves a file open that is no archive.
            with self._path(pack).open("rb") as file, np.load(file, allow_pickle=False) as saved:
                state = PackState(
                    batch_size=int(saved["batch_size"]),
                    seed=int(saved["seed"]),
                    epoch=int(saved["epoch"]),
                    **{name: saved[name] for name in _ARRAYS},
                )
                checkpoint = Checkpoint(state, float(saved["unlogged_seconds"]))
        except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile):
            return None
        return checkpoint if _fits(state, pack) else None

    def epoch(self, pack: Pack) -> int:
        """Return the epoch of the pack's checkpoint, 0 where there is none."""
        checkpoint = self.load(pack)
        return checkpoint.state.epoch if checkpoint else 0

    def remove(self, pack: Pack) -> None:
        """Forget the state of a pack that is finished."""
        self._path(pack).unlink(missing_ok=True)


def _fits(state: PackState, pack: Pack) -> bool:
    """Whether a state is that of a pack's trajectories."""
    return (
        state.batch_size == pack.batch_size
        and np.array_equal(state.learning_rate, pack.learning_rate)
        and np.array_equal(state.alpha, pack.alpha)
    )


_ARRAYS = ("learning_rate", "alpha", "V", "scale", "b")
