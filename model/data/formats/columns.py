"""From the columns of a table to a matrix of numbers.

Numbers stay what they are, booleans are 0 and 1, and a column of text becomes a column for each
of its values in the training rows. The value that replaces a missing value is learnt there too.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.encoding import Encoding
from model.data.listing import listed
from model.errors import DataError

F64 = NDArray[np.float64]

MOST_VALUES = 100
"""Different values of a text column at most; more are not categories."""

# If this fraction of a text column are numbers, the rest look like mistakes.
_NUMBERS = 0.8
# A number with separators of thousands, a currency or per cent.
_WRITTEN_NUMBER = re.compile(
    r"^\s*[-+]?\s*[$€£]?\s*\d{1,3}(([.,' \u00a0\u202f]\d{3})+|\d*)([.,]\d+)?\s*[%$€£]?\s*$"
)
# A day and its month, 01.02, as they stand in files with decimal commas.
_DAY = re.compile(r"^\s*0\d\.\d\d?(\.\d*)?\s*$")
# Whole numbers up to this are exact in float64.
_EXACT = 2**53


@dataclass(frozen=True, eq=False)
class Column:
    """A column of a table as it was read.

    Attributes
    ----------
    name : str
    values : ndarray of shape (n,)
        Numbers, or text as objects; anything where they are missing.
    missing : ndarray of shape (n,), bool
        Where there is no value.
    """

    name: str
    values: NDArray[Any]
    missing: NDArray[np.bool_]

    @property
    def is_text(self) -> bool:
        """Whether it holds text."""
        return self.values.dtype.kind == "O"

    @property
    def known(self) -> NDArray[Any]:
        """The values that are there."""
        return self.values[~self.missing]


def fit_encoding(source: str, column: Column, decimal_point: str = "") -> Encoding:
    """Return the encoding of a column of the training rows.

    Parameters
    ----------
    source : str
        Where the column is, as a message begins.
    column : Column
    decimal_point : str
        With which its file was written, where its numbers tell it.

    Raises
    ------
    DataError
        If there is no value in it, or its text is neither categories nor numbers.
    """
    if not len(column.known):
        raise DataError(
            f"{source}: column {column.name!r} has no value at all; leave it out of the file."
        )
    if not column.is_text:
        mean = float(column.known.astype(np.float64).mean())
        return Encoding(column.name, (), mean, decimal_point)
    _refuse_numbers(source, column, decimal_point or ".")
    categories = tuple(sorted(set(column.known.tolist())))
    if len(categories) > MOST_VALUES:
        raise DataError(
            f"{source}: column {column.name!r} holds {len(categories)} different texts, such as "
            f"{categories[0]!r}; up to {MOST_VALUES} are taken as categories. Leave it out of the "
            "file, or turn it into numbers."
        )
    return Encoding(column.name, categories, 0.0)


def _refuse_numbers(source: str, column: Column, point: str) -> None:
    """Refuse text that is mostly numbers: the rest are mistakes, and no categories."""
    texts = column.known.tolist()
    odd = [text for text in texts if not _is_number(text, point)]
    days = any(_DAY.match(text) for text in odd)
    written = [] if days else [text for text in odd if _WRITTEN_NUMBER.match(text)]
    if len(written) >= _NUMBERS * len(texts):
        raise DataError(
            f"{source}: column {column.name!r} holds formatted numbers, such as "
            f"{written[0]!r}; write them without signs and separators of thousands, such as "
            f"1234{point}5."
        )
    if odd and len(odd) <= (1 - _NUMBERS) * len(texts):
        row = next(i for i, text in enumerate(column.values.tolist()) if text == odd[0])
        raise DataError(
            f"{source}: column {column.name!r} holds numbers, but {odd[0]!r} in row {row + 1}; "
            "fix such values, or leave them empty and give --missing mean."
        )


def _is_number(text: str, point: str) -> bool:
    if point == ",":  # beside which 1.234 would be a thousand
        text = text.replace(".", "?").replace(",", ".")
    try:
        float(text)
    except ValueError:
        return False
    return True


def encoded(
    source: str, columns: Sequence[Column], encodings: Sequence[Encoding], remarks: list[str]
) -> NDArray[Any]:
    """Return the features of some rows.

    Parameters
    ----------
    source : str
        Where the columns are, as a message begins.
    columns : sequence of Column
        In the order of `encodings`.
    encodings : sequence of Encoding
    remarks : list of str
        Gets a sentence for each text that the training rows lack.

    Returns
    -------
    ndarray of shape (n, D)
        An array of the smallest type that holds all columns exactly.

    Raises
    ------
    DataError
        If a column is text where the training rows have numbers, or the reverse, or whole
        numbers and fractions go together in no type.
    """
    blocks = []
    for column, encoding in zip(columns, encodings, strict=True):
        if len(column.known) and column.is_text != bool(encoding.categories):
            here, there = ("text", "numbers") if column.is_text else ("numbers", "text")
            raise DataError(
                f"{source}: column {column.name!r} holds {here}, and {there} in the training "
                "rows; both must hold the same."
            )
        if encoding.categories:
            blocks.append(_one_hot(source, column, encoding, remarks))
        else:
            blocks.append(_numbers(column, encoding)[:, None])
    return np.concatenate(_of_one_type(source, columns, blocks), axis=1)


def _one_hot(
    source: str, column: Column, encoding: Encoding, remarks: list[str]
) -> NDArray[np.uint8]:
    hot = np.zeros((len(column.values), len(encoding.categories)), np.uint8)
    if not len(column.known):  # whose values need not be text
        return hot
    for place, value in enumerate(encoding.categories):
        hot[:, place] = (column.values == value) & ~column.missing
    unknown = sorted(set(column.known.tolist()) - set(encoding.categories))
    if unknown:
        remarks.append(
            f"{source}: {unknown[0]!r} of column {column.name!r} is not among the training rows, "
            "and counts as none of their values."
        )
    return hot


def _numbers(column: Column, encoding: Encoding) -> NDArray[Any]:
    if not column.missing.any():
        return column.values
    numbers = np.full(len(column.values), encoding.fill)
    numbers[~column.missing] = column.known
    return numbers


def _of_one_type(
    source: str, columns: Sequence[Column], blocks: Sequence[NDArray[Any]]
) -> list[NDArray[Any]]:
    """Return the blocks in the smallest type that holds all of them exactly."""
    types = {block.dtype for block in blocks}
    if all(kind.kind in "iu" for kind in types):
        low = min(0, *(int(block.min()) for block in blocks))
        high = max(int(block.max()) for block in blocks)
        common = np.result_type(np.min_scalar_type(low), np.min_scalar_type(high))
        if common.kind == "f":  # as numpy has it for the two types, though int64 may hold both
            _refuse_larger(source, columns, np.iinfo(np.int64).max, "2**63", "negative numbers")
            common = np.dtype(np.int64)
    else:
        common = np.result_type(*types)
        _refuse_larger(source, columns, _EXACT, "2**53", "fractions")
    return [block.astype(common) for block in blocks]


def _refuse_larger(
    source: str, columns: Sequence[Column], most: int, shown: str, beside: str
) -> None:
    """Refuse whole numbers beyond the largest that stand exactly beside other values."""
    for column in columns:
        numbers = column.known
        if numbers.dtype.kind not in "iu" or not len(numbers):
            continue
        if max(-int(numbers.min()), int(numbers.max())) > most:
            beside = "the mean of the others" if column.missing.any() else beside
            raise DataError(
                f"{source}: column {column.name!r} holds whole numbers beyond {shown}, which "
                f"cannot be exact together with {beside}; subtract a constant from them, or leave "
                "the column out."
            )


_MEAN = "give --missing mean to put the mean of the column there"


def refuse_missing(source: str, columns: Sequence[Column], way_out: str = _MEAN) -> None:
    """Refuse rows that lack a value.

    Parameters
    ----------
    source : str
        Where the columns are, as a message begins.
    columns : sequence of Column
    way_out : str
        What to do other than fixing the rows.

    Raises
    ------
    DataError
        With the first of them, and how many there are.
    """
    lacking = [column for column in columns if column.missing.any()]
    if not lacking:
        return
    first = lacking[0]
    row = int(np.flatnonzero(first.missing)[0]) + 1
    total = sum(int(column.missing.sum()) for column in lacking)
    missing = "1 value is" if total == 1 else f"{total} values are"
    in_columns = "1 column" if len(lacking) == 1 else f"{len(lacking)} columns"
    raise DataError(
        f"{source}: column {first.name!r} has no value in row {row} ({missing} missing, "
        f"in {in_columns}). Remove or fix such rows, or {way_out}."
    )


def missing_remark(source: str, columns: Sequence[Column]) -> list[str]:
    """Return a sentence on how many values are replaced; nothing where none is."""
    counts = {c.name: int(c.missing.sum()) for c in columns if c.missing.any()}
    if not counts:
        return []
    total = sum(counts.values())
    values = "1 missing value is" if total == 1 else f"{total} missing values are"
    return [
        f"{source}: {values} replaced by the mean of {'its' if total == 1 else 'their'} "
        f"column ({listed(counts)}); "
        "a missing text matches none of the column's categories."
    ]


def by_name(
    source: str, columns: Sequence[Column], names: Sequence[str], train: str
) -> list[Column]:
    """Return columns in the order of the training rows.

    Raises
    ------
    DataError
        If one is lacking or too many.
    """
    found: Mapping[str, Column] = {column.name: column for column in columns}
    missing = [name for name in names if name not in found]
    extra = [name for name in found if name not in names]
    for problem, which in (("lacks", missing), ("has another column,", extra)):
        if which:
            raise DataError(
                f"{source}: {problem} {which[0]!r}; it must have the columns of {train}."
            )
    return [found[name] for name in names]
