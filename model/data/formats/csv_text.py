"""How a CSV file is written: its delimiter, its decimal point, its names, and its labels."""

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

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
# What stands for a whole number and for nothing else, as it would be written again.
_WHOLE = r"^(0|-?[1-9]\d{0,17})$"
_REAL = r"^([-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(inf|nan))$"
# Digits of which a number would not be written so again: 007, +1, and what 64 bits do not hold.
_CODE = r"^([-+]?0\d+|\+\d+|-0|-?\d{19,})$"
_TRUTH = r"^(true|True|TRUE|false|False|FALSE)$"


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


def labels_as_written(texts: Any, decimal_point: str) -> Any:
    """Return the labels of a CSV file: numbers and booleans, or text where they would lose by it.

    Parameters
    ----------
    texts : pyarrow.ChunkedArray
        Of strings; null where there is none.
    decimal_point : str

    Returns
    -------
    pyarrow.ChunkedArray
        Of int64, float64, booleans, or the texts themselves. The codes ``01`` and ``1`` are two
        classes, ``007`` and ``10:30`` stay what they are.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    def are_all(pattern: str, of: Any) -> bool:
        return bool(pc.all(pc.match_substring_regex(of, pattern)).as_py())

    trimmed = pc.utf8_trim_whitespace(texts)
    plain = pc.replace_substring(trimmed, ",", ".") if decimal_point == "," else trimmed
    if are_all(_WHOLE, trimmed):
        return trimmed.cast(pa.int64())
    if are_all(_TRUTH, trimmed):
        return trimmed.cast(pa.bool_())
    codes = pc.any(pc.match_substring_regex(trimmed, _CODE)).as_py()
    return plain.cast(pa.float64()) if are_all(_REAL, plain) and not codes else texts


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}: is not UTF-8 text (line {line}); save it as UTF-8, as spreadsheets offer it. "
            f"{HELP}"
        ) from error
