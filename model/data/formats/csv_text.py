"""How a CSV file is written: its delimiter, its decimal point, and that it has names."""

import re
from dataclasses import dataclass
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
    lines = _text(path, content).lstrip("\ufeff").splitlines()[:2]
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
    row = _QUOTED.sub("", lines[1]) if len(lines) > 1 else ""
    comma = delimiter != "," and re.search(r"\d,\d", row) and not re.search(r"\d\.\d", row)
    return CsvForm(delimiter, "," if comma else ".", list(NULLS))


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}: is not UTF-8 text (line {line}); save it as UTF-8, as spreadsheets offer it. "
            f"{HELP}"
        ) from error
