"""How a CSV file is written: its delimiter, its decimal point, and that it has names."""

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from model.data.found import HELP
from model.errors import DataError

NULLS = (
    "", "?", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "-NaN", "NULL", "null", "None",
)  # fmt: skip
"""What stands for a missing value, where it is not in quotes."""

_DELIMITERS = (",", ";", "\t", "|")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_NUMBER = re.compile(r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$")
# Rows by which the decimal point is told.
_ROWS = 1000
_COMMA = re.compile(r"\s*[-+]?\d+,\d+([eE][-+]?\d+)?\s*")
_POINT = re.compile(r"\s*[-+]?\d*\.\d+([eE][-+]?\d+)?\s*")
_THOUSANDS = re.compile(r"\s*[-+]?[1-9]\d{0,2}(,\d{3})+\s*")


@dataclass(frozen=True)
class CsvForm:
    """How a file is written.

    Attributes
    ----------
    delimiter : str
    decimal_point : str
    null_values : list of str
        What stands for a missing value.
    """

    delimiter: str
    decimal_point: str
    null_values: list[str]


def form_of(path: Path, content: bytes) -> CsvForm:
    """Return how a CSV file is written.

    Raises
    ------
    DataError
        If it is empty, no text in UTF-8, or its first line holds no names.
    """
    lines = _text(path, content).lstrip("\ufeff").splitlines()
    if not lines or not lines[0].strip():
        raise DataError(f"{path}: has no first line with the names of the columns. {HELP}")
    plain = _QUOTED.sub("", lines[0])
    delimiter = max(_DELIMITERS, key=plain.count)
    names = [name.strip() for name in plain.split(delimiter)]
    if all(_NUMBER.match(name) for name in names if name) and any(names):
        raise DataError(
            f"{path}: its first line holds numbers, and should hold the names of the columns, such "
            f"as a,b,species. Add such a line. {HELP}"
        )
    comma = delimiter != "," and _has_decimal_commas(lines, delimiter)
    return CsvForm(delimiter, "," if comma else ".", list(NULLS))


def _has_decimal_commas(lines: list[str], delimiter: str) -> bool:
    """Whether a comma is the decimal point of the first rows, and no separator of thousands."""
    found = False
    for line in islice(lines, 1, 1 + _ROWS):
        for field in _QUOTED.sub("", line).split(delimiter):
            if _POINT.fullmatch(field):
                return False
            found |= bool(_COMMA.fullmatch(field)) and not _THOUSANDS.fullmatch(field)
    return found


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}: is not UTF-8 text (line {line}); save it as UTF-8, as spreadsheets offer it. "
            f"{HELP}"
        ) from error
