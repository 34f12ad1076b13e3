"""Tables of plain values as JSON files with a seal."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from model.seal import Seal

_KEY = "seal"


def json_content(
    data: Mapping[str, Any], seal: Seal, plain: Callable[[Any], Any] | None = None
) -> bytes:
    """Return the bytes of a file that holds a table.

    Parameters
    ----------
    data : mapping
    seal : Seal
        The seal to write.
    plain : callable, optional
        Turns a value that JSON does not know into one that it does.
    """
    text = json.dumps({**data, _KEY: seal.blank}, indent=2, default=plain) + "\n"
    return seal.close(text.encode())


def parse_json(content: bytes, seal: Seal) -> dict[str, Any]:
    """Return the table that a file's bytes hold.

    Raises
    ------
    ValueError
        If they hold none, or one with another seal; its text says what is wrong, as a sentence
        about the file ends.
    """
    problem = seal.problem(content)
    if problem:
        raise ValueError(problem)
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON ({error})") from error
    if not isinstance(data, dict):
        raise ValueError("it holds no table")
    data.pop(_KEY, None)
    return data
