"""How far test figures lie apart when the final training is repeated with other seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model.tasks import FinalScore
from search.record.columns import READOUTS

_FIGURES = {"cost": ("test cost", "{:.4f}", 1.0), "accuracy": ("correct", "{:.2f} %", 100.0)}
_STATISTICS = ("mean", "std", "smallest", "largest")


def spread(
    seeds: Sequence[int], tests: Sequence[Mapping[str, FinalScore]]
) -> dict[str, Any] | None:
    """Return the spread of the test figures by readout, or None where nothing is repeated.

    Parameters
    ----------
    seeds : sequence of int
        Of the final trainings.
    tests : sequence of mapping
        What each gave, by readout.
    """
    if len(seeds) < 2:
        return None
    return {
        "seeds": list(seeds),
        **{
            name: {
                figure: _statistics([getattr(test[name], figure) for test in tests])
                for figure in _FIGURES
            }
            for name in READOUTS
        },
    }


def _statistics(values: Sequence[float]) -> dict[str, Any]:
    with np.errstate(all="ignore"):  # a final training may diverge
        return {
            "mean": float(np.mean(values)),
            "std": float(np.std(values, ddof=1)),
            "smallest": min(values),
            "largest": max(values),
            "values": list(values),
        }


def spread_rows(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the spread below a header, for a table; nothing where nothing is repeated.

    Parameters
    ----------
    summary : mapping
        The contents of summary.json, of which earlier versions have no refits.
    """
    refits = summary.get("refits")
    if not refits:
        return []
    header = f"({len(refits['seeds'])} final trainings)"
    rows = [
        (
            f"{title}, {READOUTS[name].title}",
            *(form.format(factor * refits[name][figure][key]) for key in _STATISTICS),
        )
        for name in READOUTS
        for figure, (title, form, factor) in _FIGURES.items()
    ]
    return [(header, *_STATISTICS), *rows]
