"""The first section: what the run found, and what it took."""

from search.record import TOP, Summary
from search.report.run_data import Columns, best_first
from search.result import result_lines
from search.text import duration

# What plain loops reported, in the order of `result_lines`; the test follows a retraining.
_ORIGINAL = ("35", "1", "5e-07", "32", "0.4336", "0.4558", "84.26 %")


def result_table(summary: Summary) -> list[tuple[str, str, str]]:
    """Return label, value and originally reported value, which is empty for other data sets."""
    lines = result_lines(summary)
    known = summary.dataset.name == "fashion-mnist" and len(lines) == len(_ORIGINAL)
    originals = _ORIGINAL if known else ("",) * len(lines)
    return [(*line, original) for line, original in zip(lines, originals, strict=True)]


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


def top_trials(trials: Columns) -> list[dict[str, float]]:
    """Return the trials with the lowest validation cost, the best first.

    Parameters
    ----------
    trials : mapping of str to ndarray
        Columns of the log, among them ``number`` and ``val_cost``.
    """
    return [
        {name: values[i].item() for name, values in trials.items()}
        for i in best_first(trials["val_cost"])[:TOP]
    ]
