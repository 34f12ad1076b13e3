"""Options that several commands have, and the values that they take."""

import argparse
from math import ceil
from pathlib import Path
from typing import Any

_SPANS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_DIGITS = 5


def add_json(parser: argparse._ActionsContainer, **settings: Any) -> None:
    """Add the option by which a command that only looks answers programs.

    Parameters
    ----------
    parser : ArgumentParser or group of arguments
    **settings
        Settings of the option that replace the usual ones.
    """
    usual = {"action": "store_true", "help": "print it as JSON, for programs"}
    parser.add_argument("--json", **{**usual, **settings})


def add_reading(parser: argparse._ActionsContainer) -> None:
    """Add the options that say of a data set what its file does not say."""
    parser.add_argument("--target", metavar="COLUMN", help="column of a table with the labels")
    parser.add_argument(
        "--weights", metavar="NAME", help="column or array with weights of the rows"
    )
    parser.add_argument(
        "--missing", choices=["refuse", "mean"],
        help="what to do with a missing value in a table (refuse)",
    )  # fmt: skip
    parser.add_argument(
        "--keys", type=_keys, metavar="X=NAME,y=NAME,...",
        help="which arrays of a file are which; also weights, X_test, y_test, "
        "X_val, y_val",
    )  # fmt: skip


def _keys(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(role.strip() and name.strip() for role, _, name in pairs):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list such as X=images,y=labels")
    keys = {role.strip(): name.strip() for role, _, name in pairs}
    if len(keys) < len(pairs):
        raise argparse.ArgumentTypeError(f"{text!r} names an array twice; give each role once")
    return keys


def folder_here(text: str) -> Path:
    """Return the absolute path of a folder on this machine.

    Raises
    ------
    ArgumentTypeError
        If there is none.
    """
    path = Path(text).expanduser()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text!r}")
    return path.absolute()


def span(text: str, least: float = 3600.0) -> float:
    """Return the seconds of a span of time, as an option gives it.

    Parameters
    ----------
    text : str
    least : float
        Seconds of the smallest unit that makes sense.

    Raises
    ------
    ArgumentTypeError
        If it is none.

    Examples
    --------
    >>> span("12h")
    43200.0
    """
    number, unit = text[:-1], text[-1:]
    known = {name: seconds for name, seconds in _SPANS.items() if seconds >= least}
    if not (number.isascii() and number.isdigit() and len(number) <= _DIGITS and unit in known):
        such_as = "90s, 10m or 2h" if "s" in known else "12h, 30d or 8w"
        raise argparse.ArgumentTypeError(f"{text!r} is not a span of time, such as {such_as}")
    return int(number) * _SPANS[unit]


def span_text(seconds: float) -> str:
    """Return a span of time as an option takes it, in the smallest unit that can say it.

    Examples
    --------
    >>> span_text(600.0), span_text(0.5), span_text(1e6)
    ('600s', '1s', '16667m')
    """
    counts = {unit: ceil(seconds / length) for unit, length in _SPANS.items()}
    unit = next((unit for unit, count in counts.items() if count < 10**_DIGITS), "w")
    return f"{counts[unit]}{unit}"
