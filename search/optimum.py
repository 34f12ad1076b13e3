"""The exact optimum of one alpha on the training part: found by a worker, kept in a file."""

import zipfile
from dataclasses import fields
from typing import Any

import numpy as np

from model.optimum import AlphaOptimum
from search.storage.durable import write_atomically
from search.storage.place import Place


def save_optimum(path: Place, optimum: AlphaOptimum) -> None:
    """Make an optimum durable.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    arrays: dict[str, Any] = {f.name: getattr(optimum, f.name) for f in fields(optimum)}
    write_atomically(path, lambda file: np.savez(file, **arrays))


def load_optimum(path: Place, alpha: float) -> AlphaOptimum | None:
    """Return the optimum in a file if it is whole and of this alpha, else None."""
    try:
        # Opened here, because numpy leaves a file open that is no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            arrays = {field.name: saved[field.name] for field in fields(AlphaOptimum)}
        values = {name: x if x.ndim else x.item() for name, x in arrays.items()}
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile):
        return None
    found = AlphaOptimum(**values)
    return found if found.alpha == alpha else None
