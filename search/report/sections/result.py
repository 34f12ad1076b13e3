"""The first section: the result, what it took, and the best trials."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.results import FinalScore
from search.config import Reference
from search.record import TOP, Summary
from search.report.run_data import Columns, best_first
from search.result import cost_line, params_lines, result_lines, score_lines
from search.text import duration


@dataclass(frozen=True)
class ResultTable:
    """The result, and what was reported elsewhere for the same sweep.

    Attributes
    ----------
    rows : list of tuple of str
        Label, value and the reported value, which is empty where there is none to show.
    note : str
        A sentence on the reported values.
    """

    rows: list[tuple[str, str, str]]
    note: str = ""

    @property
    def has_reference(self) -> bool:
        """Whether there are reported values to show."""
        return any(reported for _, _, reported in self.rows)


def result_table(summary: Summary, reference: Reference | None) -> ResultTable:
    """Return the result beside the reference of its grid, if that is of the same data set."""
    lines = result_lines(summary)
    if reference is None or reference.dataset != summary.dataset.name:
        return ResultTable([(*line, "") for line in lines])
    reported = dict(_reference_lines(reference, summary.dataset.rows))
    note = f"Originally: {reference.note}." if reference.note else ""
    return ResultTable([(*line, reported.get(line[0], "")) for line in lines], note)


def _reference_lines(reference: Reference, rows: str) -> list[tuple[str, str]]:
    return [
        *params_lines(reference.params),
        cost_line(f"{reference.val_cost:.4f}"),
        *score_lines(FinalScore(reference.test_cost, reference.test_accuracy), rows),
    ]


def figures(summary: Summary) -> list[tuple[str, str]]:
    """Return counts and times, each with its name."""
    trials, timing, saved = summary.trials, summary.timing, summary.arithmetic.saved
    counts = {"complete": trials.complete, "pruned": trials.pruned, "failed": trials.failed}
    found = {name: f"{count:,}" for name, count in counts.items() if count}
    found["wall clock"] = duration(timing.wall_s)
    if timing.training_s:
        found["training"] = duration(timing.training_s)
    found["compute time"] = duration(timing.compute_s)
    if timing.gflops:
        found["GFLOP/s per worker"] = f"{timing.gflops:.0f}"
    if saved:
        found["arithmetic saved"] = f"{100 * saved:.0f} %"
    return list(found.items())


def top_trials(trials: Columns, losses: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Return the best trials, the best first.

    Parameters
    ----------
    trials : mapping of str to ndarray
        Columns of the log.
    losses : ndarray of shape (n,), float64
        The least is the best; what is not finite is none.
    """
    return [
        {name: values[[i]].tolist()[0] for name, values in trials.items()}
        for i in best_first(losses)[:TOP]
    ]
