"""The links of a run: which pack was trained when, and where."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper

import numpy as np

from search.report.run_data import Columns
from search.storage.place import Place

_DONE = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) INFO done: pack (\d+), advance batch=(\d+) .*"
    r"trained \d+ epochs in ([\d.]+) s on (\S+)"
)


@dataclass(frozen=True, order=True)
class Span:
    """One link.

    Attributes
    ----------
    start, end : float
        Seconds, from any moment on.
    node : str
    pack : int
    batch_size : int
    """

    start: float
    end: float
    node: str
    pack: int
    batch_size: int


def links_of(trials: Columns, log: Place) -> list[Span]:
    """Return the links in the order of their starts.

    A link that finishes no trial has no row: those are told by the log file,
    where it is there and knows no less than the rows.
    """
    rows, lines = links_of_rows(trials), links_of_log(log)
    return sorted(lines if len(lines) > len(rows) else rows)


def links_of_rows(trials: Columns) -> list[Span]:
    """Return the links that finished trials."""
    trained = np.array([source is None for source in trials["source"].tolist()], bool)
    own = np.flatnonzero(~np.isnan(trials["pack"].astype(np.float64)) & trained)
    start, end = (
        (trials[name][own].astype("datetime64[us]").astype(np.int64) / 1e6).tolist()
        for name in ("started_at", "finished_at")
    )
    rest = (trials[name][own].tolist() for name in ("node", "pack", "batch_size"))
    return [
        Span(a, b, node, int(pack), int(batch_size))
        for a, b, node, pack, batch_size in set(zip(start, end, *rest, strict=True))
    ]


def links_of_log(path: Place) -> list[Span]:
    """Return the links that the log file of a run tells of; none without one."""
    try:
        with TextIOWrapper(path.open("rb"), encoding="utf-8", errors="replace") as file:
            return list(_spans(file))
    except OSError:
        return []


def _spans(lines: Iterable[str]) -> Iterable[Span]:
    for line in lines:
        found = _DONE.match(line)
        if found:
            time, pack, batch_size, seconds, node = found.groups()
            stamp = datetime.strptime(time, "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC)
            end = stamp.timestamp()
            yield Span(end - float(seconds), end, node, int(pack), int(batch_size))
