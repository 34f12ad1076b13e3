"""How a CSV file is written: its delimiter, its decimal point, and that it has names."""

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from model.data.found import HELP
from model.errors import DataError

NULLS = (
    "", "?", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "-NaN", "NULL", "null", "None",
)  # fmt: skip
"""Texts that stand for a missing value, where they are not in quotes."""

_DELIMITERS = (",", ";", "\t", "|")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_NUMBER = re.compile(r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$")
# Rows by which the decimal point is told.
_ROWS = 1000
_COMMA = re.compile(r"[-+]?(\d*|[1-9]\d{0,2}(\.\d{3})+),\d+([eE][-+]?\d+)?")
_POINT = re.compile(r"[-+]?\d*\.\d+([eE][-+]?\d+)?")
# A day and its month, as 01.02: its column holds no numbers.
_DAY = re.compile(r"0\d\.\d")
_EITHER = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}((,\d{3}){2,}(\.\d*)?|,\d{3}\.\d*)")
# Bytes that are decoded at a time: neither text nor lines of a whole file are in memory.
_PIECE = 1 << 20
_POINTS = "the points of the training rows"


@dataclass(frozen=True)
class CsvForm:
    """How a file is written.

    Attributes
    ----------
    delimiter : str
    decimal_point : str
    null_values : list of str
        Texts that stand for a missing value.
    """

    delimiter: str
    decimal_point: str
    null_values: list[str]


def form_of(path: Path, content: bytes | memoryview, decimal_point: str) -> CsvForm:
    """Return how a CSV file is written.

    Parameters
    ----------
    path : Path
    content : bytes or memoryview
    decimal_point : str
        As `told_point` has it for all files that belong together.

    Raises
    ------
    DataError
        If it is empty, no text in UTF-8, or its first line holds no names.
    """
    line = _first_line(path, content)
    if not line.strip():
        raise DataError(f"{path}: has no first line with the names of the columns. {HELP}")
    delimiter = _delimiter(line)
    names = [name.strip() for name in _QUOTED.sub("", line).split(delimiter)]
    if all(_NUMBER.match(name) for name in names if name) and any(names):
        raise DataError(
            f"{path}: its first line holds numbers, and should hold the names of the columns, such "
            f"as a,b,species. Add such a line. {HELP}"
        )
    comma = delimiter != "," and decimal_point == ","
    return CsvForm(delimiter, "," if comma else ".", list(NULLS))


def _delimiter(line: str) -> str:
    return max(_DELIMITERS, key=_QUOTED.sub("", line).count)


def told_point(heads: Mapping[Path, str], known: str = "") -> str:
    """Return the decimal point of CSV files that belong together, as their first rows tell it.

    Between other delimiters than commas, a comma in a number is the decimal point, unless something
    else says that it separates thousands.

    Parameters
    ----------
    heads : mapping of Path to str
        The beginning of each file.
    known : str
        The decimal point of the training rows, where these are others and it was told.

    Returns
    -------
    str
        A comma, a point, or nothing where no number tells it.

    Raises
    ------
    DataError
        If a number such as ``1,234`` could be either.
    """
    # An example of each kind, and where it stands; of points one for each column of a file.
    found: dict[re.Pattern[str], tuple[str, Path]] = {}
    points: dict[tuple[Path, int], str] = {}
    days: set[tuple[Path, int]] = set()
    for path, head in heads.items():
        for column, field in _fields(head):
            if "," not in field:
                if _DAY.match(field):
                    days.add((path, column))
                elif (path, column) not in points and _POINT.fullmatch(field):
                    points[path, column] = field
                continue
            for kind in (_THOUSANDS, _EITHER, _COMMA):
                if kind.fullmatch(field):
                    found.setdefault(kind, (field, path))
                    break
    for (path, column), field in points.items():
        if (path, column) not in days:
            found.setdefault(_POINT, (field, path))
    certain = _COMMA in found or known == ","
    against = found.get(_THOUSANDS) or (None if certain else found.get(_POINT))
    if _EITHER in found and (against or known == "."):
        number, path = found[_EITHER]
        beside = f"{against[0]!r} in {against[1].name}" if against else _POINTS
        raise DataError(
            f"{path}: it is unclear whether the comma of {number!r} is a decimal point or "
            f"separates thousands, next to {beside}. Write all numbers without separators of "
            f"thousands, and with one decimal point. {HELP}"
        )
    if certain or _EITHER in found:
        return ","
    return "." if _POINT in found else known


def _fields(head: str) -> Iterator[tuple[int, str]]:
    """Give columns and fields of the first rows that may be numbers with a comma or a point."""
    lines = head.lstrip("\ufeff").splitlines()
    delimiter = _delimiter(lines[0]) if lines else ","
    if delimiter == ",":  # whose numbers have no choice
        return
    for line in islice(lines, 1, 1 + _ROWS):
        plain = _QUOTED.sub(lambda quoted: "" if delimiter in quoted[0] else quoted[0][1:-1], line)
        for column, field in enumerate(plain.split(delimiter)):
            if "," in field or "." in field:
                yield column, field.strip()


def _first_line(path: Path, content: bytes | memoryview) -> str:
    """Return the first line of a text, or nothing; all of it must be UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    first: list[str] = []
    ended, lines = False, 1
    for at in range(0, len(content), _PIECE):
        piece = bytes(content[at : at + _PIECE])
        try:
            text = decoder.decode(piece, final=at + _PIECE >= len(content))
        except UnicodeDecodeError as error:
            lines += error.object.count(b"\n", 0, error.start)
            raise DataError(
                f"{path}: is not UTF-8 text (line {lines}); save it as UTF-8, as spreadsheets "
                f"offer it. {HELP}"
            ) from error
        lines += piece.count(b"\n")
        if not ended:
            first.append(text)
            ended = len(f"{text}.".splitlines()) > 1
    return next(iter("".join(first).lstrip("\ufeff").splitlines()), "")
