"""Dataclasses of arrays and plain values as npz files: whole, or as if they were not there."""

import zipfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from io import BytesIO
from typing import Any, TypeVar, get_type_hints

import numpy as np

from search.storage.durable import read_whole, write_atomically
from search.storage.remote_path import Place

# What numpy and zipfile raise on bytes that are no archive, or not the one that was written.
_DAMAGE = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile)

_Value = TypeVar("_Value")


def save_arrays(path: Place, value: Any) -> None:
    """Write a dataclass into a file, an entry for each field, so that it is durable.

    Parameters
    ----------
    path : Path or RemotePath
        Replaced where it exists.
    value : dataclass
        Its fields are arrays, numbers, booleans, texts, or dataclasses of such fields, whose
        entries stand beside its own: no two fields have the same name.

    Raises
    ------
    StoreError
        If the file cannot be written.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> @dataclass
    ... class Line:
    ...     slope: float
    ...     points: np.ndarray
    >>> with TemporaryDirectory() as folder:
    ...     save_arrays(Path(folder) / "line.npz", Line(0.5, np.array([1, 2, 3])))
    ...     load_arrays(Path(folder) / "line.npz", Line)
    Line(slope=0.5, points=array([1, 2, 3]))
    """
    entries = _entries(value)
    write_atomically(path, lambda file: np.savez(file, **entries))


def load_arrays(path: Place, kind: type[_Value]) -> _Value | None:
    """Return the dataclass that a file holds, or None where the file is absent or damaged.

    Every entry carries a checksum. Whether the arrays have the right shapes is for the caller
    to check.

    Parameters
    ----------
    path : Path or RemotePath
    kind : type
        The dataclass.

    Raises
    ------
    StoreError
        If the file cannot be fetched, so that it may well be there and whole.
    """
    content = read_whole(path)
    if content is None:
        return None
    try:
        with np.load(BytesIO(content), allow_pickle=False) as saved:
            return _restored(kind, saved)
    except _DAMAGE:
        return None


def _entries(value: Any) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for field in fields(value):
        part = getattr(value, field.name)
        entries |= _entries(part) if is_dataclass(part) else {field.name: part}
    return entries


def _restored(kind: type[_Value], saved: Mapping[str, Any]) -> _Value:
    """Make a dataclass of entries; those without a dimension become plain values."""
    values = {}
    for name, of_type in get_type_hints(kind).items():
        if isinstance(of_type, type) and is_dataclass(of_type):
            values[name] = _restored(of_type, saved)
        else:
            entry = saved[name]
            values[name] = entry if entry.ndim else entry.item()
    return kind(**values)
