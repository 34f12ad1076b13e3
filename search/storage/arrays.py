"""Dataclasses of arrays and plain values as npz files: whole, or as if they were not there."""

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from io import BytesIO
from typing import Any, TypeVar, cast, get_args, get_type_hints

import numpy as np

from model.seal import Seal, has_seal, sealed_archive
from search.storage.durable import read_whole, write_whole
from search.storage.remote_path import Place

# What numpy and zipfile raise on bytes that are not an archive, or not the one that was written.
_DAMAGE = (
    OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, MemoryError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip

_OF_NO_RUN = Seal()

_Value = TypeVar("_Value")


def save_arrays(path: Place, value: Any, seal: Seal = _OF_NO_RUN) -> None:
    """Write a dataclass into a file, an entry for each field, so that it is durable.

    Parameters
    ----------
    path : Path or RemotePath
        Replaced where it exists.
    value : dataclass
        Its fields are arrays, numbers, booleans, texts, or dataclasses of such fields, whose
        entries stand beside its own: no two fields have the same name.
    seal : Seal
        The seal to write.

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
    archive = BytesIO()
    np.savez(archive, **_entries(value))
    content = sealed_archive(archive, seal)
    write_whole(path, content)


def load_arrays(
    path: Place, kind: type[_Value], seal: Seal = _OF_NO_RUN, **of_types: type[Any]
) -> _Value | None:
    """Return the dataclass that a file holds, or None where the file is absent or damaged.

    A file whose seal is another one, or broken, counts as damaged. Whether the arrays have the
    right shapes is for the caller to check.

    Parameters
    ----------
    path : Path or RemotePath
    kind : type
        The dataclass.
    seal : Seal
        The seal that the file must have.
    **of_types : type
        The types of fields that the dataclass leaves open.

    Raises
    ------
    StoreError
        If the file cannot be fetched, so that it may well be there and whole.
    """
    content = read_whole(path)
    if content is None or seal.problem(content):
        return None
    try:
        with np.load(BytesIO(content), allow_pickle=False) as saved:
            return _restored(kind, saved, of_types)
    except _DAMAGE as error:
        if isinstance(error, MemoryError) and has_seal(content):  # so that it is whole
            raise
        return None


def _entries(value: Any) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for field in fields(value):
        part = getattr(value, field.name)
        entries |= _entries(part) if is_dataclass(part) else {field.name: part}
    return entries


def _restored(
    kind: type[_Value], saved: Mapping[str, Any], of_types: Mapping[str, type[Any]]
) -> _Value:
    """Make a dataclass of entries; those without a dimension become plain values."""
    values = {}
    for name in (field.name for field in fields(cast("Any", kind))):
        of_type = of_types.get(name) or _hints(cast("Any", kind))[name]
        if isinstance(of_type, type) and is_dataclass(of_type):
            values[name] = _restored(of_type, saved, {})
        else:
            values[name] = _checked(saved[name], of_type)
    return kind(**values)


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    """Return the types of a dataclass's fields, which take longer to find than a file to read."""
    return get_type_hints(kind)


def _checked(entry: Any, of_type: Any) -> Any:
    """Return an entry as the type of its field; without a seal it may be of another one."""
    value = entry if entry.ndim else entry.item()
    fits = isinstance(value, of_type) if isinstance(of_type, type) else _is_of(value, of_type)
    if not fits:
        raise ValueError(f"{entry.dtype} of the shape {entry.shape} is not {of_type}")
    return value


def _is_of(value: Any, of_type: Any) -> bool:
    """Whether a value is an array of the type of ``NDArray[...]``."""
    (scalar,) = get_args(get_args(of_type)[1])
    return isinstance(value, np.ndarray) and (scalar is Any or value.dtype == scalar)
