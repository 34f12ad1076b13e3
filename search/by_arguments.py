"""Messages that name options of a command, in the words of a Python caller."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from model.errors import DataError, PacksweepError
from search.errors import ArgumentError, ConfigError, GivenDataError

# With what is behind it, which is a value of the option if it is written like one.
_OPTION = re.compile(
    r"(?<![\w/.=-])--([a-z][a-z-]*[a-z])\b(?! --)"
    r"(?: (?:(\w+=\w+(?:,\w+=\w+)*)(?:,\.\.\.)?|('[^']*')|(\w+)\b(?!['(])))?"
)

_VALUES = frozenset({"ray", "serial", "mean", "tpe", "halving", "digits", "tabular"})
"""Values of options that messages name; other small words behind an option are English."""

_IN_PYTHON: dict[type[PacksweepError], type[PacksweepError]] = {
    ConfigError: ArgumentError,
    DataError: GivenDataError,
}


@contextmanager
def told_by_arguments(
    arguments: Mapping[str, str], flags: frozenset[str] = frozenset()
) -> Iterator[None]:
    """Let errors name the arguments of a call; see `in_arguments`.

    Those about a value or about data are a ValueError too, as who calls from Python expects it.
    """
    try:
        yield
    except PacksweepError as error:
        first, *rest = error.args or (None,)
        if isinstance(first, str):
            error.args = (in_arguments(first, arguments, flags), *rest)
        if kind := _IN_PYTHON.get(type(error)):
            raise kind(*error.args).with_traceback(error.__traceback__) from error.__cause__
        raise


def in_arguments(
    text: str, arguments: Mapping[str, str], flags: frozenset[str] = frozenset()
) -> str:
    """Return a message with the arguments of a call in place of the options of a command.

    Parameters
    ----------
    text : str
        Lines for a shell in backticks stay as they are.
    arguments : mapping of str
        The argument that stands for an option, by the option's name without dashes. Other options
        stay.
    flags : frozenset of str
        Arguments that are True or False.

    Examples
    --------
    >>> in_arguments("Choose another --run-dir, or --trials 5.", {"run-dir": "folder"})
    'Choose another folder, or --trials 5.'
    >>> known = {name: name for name in ("trials", "sampler", "fresh")}
    >>> in_arguments("Give --sampler tpe, --trials 5 or --fresh.", known, frozenset({"fresh"}))
    "Give sampler='tpe', trials=5 or fresh=True."
    >>> in_arguments("Say --keys X=NAME,y=NAME,... of it.", {"keys": "keys"})
    "Say keys={'X': 'NAME', 'y': 'NAME'} of it."
    """

    def said(found: re.Match[str]) -> str:
        option, pairs, quoted, word = found.groups()
        if option not in arguments:
            return found[0]
        name = arguments[option]
        if pairs is not None:
            table = dict(pair.split("=") for pair in pairs.split(","))
            return f"{name}={table}"
        if quoted is not None:
            return f"{name}={quoted}"
        if word is not None and (word.isupper() or word.isdigit()):
            return f"{name}={word}"
        example = found.string[: found.start()].endswith("such as ") and name not in flags
        if word is not None and (word in _VALUES or example):
            return f"{name}={word!r}"
        shown = f"{name}=True" if name in flags and word != "out" else name
        return shown if word is None else f"{shown} {word}"

    if text.startswith("command line: "):
        text = text.replace("command line", "the call", 1)
    parts = text.split("`")
    return "`".join(
        part if place % 2 else _OPTION.sub(said, part) for place, part in enumerate(parts)
    )
