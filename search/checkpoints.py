"""Pack states on disk, so that a killed sweep goes on from its last link."""

import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np

from model.pack import PackState
from search.durable import remove_temporaries, write_atomically
from search.planner import Pack


class Checkpoints:
    """The newest state of every unfinished pack of one run.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        remove_temporaries(folder)

    def _path(self, pack: Pack) -> Path:
        return self.folder / f"pack-{pack.index:05d}.npz"

    def save(self, pack: Pack, state: PackState) -> None:
        """Replace the pack's state by a newer one.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        arrays = {field.name: getattr(state, field.name) for field in fields(state)}
        write_atomically(self._path(pack), lambda file: np.savez(file, **arrays))

    def load(self, pack: Pack, epoch: int) -> PackState | None:
        """Return the pack's state if it is whole and not beyond `epoch`, else None.

        A state that cannot be used costs the time to train it again and nothing
        else, so it is no error.
        """
        try:
            with np.load(self._path(pack), allow_pickle=False) as saved:
                state = PackState(
                    batch_size=int(saved["batch_size"]),
                    seed=int(saved["seed"]),
                    epoch=int(saved["epoch"]),
                    **{name: saved[name] for name in _ARRAYS},
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        fits = np.array_equal(state.learning_rate, pack.learning_rate) and np.array_equal(
            state.alpha, pack.alpha
        )
        return state if fits and state.epoch <= epoch else None

    def remove(self, pack: Pack) -> None:
        """Forget the state of a pack that is finished."""
        self._path(pack).unlink(missing_ok=True)


_ARRAYS = ("learning_rate", "alpha", "V", "scale", "b")
