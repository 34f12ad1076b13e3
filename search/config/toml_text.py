"""Text in TOML as a table, refused before it could take long."""

import re
import tomllib
from typing import Any

LARGEST = 4 << 20
"""Characters that a text may have."""

# Python's reader keeps every beginning of a key with dots, so that a long one takes all memory. No
# setting lies as deep as this.
_DEEPEST = 32

# What may hold dots and is not a key. One that does not end goes on to where it would have to: then
# each character is looked at once.
_STRING_OR_COMMENT = re.compile(
    r'"""(?:\\.|[^"\\]|"(?!""))*+(?:"""|\\?\Z)'
    r"|'''(?:[^']|'(?!''))*+(?:'''|\Z)"
    r'|"(?:\\.|[^"\\\n])*+"?'
    r"|'[^'\n]*+'?"
    r"|(#[^\n]*+)",
    re.DOTALL,
)
_DEEP_KEY = re.compile(rf"(?<![\w\-])[\w\-]++(?:[ \t]*+\.[ \t]*+[\w\-]++){{{_DEEPEST}}}")


def parse(text: str) -> dict[str, Any]:
    """Return the table that a text stands for.

    Parameters
    ----------
    text : str

    Raises
    ------
    ValueError
        If it is not TOML, or too long, nested too deep or with too long a number; what it says
        follows the name of the text.
    """
    if len(text) > LARGEST:
        raise ValueError(
            f"is too long: it has {len(text):,} characters, and up to {LARGEST:,} are read. Give "
            "ranges and a sampler instead of long lists, or make several grids of it"
        )
    if _DEEP_KEY.search(_STRING_OR_COMMENT.sub(_stand_in, text)):
        raise ValueError(f"has a key of more than {_DEEPEST} dots, and no setting is that deep")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        last = text.rstrip().count("\n") + 1
        problem = str(error).replace("at end of document", f"at the end, line {last}")
    except (ValueError, RecursionError):
        problem = "a number is too long, or brackets are nested too deep"
    raise ValueError(f"is not valid TOML: {problem}")


def _stand_in(found: re.Match[str]) -> str:
    """Return what stands for a string, which may be part of a key, or for a comment."""
    return "" if found[1] else "s"
