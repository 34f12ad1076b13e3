"""The section on the trials that cannot be told from the best one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from search.config import label_of
from search.record import TiedTrial, Ties
from search.report.axis import axis_number
from search.report.charts import ACCENT, COMPLETE_COLOUR, INK, MUTED, Chart, hover
from search.text import signed

_ROWS = 10

_ROW_HEIGHT, _FRAME = 20, 80


@dataclass(frozen=True)
class TieRow:
    """A row of the table.

    Attributes
    ----------
    trial : TiedTrial
    is_simplest : bool
        Whether it is the simplest of all that cannot be told from the best one.
    """

    trial: TiedTrial
    is_simplest: bool

    @property
    def interval(self) -> str:
        """Its cost less that of the best one."""
        return interval_text(self.trial)


def tie_rows(ties: Ties | None) -> list[TieRow]:
    """Return the best ten of the ties and the simplest of all, the lowest cost first."""
    if not ties or not ties.trials:
        return []
    shown = {trial.number: trial for trial in ties.trials[:_ROWS]}
    if ties.simplest:
        shown[ties.simplest.number] = ties.simplest
    ordered = sorted(shown.values(), key=lambda trial: (trial.cost, trial.number))
    return [TieRow(trial, trial == ties.simplest) for trial in ordered]


def interval_text(trial: TiedTrial) -> str:
    """Return how far a trial is from the best one over the resamples."""
    low, high = trial.interval
    return f"{signed(low, 4)} to {signed(high, 4)}"


def tie_chart(ties: Ties | None) -> Chart | None:
    """Return the differences to the best trial with their intervals; None where none is tied."""
    if not ties or not ties.trials:
        return None
    trials = ties.trials[::-1]  # the best one on top
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
    return Chart("ties", "", [_intervals(trials, ties.simplest)], layout, height)


def _intervals(trials: Sequence[TiedTrial], simplest: TiedTrial | None) -> dict[str, Any]:
    gaps = [trial.difference for trial in trials]
    lows, highs = zip(*(trial.interval for trial in trials), strict=True)
    colours = [ACCENT if trial == simplest else COMPLETE_COLOUR for trial in trials]
    return {
        "type": "scatter", "mode": "markers", "x": gaps,
        "y": [str(trial.number) for trial in trials],
        "error_x": {
            "type": "data", "symmetric": False, "color": INK, "thickness": 1, "width": 3,
            "array": [max(high - gap, 0.0) for high, gap in zip(highs, gaps, strict=True)],
            "arrayminus": [max(gap - low, 0.0) for low, gap in zip(lows, gaps, strict=True)],
        },
        "marker": {"color": colours, "size": 8},
        "text": [_label(trial) for trial in trials],
        "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip


def _label(trial: TiedTrial) -> str:
    return hover(
        [
            ("trial", f"{trial.number}"),
            ("cost", f"{trial.cost:.4f}"),
            ("difference", interval_text(trial)),
            ("as good in", f"{100 * trial.chance:.0f} % of the resamples"),
            *((label_of(name).long, axis_number(value)) for name, value in trial.params.items()),
        ]
    )
