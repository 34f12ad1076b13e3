"""The links of a run as they were trained, for those who look at it: a line of JSON each.

Nothing that is trained depends on it. A link that finishes no trial has no row in the trial log,
so this is the one place that knows them all.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import IO, Any, Self

from model.results import LinkResult
from search.errors import StoreError
from search.plan import Link
from search.record.run_folder import RunFolder
from search.storage import Place, read_whole


@dataclass(frozen=True)
class LinkRecord:
    """A link that was trained.

    Attributes
    ----------
    pack : int
        The pack's index.
    label : str
        What the pack's columns have in common, such as ``batch=8``.
    start_epoch, epoch : int
        The epochs at which it started and ended.
    width : int
        Number of columns that it started with.
    trained_epochs : int
        Epochs that its task trained.
    started_at, finished_at : float
        Seconds since 1970, by the worker's clock.
    node : str
        Address of the machine that trained it.
    attempt : int
        1, or more where workers were lost on it.
    """

    pack: int
    label: str
    start_epoch: int
    epoch: int
    width: int
    trained_epochs: int
    started_at: float
    finished_at: float
    node: str
    attempt: int

    @classmethod
    def of(cls, link: Link, result: LinkResult, node: str) -> Self:
        """Return the record of a link that a machine has trained."""
        return cls(
            pack=link.pack.index,
            label=link.pack.label,
            start_epoch=link.start_epoch,
            epoch=link.epoch,
            width=link.width,
            trained_epochs=result.trained_epochs,
            started_at=result.started_at,
            finished_at=result.finished_at,
            node=node,
            attempt=link.attempt,
        )


class LinkLog:
    """Adds a line to ``links.jsonl`` for every link.

    Parameters
    ----------
    path : Path
        The file; made when there is something to write. For a run in a store it is the file that
        `search.storage.growing_file` gives.
    """

    def __init__(self, path: Place) -> None:
        self._path = path

    def append(self, record: LinkRecord) -> None:
        """Add a link. A disk that refuses is not an error: the trial log tells the user of it."""
        line = json.dumps(asdict(record)).encode() + b"\n"
        with suppress(OSError), self._path.open("ab+") as file:
            _end_last_line(file)
            file.write(line)


def _end_last_line(file: IO[bytes]) -> None:
    """Begin a new line where a kill or a full disk has cut the last one."""
    if file.tell():  # at the end, as it is open for appending
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")


def read_links(folder: RunFolder) -> list[LinkRecord]:
    """Return the links that a run's files tell of, in the order in which they were recorded.

    Files that are not there or cannot be read tell of none.
    """
    earlier = _records_of_sentences(_text(folder.log))
    return [*earlier, *_records_of_lines(_text(folder.links))]


def _text(path: Place) -> str:
    try:
        return (read_whole(path) or b"").decode(errors="replace")
    except StoreError:
        return ""


def _records_of_lines(text: str) -> Iterator[LinkRecord]:
    for line in text.splitlines():
        record = _record_of(line)
        if record is not None:
            yield record


def _record_of(line: str) -> LinkRecord | None:
    """Return the link of a line, or None for one that a kill or a full disk has cut."""
    try:
        entries: dict[str, Any] = json.loads(line)
        if "batch_size" in entries:  # of the version that knew one trainer
            entries["label"] = f"batch={entries['batch_size']}"
        return LinkRecord(**{field.name: entries[field.name] for field in fields(LinkRecord)})
    except (ValueError, KeyError, TypeError):
        return None


# --- Of the earlier version, which told of links in `sweep.log` alone. A run that was continued
# since has its first links there and its later ones in `links.jsonl`.

_SENTENCE = re.compile(
    r"(?m)^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) INFO done: pack (\d+), advance batch=(\d+) "
    r"epochs (\d+)-(\d+) width=(\d+), trained (\d+) epochs in ([\d.]+) s on (\S+)"
)


def _records_of_sentences(text: str) -> Iterator[LinkRecord]:
    """Yield the links of ``... done: pack 7, advance batch=8 epochs 0-5 width=64, trained ...``."""
    for time, *numbers, seconds, node in _SENTENCE.findall(text):
        pack, batch_size, start_epoch, epoch, width, trained_epochs = map(int, numbers)
        # Local time, a little after the worker was free.
        end = datetime.strptime(time, "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp()
        yield LinkRecord(
            pack, f"batch={batch_size}", start_epoch, epoch, width, trained_epochs,
            end - float(seconds), end, node, attempt=1,
        )  # fmt: skip
