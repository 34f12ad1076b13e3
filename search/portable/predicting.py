"""What the final model of a run says of rows that it has not seen, as a file."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv, parquet

from model.data.unlabelled import read_rows
from model.errors import PacksweepError, told
from model.softmax import SoftmaxRegression
from search.errors import ModelFileError
from search.output import visible
from search.portable.winner import Winner
from search.storage import Place


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a model says of some rows.

    Attributes
    ----------
    table : pyarrow.Table
        A row for each: ``predicted``, the label, and ``p(LABEL)``, the probability of each class.
    classes : list
        The labels of all classes.
    remarks : list of str
        What to tell of the rows, a sentence each.
    """

    table: pa.Table
    classes: list[Any]
    remarks: list[str]

    def csv(self) -> bytes:
        """Return the table as CSV."""
        buffer = BytesIO()
        csv.write_csv(self.table, buffer)
        return buffer.getvalue()

    def parquet(self) -> bytes:
        """Return the table as Parquet."""
        buffer = BytesIO()
        parquet.write_table(self.table, buffer)
        return buffer.getvalue()

    def npz(self) -> bytes:
        """Return the arrays predicted (n,), probabilities (n, c) and classes (c,)."""
        classes = np.asarray(self.classes)
        labels, *p = (column.to_numpy() for column in self.table.columns)
        buffer = BytesIO()
        np.savez(
            buffer, predicted=labels.astype(classes.dtype), probabilities=np.column_stack(p),
            classes=classes,
        )  # fmt: skip
        return buffer.getvalue()


def predictions(winner: Winner, rows: Path) -> Predicted:
    """Return what a model says of the rows of a file.

    Parameters
    ----------
    winner : Winner
    rows : Path
        A table or an array, as the data set of the run has its rows; labels are not needed.

    Raises
    ------
    DataError
        If the rows cannot be read, or the model does not take them.
    ModelFileError
        If the trainer does not predict or fails, or is not trusted.
    """
    remarks: list[str] = []
    fills = winner.fill is not None
    X = read_rows(rows, winner.columns, fills=fills, remarks=remarks)
    labels, p = _asked(winner, X)
    columns = {"predicted": labels} | {
        f"p({label})": p[:, k] for k, label in enumerate(winner.classes)
    }
    return Predicted(pa.table(columns), winner.classes, list(dict.fromkeys(remarks)))


def _asked(winner: Winner, X: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.floating]]:
    model = winner.model
    if isinstance(model, SoftmaxRegression):
        return model.predict(X), model.predict_proba(X)
    opened = winner.opened
    try:
        return model.predictions(X, *opened)
    except (PacksweepError, MemoryError):
        raise
    except Exception as error:  # code of the user's own may raise anything
        raise ModelFileError(
            f"The trainer {model.trainer} cannot predict these rows: {told(error)}."
        ) from error


_FORMS: dict[str, Callable[[Predicted], bytes]] = {
    "csv": Predicted.csv,
    "parquet": Predicted.parquet,
    "npz": Predicted.npz,
}


def prediction_form(target: Place, named: str | None) -> Callable[[Predicted], bytes]:
    """Return what makes a file of predictions, by the ending of its name or the one that is named.

    Raises
    ------
    ModelFileError
        If there is no such format.
    """
    ending = (named or target.name.rpartition(".")[2]).lower()
    if ending not in _FORMS:
        said = f"--format {named}" if named else f"The ending of {target}"
        known = ", ".join(f".{form}" for form in _FORMS)
        raise ModelFileError(visible(f"{said} is not a format of predictions. There are {known}."))
    return _FORMS[ending]
