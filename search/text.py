"""Text for people: times, numbers, tables, and lines that fit a terminal."""

import os
import re
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from search.output import visible

_GAPS = (2, 1)

_SIZES = "COLUMNS", "LINES"
"""Names in the environment by which a terminal's size is given."""
_SIZE = re.compile(r"0*[1-9][0-9]{0,4}", re.ASCII)

# What ends a sentence of a library, and what begins one that is only a link.
_PARTS = re.compile(r"\n+|(?<=[.!?])\s+|(?=\(Background)")
_LINK = re.compile(r"https?://")


def console(stream: TextIO) -> Console:
    """Return a console that is a terminal where its stream is one, whatever the environment says.

    Systems that keep logs often ask for colours by FORCE_COLOR, and would get a moving cursor too.
    """
    # What rich would believe and nobody has: of 0 columns it shows nothing at all.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in _SIZES or _SIZE.fullmatch(value)
    }
    # A path may hold what looks like an emoji's name, and must be printed as it is.
    return Console(
        file=stream,
        force_terminal=stream.isatty(),
        emoji=False,
        _environ=environment,
    )


def show(console: Console, text: str, style: str = "") -> None:
    """Print text for the user, with all characters that come from outside made visible.

    Parameters
    ----------
    console : Console
    text : str
    style : str
        Colour, on a terminal that has any.
    """
    console.print(Text(visible(text), style), soft_wrap=True)


def text_width(console: Console) -> int | None:
    """Return how many columns a line may take; None in a pipe, where lines have no limit."""
    return console.width if console.is_terminal else None


def table_lines(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None = None,
    spare: Sequence[str] = (),
) -> list[str]:
    """Return the lines of a table; the first column and texts are aligned left, numbers right.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequence of str
    width : int, optional
        Columns of the terminal; where the table is wider, its columns move closer, and then
        some are left out.
    spare : sequence of str
        Names of the columns that may be left out; the first one goes first.
    """
    table = [tuple(header), *map(tuple, rows)]
    for gap in _GAPS:
        lines = _aligned(table, gap)
        if width is None or max(map(cell_len, lines)) <= width:
            return lines
    if not spare:
        return lines
    kept = [i for i, name in enumerate(header) if name != spare[0]]
    fewer = [[row[i] for i in kept] for row in table]
    return table_lines(fewer[0], fewer[1:], width, spare[1:])


def _aligned(table: Sequence[Sequence[str]], gap: int) -> list[str]:
    columns = list(zip(*table, strict=True))
    return [
        (" " * gap).join(cells).rstrip()
        for cells in zip(*(_padded(column, i > 0) for i, column in enumerate(columns)), strict=True)
    ]


def _padded(column: Sequence[str], right: bool) -> list[str]:
    """Return cells of the same width; text is aligned left, numbers right."""
    width = max(map(cell_len, column))
    right = right and all(_is_number(cell) for cell in column[1:])
    blanks = [" " * (width - cell_len(cell)) for cell in column]
    return [
        blank + cell if right else cell + blank for cell, blank in zip(column, blanks, strict=True)
    ]


def _is_number(cell: str) -> bool:
    return cell in ("", "-") or cell.lstrip("+-")[:1].isdigit()


def number_text(value: float | str, digits: int = 3) -> str:
    """Return a few digits of a number, in little room; a text, or true or false, as it is.

    Below a million no digit before the decimal point is left out, and none of these numbers has
    an exponent.

    Examples
    --------
    >>> number_text(1.2345e-7), number_text(12345.0), number_text(0.15313), number_text(1e7)
    ('1.23e-7', '12345', '0.153', '1e7')
    >>> number_text(0.15313, digits=4)
    '0.1531'
    """
    if isinstance(value, str | bool):
        return value_text(value)
    if 10**digits - 0.5 <= abs(value) < 1e6 - 0.5:
        return f"{value:z.0f}"
    mantissa, _, exponent = f"{value:z.{digits}g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def fixed(value: float, decimals: int) -> str:
    """Return a number with some decimals; one that rounds to zero has no sign.

    Examples
    --------
    >>> fixed(-0.00001, 4), fixed(-0.00005001, 4)
    ('0.0000', '-0.0001')
    """
    return f"{value:z.{decimals}f}"


def signed(value: float, decimals: int) -> str:
    """Return a difference with its sign; one that rounds to zero has none.

    Examples
    --------
    >>> signed(0.25, 2), signed(-0.25, 2), signed(-0.00001, 4)
    ('+0.25', '-0.25', '0.0000')
    """
    text = f"{value:+z.{decimals}f}"
    return text.lstrip("+") if float(text) == 0 else text


def value_text(value: float | str) -> str:
    """Return the value of a hyperparameter: whole numbers in full, others to six digits.

    Examples
    --------
    >>> value_text(2097152), value_text(5e-7)
    ('2097152', '5e-07')
    >>> value_text("gini"), value_text(True)
    ('gini', 'true')
    """
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value}" if isinstance(value, int | str) else f"{value:zg}"


def wrapped(text: str, width: int | None) -> list[str]:
    """Return a sentence in lines of at most `width` columns; one line where there is no limit."""
    if width is None:
        return [text]
    return textwrap.wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False)


def duration(seconds: float) -> str:
    """Return a time as people write it: 42 s, 1:35 min, 3:07 h.

    Two clocks that differ can give less than none, which is told as none.

    Examples
    --------
    >>> duration(95)
    '1:35 min'
    """
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"


def utc_now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def without_links(text: str) -> str:
    r"""Return what a library says in one line, without the sentences that only point to its pages.

    Examples
    --------
    >>> without_links("no such table: runs\n(Background on this error at: https://sqlalche.me/e/1)")
    'no such table: runs'
    """
    parts = [part.strip() for part in _PARTS.split(text)]
    kept = " ".join(part for part in parts if part and not _LINK.search(part))
    # If a single sentence has a link, keep the text before it.
    return (kept or _LINK.split(text)[0]).strip().rstrip(".(: ")


def counted(count: int, what: str) -> str:
    """Return a number of things in words.

    >>> counted(1, "trial"), counted(2, "trial")
    ('1 trial', '2 trials')
    """
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
