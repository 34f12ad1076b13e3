"""The first section: what the run found, what it took, and what looks unfinished."""

import math
from collections.abc import Mapping
from typing import Any

from search.report.axis import Axis, number_text
from search.report.run_data import Columns, RunData, best_first
from search.result import result_lines
from search.text import duration

_TOP = 10

# What plain loops reported, in the order of `result_lines`; the test follows a retraining.
_ORIGINAL = ("35", "1", "5e-07", "32", "0.4336", "0.4558", "84.26 %")

# A best value nearer than this to an end of its range lies on the edge.
_EDGE = 0.02

# Lower values than these mean nothing.
_LOWEST = {"batch_size": 1, "epochs": 1, "alpha": 0.0}


def result_table(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return label, value and originally reported value, which is empty for other data sets."""
    lines = result_lines(summary)
    known = summary["dataset"]["name"] == "fashion-mnist" and len(lines) == len(_ORIGINAL)
    originals = _ORIGINAL if known else ("",) * len(lines)
    return [(*line, original) for line, original in zip(lines, originals, strict=True)]


def figures(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return counts and times, each with its name."""
    trials, timing, work = summary["trials"], summary["timing"], summary["arithmetic"]
    counts = [(name, f"{trials[name]:,}") for name in ("complete", "pruned", "failed")]
    return [
        *((name, count) for name, count in counts if count != "0"),
        ("wall clock", duration(timing["wall_s"])),
        *([("training", duration(timing["training_s"]))] if timing.get("training_s") else []),
        ("compute time", duration(timing["compute_s"])),
        *([("GFLOP/s per worker", f"{timing['gflops']:.0f}")] if timing.get("gflops") else []),
        *([("arithmetic saved", f"{100 * work['saved']:.0f} %")] if work["saved"] else []),
    ]


def edge_warnings(run: RunData) -> list[str]:
    """Return a sentence for each hyperparameter whose best value lies on an edge."""
    best = run.summary["best"]
    if best is None:
        return []
    found = [_edge_warning(axis, best["params"][axis.name]) for axis in run.varying]
    return [warning for warning in found if warning]


def _edge_warning(axis: Axis, value: float) -> str:
    low, high = axis.span
    place = (float(axis.places(value)) - low) / (high - low)
    kind = "list" if axis.values is not None else "range"
    margin = 0.0 if axis.values is not None else _EDGE
    if place >= 1 - margin:
        return _warning(axis, value, "upper", kind, "larger")
    if place <= margin and value > _LOWEST.get(axis.name, -math.inf):
        return _warning(axis, value, "lower", kind, "smaller")
    return ""


def _warning(axis: Axis, value: float, end: str, kind: str, other: str) -> str:
    return (
        f"The best {axis.label}, {number_text(value)}, lies on the {end} edge of its {kind}: "
        f"{other} values may be better."
    )


def top_trials(trials: Columns) -> list[dict[str, float]]:
    """Return the trials with the lowest validation cost, the best first.

    Parameters
    ----------
    trials : mapping of str to ndarray
        Columns of the log, among them ``number`` and ``val_cost``.
    """
    return [
        {name: values[i].item() for name, values in trials.items()}
        for i in best_first(trials["val_cost"])[:_TOP]
    ]
