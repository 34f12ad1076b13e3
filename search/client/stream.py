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


# A comment with which a stream begins that was asked for without a number: what comes after it.
_FROM = ": from "


def lines_of(parts: Iterable[bytes]) -> Iterator[str]:
    r"""Yield the lines of a stream, which end with a line feed alone: others may be in a text.

    Examples
    --------
    >>> list(lines_of([b"data: 1", b"2\n\ndata: 3"]))
    ['data: 12', '']
    """
    rest = b""
    for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        yield from (line.removesuffix(b"\r").decode(errors="replace") for line in whole)


class Reader:
    """Reads streams, each of which goes on where the one before has broken off.

    Parameters
    ----------
    after : int or None
        The number of the last event that is known; None where no matter.
    """

    def __init__(self, after: int | None = None) -> None:
        self.after = after

    def told(self, lines: Iterable[str]) -> Iterator[Told]:
        """Yield what the lines of a stream tell."""
        for told in told_by(map(self._noticed, lines)):
            self.after = self.after if told.id is None else told.id
            yield told

    def _noticed(self, line: str) -> str:
        number = line.removeprefix(_FROM)
        # Who named a number before has not had yet what comes between that and this one.
        if self.after is None and number != line and number.isdecimal():
            self.after = int(number)
        return line


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
