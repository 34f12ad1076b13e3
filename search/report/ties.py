"""The trials that cannot be told from the best one."""

from collections.abc import Mapping
from typing import Any

from search.report.axis import number_text
from search.report.charts import ACCENT, COMPLETE_COLOUR, INK, MUTED, Chart, hover
from search.result import NAMES, sentences

_ROWS = 10

_ROW_HEIGHT, _FRAME = 20, 80


def tie_sentences(summary: Mapping[str, Any]) -> list[str]:
    """Return what there is to say of them; nothing of a run of an earlier version."""
    return sentences(summary.get("indistinguishable"), summary["best"])


def tie_rows(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the best of them and the simplest of all for the table, by their cost."""
    told = summary.get("indistinguishable")
    if not (told and told["trials"]):
        return []
    simplest = told["simplest"]
    rows = [*told["trials"][:_ROWS], simplest]
    by_number = {row["number"]: row | {"is_simplest": row == simplest} for row in rows}
    return sorted(by_number.values(), key=lambda row: (row["cost"], row["number"]))


def tie_chart(summary: Mapping[str, Any]) -> Chart | None:
    """Return the differences to the best trial with their intervals; None where none is tied."""
    told = summary.get("indistinguishable")
    if not (told and told["trials"]):
        return None
    trials = told["trials"][::-1]  # the best one on top
    zero = {
        "type": "line", "yref": "paper", "x0": 0, "x1": 0, "y0": 0, "y1": 1,
        "line": {"color": MUTED, "width": 1, "dash": "dot"},
    }  # fmt: skip
    layout = {
        "shapes": [zero], "showlegend": False,
        "xaxis": {"title": {"text": "validation cost less that of the best trial"}},
        "yaxis": {"type": "category", "title": {"text": "trial"}, "showgrid": False},
    }  # fmt: skip
    height = _FRAME + _ROW_HEIGHT * len(trials)
    return Chart("ties", "", [_intervals(trials, told["simplest"])], layout, height)


def _intervals(trials: list[dict[str, Any]], simplest: Mapping[str, Any]) -> dict[str, Any]:
    gaps = [trial["difference"] for trial in trials]
    lows, highs = zip(*(trial["interval"] for trial in trials), strict=True)
    colours = [ACCENT if trial == simplest else COMPLETE_COLOUR for trial in trials]
    return {
        "type": "scatter", "mode": "markers", "x": gaps,
        "y": [str(trial["number"]) for trial in trials],
        "error_x": {
            "type": "data", "symmetric": False, "color": INK, "thickness": 1, "width": 3,
            "array": [max(high - gap, 0.0) for high, gap in zip(highs, gaps, strict=True)],
            "arrayminus": [max(gap - low, 0.0) for low, gap in zip(lows, gaps, strict=True)],
        },
        "marker": {"color": colours, "size": 8},
        "text": [_label(trial) for trial in trials],
        "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip


def _label(trial: Mapping[str, Any]) -> str:
    low, high = trial["interval"]
    return hover(
        [
            ("trial", f"{trial['number']}"),
            ("cost", f"{trial['cost']:.4f}"),
            ("difference", f"{low:+.4f} to {high:+.4f}"),
            ("as good in", f"{100 * trial['chance']:.0f} % of the resamples"),
            *((NAMES[name], number_text(value)) for name, value in trial["params"].items()),
        ]
    )
