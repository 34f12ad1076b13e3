"""The Grafana dashboard, made of the metrics.

``python -m cluster.grafana_dashboard > cluster/grafana/packsweep.json`` writes it again.
"""

import json
import sys
from dataclasses import dataclass
from itertools import count
from typing import Any

from cluster.metrics import (
    BEST,
    BUSY,
    FLUSH_SECONDS,
    GFLOPS,
    LINK_SECONDS,
    LOST,
    PLANNED,
    TRIALS,
    TRIALS_RATE,
    WORKERS,
    Metric,
)

Json = dict[str, Any]

# Grafana's grid has 24 columns.
_COLUMNS = 24
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Query:
    """An expression and what its curve is called.

    Attributes
    ----------
    expr : str
    legend : str
    format : str
        The form of Prometheus' answer: "heatmap" for the buckets of a histogram.
    """

    expr: str
    legend: str
    format: str = "time_series"


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes
    ----------
    title : str
    queries : tuple of Query
    kind : str
    unit : str
    stacked : bool
    """

    title: str
    queries: tuple[Query, ...]
    kind: str = "timeseries"
    unit: str = "short"
    stacked: bool = False


def dashboard() -> Json:
    """Return the dashboard as Grafana imports it."""
    return {
        "uid": "packsweep",
        "title": "packsweep",
        "tags": ["packsweep", "ray"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "templating": {"list": [_source_variable(), _run_variable()]},
        "panels": _laid_out(_ROWS),
    }


def _gauge(metric: Metric, by: str = "") -> str:
    """Return the newest value: a run that was continued has series of several clusters."""
    return f'max{by}({metric.exported}{{run="$run"}})'


def _quantile(q: float, metric: Metric, by: str = "le") -> str:
    """Return a quantile over the whole run, which a sweep of a minute has too."""
    return f'histogram_quantile({q}, sum by ({by}) ({metric.exported}_bucket{{run="$run"}}))'


def _grown(metric: Metric) -> str:
    return f'sum by (le) (increase({metric.exported}_bucket{{run="$run"}}[$__rate_interval]))'


def _stat(title: str, expr: str, unit: str = "short") -> Panel:
    return Panel(title, (Query(expr, title),), "stat", unit)


_LOGGED = f"sum({_gauge(TRIALS, ' by (state) ')})"
_ROWS = (
    (4, (
        _stat("Trials done", f"{_LOGGED} / {_gauge(PLANNED)}", "percentunit"),
        _stat("Best validation cost", _gauge(BEST)),
        _stat("Trials a second", _gauge(TRIALS_RATE)),
        _stat("GFLOP/s of a worker", _gauge(GFLOPS)),
        _stat("Workers busy", _gauge(BUSY)),
        _stat("Lost links", _gauge(LOST)),
    )),
    (8, (
        Panel("Trials by state", (
            Query(_gauge(TRIALS, " by (state) "), "{{state}}"),
            Query(f"{_gauge(PLANNED)} - {_LOGGED}", "to do"),
        ), stacked=True),
        Panel("Best validation cost", (Query(_gauge(BEST), "lowest so far"),)),
    )),
    (8, (
        Panel("Trials a second", (Query(_gauge(TRIALS_RATE), "last minute"),)),
        Panel("GFLOP/s", (
            Query(_gauge(GFLOPS), "of a worker"),
            Query(f"{_gauge(GFLOPS)} * {_gauge(BUSY)}", "of all that are busy"),
        )),
        Panel("Workers", (Query(_gauge(BUSY), "busy"), Query(_gauge(WORKERS), "all"))),
    )),
    (8, (
        Panel("Links by compute time", (
            Query(_grown(LINK_SECONDS), "{{le}}", "heatmap"),
        ), "heatmap", "s"),
        Panel("Compute time of a link by batch size, median", (
            Query(_quantile(0.5, LINK_SECONDS, "le, batch_size"), "{{batch_size}}"),
        ), unit="s"),
    )),
    (8, (
        Panel("Time to make a link durable", (
            Query(_quantile(0.5, FLUSH_SECONDS), "median"),
            Query(_quantile(0.95, FLUSH_SECONDS), "95 %"),
        ), unit="s"),
        Panel("Lost links", (Query(_gauge(LOST), "tried again"),)),
    )),
)  # fmt: skip
"""Height and panels of each row, which share its width."""


def _source_variable() -> Json:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
    }


def _run_variable() -> Json:
    query = f"label_values({PLANNED.exported}, run)"
    return {
        "name": "run",
        "label": "Run",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": "run"},
        "definition": query,
        "refresh": 2,  # whenever the time range changes
        "sort": 1,
    }


def _laid_out(rows: tuple[tuple[int, tuple[Panel, ...]], ...]) -> list[Json]:
    panels, ids, y = [], count(1), 0
    for height, row in rows:
        width = _COLUMNS // len(row)
        for x, panel in enumerate(row):
            place = {"x": x * width, "y": y, "w": width, "h": height}
            panels.append({"id": next(ids), "gridPos": place} | _panel(panel))
        y += height
    return panels


def _panel(panel: Panel) -> Json:
    custom = {"fillOpacity": 40, "stacking": {"mode": "normal"}} if panel.stacked else {}
    return {
        "type": panel.kind,
        "title": panel.title,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "custom": custom}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + i),
                "datasource": _SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend,
                "format": query.format,
            }
            for i, query in enumerate(panel.queries)
        ],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dashboard(), indent=2) + "\n")
