"""Events as they come over a stream of text."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Told:
    """Something that a service tells.

    Attributes
    ----------
    kind : str
        ``progress`` has a sweep as `Client.get` returns it; all others have an event.
    data : dict
    id : int or None
        The number of an event.
    """

    kind: str
    data: dict[str, Any]
    id: int | None = None


def told_by(lines: Iterable[str]) -> Iterator[Told]:
    """Yield what the lines of a stream tell; see the standard on server-sent events.

    Examples
    --------
    >>> list(told_by(["id: 7", "event: done", 'data: {"sweep": "a"}', "", ": still here", ""]))
    [Told(kind='done', data={'sweep': 'a'}, id=7)]
    """
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = fields.get(name, "") + value.removeprefix(" ")
            continue
        if "data" in fields:
            number = fields.get("id")
            yield Told(
                fields.get("event", "message"),
                json.loads(fields["data"]),
                None if number is None else int(number),
            )
        fields = {}
