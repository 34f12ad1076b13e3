"""The links of a run over its workers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from search.config import short_text
from search.record import LinkRecord, Timing, read_links
from search.report.charts import Chart, hover, series, text_of
from search.report.run_data import Columns, RunData
from search.text import duration, signed


@dataclass(frozen=True, order=True)
class Span:
    """One link.

    Attributes
    ----------
    start, end : float
        Seconds, from any moment on.
    node : str
    pack : int
    label : str
        What the trajectories of its pack have in common.
    links : int
        How many it stands for.
    """

    start: float
    end: float
    node: str
    pack: int
    label: str
    links: int = 1


def links_of(
    trials: Columns, recorded: Sequence[LinkRecord], pack_by: Sequence[str] = ("batch_size",)
) -> list[Span]:
    """Return the links in the order of their starts.

    A link that finishes no trial has no row, and is recorded all the same. But records may be
    missing, of a disk that was full for a while: then the rows know more links.
    """
    rows, spans = links_of_rows(trials, pack_by), [_span(record) for record in recorded]
    return sorted(spans if len(spans) > len(rows) else rows)


def _span(link: LinkRecord) -> Span:
    return Span(link.started_at, link.finished_at, link.node, link.pack, link.label)


def links_of_rows(trials: Columns, pack_by: Sequence[str]) -> list[Span]:
    """Return the links that finished trials, of packs that have some hyperparameters in common."""
    trained = np.array([source is None for source in trials["source"].tolist()], bool)
    own = np.flatnonzero(~np.isnan(trials["pack"].astype(np.float64)) & trained)
    start, end = (
        (trials[name][own].astype("datetime64[us]").astype(np.int64) / 1e6).tolist()
        for name in ("started_at", "finished_at")
    )
    rest = (trials[name][own].tolist() for name in ("node", "pack"))
    shared = {name: trials[name][own].tolist() for name in pack_by}
    first = {key: i for i, key in enumerate(zip(start, end, *rest, strict=True))}
    return [
        Span(a, b, node, int(pack), short_text({name: shared[name][i] for name in pack_by}))
        for (a, b, node, pack), i in first.items()
    ]


# Runs of the earlier version have a link's end when the driver took notice, a little after the
# worker was free.
_SLACK = 0.2
_MOST_SLACK = 0.5

# Seconds without any link after which a later command has continued the run.
_PAUSE = 60.0
_GAP = 5.0

# More colours than these cannot be told apart.
_MOST_COLOURS = 16

# With more links, one bar stands for several.
_MOST_BARS = 1000

Lane = tuple[str, int]
"""A node, and which of its workers."""


def lanes(links: Sequence[Span]) -> list[Lane]:
    """Return the lane of each link: of its node's, that which has been free the shortest.

    Parameters
    ----------
    links : sequence of Span
        In the order of their starts.
    """
    free: dict[str, list[float]] = {}
    chosen = []
    for link in links:
        ends = free.setdefault(link.node, [])
        start = link.start + min(_MOST_SLACK, _SLACK * (link.end - link.start))
        idle = [lane for lane, end in enumerate(ends) if end <= start]
        lane = max(idle, key=ends.__getitem__) if idle else len(ends)
        ends[lane : lane + 1] = [link.end]
        chosen.append((link.node, lane))
    return chosen


def joined(
    links: Sequence[Span], chosen: Sequence[Lane], most: int
) -> tuple[list[Span], list[Lane]]:
    """Return links with as many neighbours of a lane in one as there must be, and their lanes.

    Parameters
    ----------
    links : sequence of Span
        In the order of their starts.
    chosen : sequence of Lane
        The lane of each link.
    most : int
        The most bars to draw, besides one for each lane.
    """
    each = math.ceil(len(links) / most)
    by_lane: dict[Lane, list[Span]] = {}
    for link, lane in zip(links, chosen, strict=True):
        mine = by_lane.setdefault(lane, [])
        if mine and mine[-1].links < each:
            last = mine[-1]
            mine[-1] = replace(last, end=max(last.end, link.end), links=last.links + 1)
        else:
            mine.append(link)
    pairs = sorted((span, lane) for lane, mine in by_lane.items() for span in mine)
    return [span for span, _ in pairs], [lane for _, lane in pairs]


def without_pauses(links: Sequence[Span]) -> tuple[list[Span], int]:
    """Return the links from time zero on, long pauses cut out, and how many these were."""
    shifted: list[Span] = []
    shift, end, pauses = links[0].start, links[0].start, 0
    for link in links:
        if link.start - end > _PAUSE:
            shift, pauses = shift + link.start - end - _GAP, pauses + 1
        end = max(end, link.end)
        shifted.append(replace(link, start=link.start - shift, end=link.end - shift))
    return shifted, pauses


def timeline_chart(run: RunData) -> Chart | None:
    """Return the chart; None where nothing was trained."""
    links = links_of(run.trials, read_links(run.folder), run.config.pack_by)
    if not links:
        return None
    links, pauses = without_pauses(links)
    chosen = lanes(links)
    names = _lane_names(sorted(set(chosen)))
    if len(links) > _MOST_BARS:
        labels, (shown, chosen) = [""], joined(links, chosen, _MOST_BARS)
    else:
        labels, shown = _in_colours(links), links
    bars = [
        _bars(i, label, shown, [names[lane] for lane in chosen]) for i, label in enumerate(labels)
    ]
    layout = {
        "barmode": "overlay", "bargap": 0.2,
        "xaxis": {"title": {"text": "seconds"}, "range": [0, max(link.end for link in links)]},
        "yaxis": {"type": "category", "categoryarray": list(names.values())[::-1],
                  "ticksuffix": " ", "showgrid": False},
        "legend": {"orientation": "h", "y": 1.02,
                   "yanchor": "bottom", "x": 0, "traceorder": "normal"},
    }  # fmt: skip
    each = max(bar.links for bar in shown)
    note = _busy_note(links, len(names), pauses, each) + _prediction_note(run.summary.timing)
    height = 170 + min(len(names), 64) * 30
    return Chart("timeline", "Links over workers", bars, layout, height, note)


def _lane_names(used: Sequence[Lane]) -> dict[Lane, str]:
    """Name the lanes; the node is worth telling where there are several."""
    several = len({node for node, _ in used}) > 1
    return {
        lane: f"{text_of(lane[0])}, {lane[1] + 1}" if several else f"worker {lane[1] + 1}"
        for lane in used
    }


def _in_colours(links: Sequence[Span]) -> list[str]:
    """Return the labels in the order of their numbers; nothing where there are too many to tell."""
    labels = sorted({link.label for link in links}, key=_numbers)
    return labels if len(labels) <= _MOST_COLOURS else [""]


def _numbers(label: str) -> tuple[float, str]:
    value = label.rpartition("=")[2]
    return (float(value) if value.isdecimal() else 0.0), label


def _bars(index: int, label: str, links: Sequence[Span], lane_names: list[str]) -> dict[str, Any]:
    mine = [
        (n, link) for n, link in zip(lane_names, links, strict=True) if label in ("", link.label)
    ]
    return {
        "type": "bar", "orientation": "h", "name": label or "links", "showlegend": bool(label),
        "y": [name for name, _ in mine],
        "base": [link.start for _, link in mine],
        "x": [link.end - link.start for _, link in mine],
        "marker": {"color": series(index), "line": {"color": "var(--paper)", "width": 1}},
        "customdata": [_text(link) for _, link in mine],
        "hovertemplate": "%{customdata}<extra></extra>",
    }  # fmt: skip


def _text(link: Span) -> str:
    if link.links > 1:
        span = f"{link.start:.1f} s to {link.end:.1f} s"
        return hover([("links", str(link.links)), ("from", span), ("on", link.node)])
    return hover(
        [
            ("pack", str(link.pack)),
            ("trajectories of", text_of(link.label)),
            ("from", f"{link.start:.1f} s to {link.end:.1f} s"),
            ("on", link.node),
        ]
    )


def busy_fraction(links: Sequence[Span], workers: int) -> float:
    """Return how much of the workers' time from the first link to the last was training."""
    span = max(link.end for link in links) - links[0].start
    return sum(link.end - link.start for link in links) / (span * workers) if span else 1.0


def _busy_note(links: Sequence[Span], workers: int, pauses: int, each: int) -> str:
    busy = 100 * min(1.0, busy_fraction(links, workers))
    cut = f" {pauses} pauses between commands are cut out." if pauses else ""
    bar = "one link" if each == 1 else f"up to {each} links in a row"
    return (
        f"One bar is {bar}, {len(links)} in all; the workers were busy {busy:.0f} % of the "
        f"time.{cut}"
    )


def _prediction_note(timing: Timing) -> str:
    predicted, actual = timing.predicted_training_s, timing.training_s
    if not predicted or not actual:
        return ""
    error = signed(100 * (predicted / actual - 1), 0)
    return f" Training took {duration(actual)} (predicted: {duration(predicted)}, {error} %)."
