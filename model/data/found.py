"""What a reader finds in a file or folder, before anything of it is checked or converted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from model.data.encoding import Encoding
from model.errors import DataError

HELP = "docs/data.md has a line for each format that makes such a file."
"""The last sentence of each message that refuses a file."""

ROLES = (
    "X", "y", "weights",
    "X_test", "y_test", "weights_test",
    "X_val", "y_val", "weights_val",
)  # fmt: skip
"""What an array can be: rows, labels or weights of the training, test or validation part."""


@dataclass(frozen=True)
class Reading:
    """What the user says of a file that it does not say itself.

    Attributes
    ----------
    target : str or None
        Column of a table that holds the labels.
    weights : str or None
        Column of a table, or array, that holds the weights of the rows.
    missing : str
        ``refuse`` missing values of a table, or put the ``mean`` of the column in their place.
    keys : mapping of str to str
        Name of the array for each of `ROLES`, where it has another name than people use.
    """

    target: str | None = None
    weights: str | None = None
    missing: Literal["refuse", "mean"] = "refuse"
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Part:
    """Rows as a source has them.

    Attributes
    ----------
    X : ndarray of shape (n, ...)
        The rows, of any type and in any order of bytes and of memory; a memory map too.
    y : ndarray
        Their labels, of any kind that `labels_of` takes.
    weights : ndarray or None
        Their weights.
    X_name, y_name : str
        Where they stand, as a message begins: ``my.npz: X_train``.
    """

    X: NDArray[Any]
    y: NDArray[Any]
    X_name: str
    y_name: str
    weights: NDArray[Any] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Found:
    """A data set as its source has it.

    Attributes
    ----------
    name : str
        How the data set calls itself.
    train : Part
    test, validation : Part or None
    features : tuple of str
        Names of the columns, where the source has them.
    fill : ndarray of shape (D,), float64, or None
        What the reader has put in the place of missing values.
    columns : tuple of Encoding
        How the columns of a table have become the features; empty where it is not a table.
    missing : int
        How many values were missing.
    remarks : tuple of str
        What the reader has done or noticed that its user should know, a sentence each.
    unused : tuple of str
        Names of what looks like data and is not part of this.
    """

    name: str
    train: Part
    test: Part | None = None
    validation: Part | None = None
    features: tuple[str, ...] = ()
    fill: NDArray[np.float64] | None = None
    columns: tuple[Encoding, ...] = ()
    missing: int = 0
    remarks: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


class Reader(Protocol):
    """A format: whether a file or folder is of it, and what is in there.

    `model.data.sources` asks the readers in turn; a new format is a new one in its list.

    Attributes
    ----------
    kind : str
        What it reads, in a few words.
    """

    kind: str

    def is_yours(self, path: Path, head: bytes) -> bool:
        """Whether a path is of this format.

        Parameters
        ----------
        path : Path
            A file or a folder that is there.
        head : bytes
            The first bytes of the file, `HEAD` at most; nothing of a folder.
        """

    def read(self, path: Path, reading: Reading) -> Found:
        """Read it.

        Raises
        ------
        DataError
            If it is damaged or lacks something; the message names path and key.
        """


HEAD = 4096
"""Bytes of a file by which its format is told."""


def refuse_for_arrays(path: Path, reading: Reading) -> None:
    """Refuse what is said of a table where there are arrays.

    Raises
    ------
    DataError
        If a target column or the handling of missing values is given.
    """
    if reading.target is not None:
        raise DataError(
            f"{path}: --target names the column of a table that holds the labels, and this holds "
            f"arrays; leave --target out, or say which array is what: --keys y=NAME. {HELP}"
        )
    if reading.missing != "refuse":
        raise DataError(
            f"{path}: --missing is for tables (CSV, Parquet, Arrow); arrays must be complete. "
            f"Leave it out, and fix the rows. {HELP}"
        )


def refuse_keys(path: Path, reading: Reading) -> None:
    """Refuse names of arrays where there are none.

    Raises
    ------
    DataError
        If such names are given.
    """
    if reading.keys:
        raise DataError(
            f"{path}: --keys names the arrays of a file that holds several; leave it out here. "
            f"{HELP}"
        )
