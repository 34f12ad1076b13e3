"""The result of a sweep in words: what the command prints at the end."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from model.examples import AVERAGE
from model.features import RAW
from model.results import FinalScore
from search.command import program
from search.config import Params, in_order, label_of, title_of
from search.record import READOUTS, Arithmetic, Summary, Timing
from search.result.best import edge_warnings, top_lines
from search.result.guessing import Axes, guessing_lines
from search.result.optimality_gap import optimum_lines
from search.result.spread import cost_text, spread_rows, trainings_lines
from search.result.tie_words import tie_lines
from search.storage import Place, RemotePath, place
from search.text import counted, duration, signed, table_lines, value_text, wrapped

# Seconds of training below which the start of the tasks decides, and no prediction is compared.
_WORTH_PREDICTING = 5.0


def result_lines(summary: Summary) -> list[tuple[str, str]]:
    """Return settings and figures of the result in their traditional order, each with its name."""
    if summary.best is None:
        return [("result", f"none, {summary.trials.why_none}")]
    lines = [
        *params_lines(summary.best.params),
        *metric_lines("validation", summary.best.metrics),
        cost_line(cost_text(summary.best, summary.readout)),
    ]
    if summary.test is None:
        return [*lines, ("test", f"the data set has no test {summary.dataset.rows}")]
    return [
        *lines,
        *metric_lines("test", summary.test.metrics),
        *score_lines(summary.test, summary.dataset.rows),
    ]


def metric_lines(part: str, metrics: Mapping[str, float] | None) -> list[tuple[str, str]]:
    """Return the lines of the result that have what is known beside cost and accuracy."""
    return [(f"{part} {title_of(name)}", f"{value:.4f}") for name, value in (metrics or {}).items()]


def params_lines(params: Params) -> list[tuple[str, str]]:
    """Return the lines of the result that name the best hyperparameters."""
    return [(f"best {label_of(name).long}", value_text(params[name])) for name in in_order(params)]


def cost_line(cost: str) -> tuple[str, str]:
    """Return the line of the result that has the validation cost."""
    return "validation cost", cost


def score_lines(test: FinalScore, rows: str) -> list[tuple[str, str]]:
    """Return the lines of the result that have the test figures, of ``images`` or ``rows``."""
    return [
        ("test cost after retraining", f"{test.cost:.4f}"),
        (f"test {rows} correct", f"{100 * test.accuracy:.2f} %"),
    ]


def readout_rows(summary: Summary) -> list[tuple[str, ...]]:
    """Return the best trial's figures by each readout below a header; the selecting one is marked.

    Without test figures there are no rows.
    """
    best, tests = summary.best, summary.tests
    if best is None or AVERAGE not in tests:
        return []
    rows = [
        (
            readout.title + (" *" if readout == summary.readout else ""),
            cost_text(best, readout),
            f"{tests[name].cost:.4f}",
            f"{100 * tests[name].accuracy:.2f} %",
        )
        for name, readout in READOUTS.items()
    ]
    return [("(* selects)", "validation cost", "test cost", "correct"), *rows]


def result_text(
    summary: Summary,
    run_dir: str,
    axes: Axes,
    width: int | None = None,
    server: str = "",
) -> str:
    """Return what the command prints at the end.

    Parameters
    ----------
    summary : Summary
    run_dir : str
        The run's folder as the user calls it, or the identity of a sweep.
    axes : mapping of str to tuple or Range
        The values or the range of each hyperparameter.
    width : int, optional
        Columns of the terminal. Tables and sentences are fitted to it; the traditional lines of
        the result are not.
    server : str
        Address of the service whose sweep it is; empty where it is a run here.
    """
    run = f"sweep {run_dir} of {server}" if server else run_dir
    following = _next_lines_elsewhere(run_dir, server) if server else _next_lines(run_dir)
    return "\n".join(
        [
            _head(summary),
            "",
            *_early_lines(summary, width, server),
            *_worse_lines(summary, axes, width),
            *_aligned(result_lines(summary)),
            "",
            *_more_lines(summary, axes, following, width),
            *trainings_lines(summary),
            *_saved_lines(summary.arithmetic),
            *_prediction_lines(summary.timing),
            f"{_written(run_dir)} are in {run}",
        ]
    )


def _aligned(lines: list[tuple[str, str]]) -> list[str]:
    width = max(26, *(len(name) for name, _ in lines))
    return [f"  {name:<{width}}  {value}" for name, value in lines]


def _worse_lines(summary: Summary, axes: Axes, width: int | None) -> list[str]:
    lines = guessing_lines(summary, axes, width)
    return [*lines, ""] if lines else []


def _early_lines(summary: Summary, width: int | None, server: str) -> list[str]:
    if summary.ended_early is None:
        return []
    left = summary.trials.total - summary.trials.ended
    way_on = (
        "a clone of the sweep trains them and takes over the others."
        if server
        else "the same command continues with them, without this limit or with another one."
    )
    text = (
        f"It has ended early, because {summary.ended_early}. {left} trials were left out: {way_on}"
    )
    return [*wrapped(text, width), ""]


def _head(summary: Summary) -> str:
    trials, features = summary.trials, summary.features
    counts = {"complete": trials.complete, "pruned": trials.pruned, "failed": trials.failed}
    shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    seen = "" if features == RAW else f", {features} features"
    return (
        f"{counted(trials.total, 'trial')} on {summary.dataset.name}{seen}: {shown}, "
        f"in {duration(summary.timing.wall_s)}"
    )


def _more_lines(
    summary: Summary,
    axes: Axes,
    following: list[str],
    width: int | None,
) -> list[str]:
    """Return the best trials, what to think of the best one, and what to do next."""
    if summary.best is None:
        return []
    warnings = edge_warnings(summary.best.params, axes)
    blocks = [
        *_tables(summary, width),
        top_lines(summary.top, width, summary.readout, summary.compared_by),
        _compared_lines(summary, width) or tie_lines(summary, width),
        optimum_lines(summary, width),
        [line for text in warnings for line in wrapped(text, width)],
        following,
    ]
    return [line for block in blocks if block for line in (*block, "")]


def _compared_lines(summary: Summary, width: int | None) -> list[str]:
    """Say by what trials were compared, where it was not by cost."""
    objective = summary.compared_by
    if objective.is_cost:
        return []
    which = "greatest" if objective.greater else "least"
    text = (
        f"Trials were compared by {objective.title}, the {which} being the best. How many cannot "
        "be told apart from the best one is only computed for costs."
    )
    return wrapped(text, width)


def _tables(summary: Summary, width: int | None) -> list[list[str]]:
    """Return the figures by readout, and their spread over final trainings."""
    tables = [
        (readout_rows(summary), ("validation cost",)),
        (spread_rows(summary), ("smallest", "largest")),
    ]
    return [table_lines(rows[0], rows[1:], width, spare) for rows, spare in tables if rows]


def _next_lines(run_dir: str) -> list[str]:
    """Return commands, which are not broken so that they can be copied."""
    run = shlex.quote(run_dir)
    opened = [] if _lacks_report(run_dir) else [_how_to_open(place(run_dir), run_dir)]
    return [
        *opened,
        f"Wider: {program('run')} --grid ./wider.toml --reuse {run}",
        f"For Optuna's dashboard: {program('export')} {run} --storage sqlite:///trials.db",
    ]


def _lacks_report(run_dir: str) -> bool:
    """Whether a run on this machine has no report: what draws it may not be installed."""
    run = place(run_dir)
    try:
        return isinstance(run, Path) and run.is_dir() and not (run / "report.html").is_file()
    except OSError:  # what is said is not worth more than the result that it is said of
        return True


def _written(run_dir: str) -> str:
    return "Log and model" if _lacks_report(run_dir) else "Log, model and report"


def _next_lines_elsewhere(sweep: str, server: str) -> list[str]:
    return [
        f"For a browser: {program('report')} {sweep} --server {server}",
        "For Optuna's dashboard: "
        f"{program('export')} {sweep} --server {server} --storage sqlite:///trials.db",
    ]


def _how_to_open(run: Place, run_dir: str) -> str:
    if isinstance(run, RemotePath):
        return (
            f"Copy {shlex.quote(str(run / 'report.html'))} from the store to open it in a browser"
        )
    return f"Open {shlex.quote(run_dir + '/report.html')} in a browser"


def _saved_lines(work: Arithmetic) -> list[str]:
    if not work.saved:
        return []
    return [
        f"Pruning saved {100 * work.saved:.0f} % of the arithmetic: {work.trained_epochs} of "
        f"{work.unpruned_epochs} epochs of single trajectories were trained"
    ]


def _prediction_lines(timing: Timing) -> list[str]:
    predicted, actual = timing.predicted_training_s, timing.training_s
    if not predicted or actual < _WORTH_PREDICTING:
        return []
    error = signed(100 * (predicted / actual - 1), 0)
    return [f"Training took {duration(actual)} (predicted: {duration(predicted)}, {error} %)"]
