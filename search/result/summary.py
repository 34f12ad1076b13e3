"""The result of a sweep: as a value for summary.json, and in words."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from model.data.dataset import Dataset
from model.features import RAW
from model.tasks import AVERAGE, LAST, FinalScore, FinalScores
from search.config import Range
from search.record import COMPLETE, FAIL, PRUNED, READOUTS, Readout, Standings
from search.result.best import as_told, edge_warnings, top_lines
from search.result.optimality_gap import optimum_lines
from search.result.spread import cost_text, spread, spread_rows, trainings_lines
from search.result.ties import indistinguishable_lines
from search.result.work import Arithmetic
from search.storage import Place, RemotePath, place
from search.text import duration, table_lines, wrapped

# Seconds; the start of the tasks decides how long less takes.
_WORTH_PREDICTING = 5.0


def make_summary(
    standings: Standings,
    tests: Mapping[str, FinalScore],
    data: Dataset,
    timing: Mapping[str, float | None],
    work: Arithmetic,
) -> dict[str, Any]:
    """Return the contents of summary.json for a finished sweep."""
    best, test = standings.best_trial, tests.get(standings.select)
    return {
        "state": "complete",
        "trials": {
            "total": standings.total,
            "complete": standings.states[COMPLETE],
            "pruned": standings.states[PRUNED],
            "failed": standings.states[FAIL],
        },
        "best": best and as_told(best),
        "top": [as_told(trial) for trial in standings.top],
        "select": standings.select,
        "test": test and asdict(test),
        "tests": {name: asdict(score) for name, score in tests.items()},
        "dataset": {"name": data.name, "fingerprint": data.fingerprint},
        "timing": dict(timing),
        "arithmetic": {
            "trained_epochs": work.trained,
            "unpruned_epochs": work.unpruned,
            "saved": work.saved,
        },
    }


def selected(summary: Mapping[str, Any]) -> Readout:
    """Return the readout by which the trials of a run are compared."""
    return READOUTS[summary.get("select", LAST)]


def readout_rows(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the best trial's figures by each readout below a header; the selecting one is marked.

    Parameters
    ----------
    summary : mapping
        What `make_summary` has returned; without test figures there are no rows.
    """
    best, tests = summary["best"], summary.get("tests", {})
    if best is None or AVERAGE not in tests:
        return []
    rows = [
        (
            readout.title + (" *" if readout == selected(summary) else ""),
            cost_text(best, readout.cost),
            f"{tests[name]['cost']:.4f}",
            f"{100 * tests[name]['accuracy']:.2f} %",
        )
        for name, readout in READOUTS.items()
    ]
    return [("(* selects)", "validation cost", "test cost", "correct"), *rows]


def result_lines(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return settings and figures of the result in their traditional order."""
    best, test = summary["best"], summary["test"]
    if best is None:
        return [("result", "none, every trial has failed")]
    params = best["params"]
    lines = [
        ("best number of epochs", f"{params['epochs']}"),
        ("best alpha", f"{params['alpha']:g}"),
        ("best learning rate", f"{params['learning_rate']:g}"),
        ("best mini-batch size", f"{params['batch_size']}"),
        ("validation cost", cost_text(best, selected(summary).cost)),
    ]
    if test is None:
        return [*lines, ("test", "the data set has no test images")]
    return [
        *lines,
        ("test cost after retraining", f"{test['cost']:.4f}"),
        ("test images correct", f"{100 * test['accuracy']:.2f} %"),
    ]


def result_text(
    summary: Mapping[str, Any],
    run_dir: str,
    axes: Mapping[str, tuple[float, ...] | Range],
    width: int | None = None,
) -> str:
    """Return what the command prints at the end.

    Parameters
    ----------
    summary : mapping
        What `make_summary` has returned, now or earlier.
    run_dir : str
        As the user calls it.
    axes : mapping of str to tuple or Range
        What was searched.
    width : int, optional
        Of the terminal, to which what is longer than the old lines is fitted.
    """
    trials, timing = summary["trials"], summary["timing"]
    features = summary.get("features", RAW)
    seen = "" if features == RAW else f", {features} features"
    counts = ", ".join(f"{trials[k]} {k}" for k in ("complete", "pruned", "failed") if trials[k])
    return "\n".join(
        [
            f"{trials['total']} trials on {summary['dataset']['name']}{seen}: {counts}, "
            f"in {duration(timing['wall_s'])}",
            "",
            *(f"  {name:<26}  {value}" for name, value in result_lines(summary)),
            "",
            *_more_lines(summary, axes, run_dir, width),
            *trainings_lines(summary),
            *_saved_lines(summary["arithmetic"]),
            *_prediction_lines(timing),
            f"Log, model and report are in {run_dir}",
        ]
    )


def _more_lines(
    summary: Mapping[str, Any],
    axes: Mapping[str, tuple[float, ...] | Range],
    run_dir: str,
    width: int | None,
) -> list[str]:
    """Return the best trials, what to think of the best one, and what to do next."""
    if summary["best"] is None:
        return []
    # A run of an earlier version has no list of the best.
    top = top_lines(summary.get("top", []), width, selected(summary))
    warnings = edge_warnings(summary["best"]["params"], axes)
    edges = [line for text in warnings for line in wrapped(text, width)]
    tied, optima = indistinguishable_lines(summary, width), optimum_lines(summary, width)
    return [
        line
        for part in (*_tables(summary, width), top, tied, optima, edges, _next_lines(run_dir))
        if part
        for line in (*part, "")
    ]


def _tables(summary: Mapping[str, Any], width: int | None) -> list[list[str]]:
    """Return the figures by readout, and their spread over final trainings."""
    tables = [
        (readout_rows(summary), ("validation cost",)),
        (spread_rows(summary), ("smallest", "largest")),
    ]
    return [table_lines(rows[0], rows[1:], width, spare) for rows, spare in tables if rows]


def _next_lines(run_dir: str) -> list[str]:
    """Return commands, which are not broken so that they can be copied."""
    run = shlex.quote(run_dir)
    return [
        _how_to_open(place(run_dir), run_dir),
        f"Wider: python -m search.run --grid ./wider.toml --reuse {run}",
        f"For Optuna's dashboard: python -m search.export {run} --storage sqlite:///trials.db",
    ]


def _how_to_open(run: Place, run_dir: str) -> str:
    if isinstance(run, RemotePath):
        return (
            f"Copy {shlex.quote(str(run / 'report.html'))} from the store to open it in a browser"
        )
    return f"Open {shlex.quote(run_dir + '/report.html')} in a browser"


def _saved_lines(work: Mapping[str, Any]) -> list[str]:
    if not work["saved"]:
        return []
    return [
        f"Pruning saved {100 * work['saved']:.0f} % of the arithmetic: {work['trained_epochs']} of "
        f"{work['unpruned_epochs']} epochs of single trajectories were trained"
    ]


def _prediction_lines(timing: Mapping[str, Any]) -> list[str]:
    predicted, actual = timing["predicted_training_s"], timing["training_s"]
    if not predicted or actual < _WORTH_PREDICTING:
        return []
    error = 100 * (predicted / actual - 1)
    return [
        f"Training took {duration(actual)}, predicted were {duration(predicted)} ({error:+.0f} %)"
    ]


def lacks_refits(summary: Mapping[str, Any], count: int) -> bool:
    """Whether a finished run has fewer final trainings than are asked for."""
    refits = summary.get("refits")  # an earlier version knew of one
    return summary["best"] is not None and count > (len(refits["seeds"]) if refits else 1)


def with_refits(
    summary: Mapping[str, Any], seeds: Sequence[int], tests: Sequence[FinalScores]
) -> dict[str, Any]:
    """Return a run's summary with the test figures of its final trainings.

    Parameters
    ----------
    summary : mapping
    seeds : sequence of int
        Of the final trainings.
    tests : sequence of mapping
        What each final training gave, the run's own first; none where no trial won.
    """
    if not tests:
        return {**summary, "refits": None}
    first = {name: asdict(score) for name, score in tests[0].items()}
    test = first.get(summary["select"])
    return {
        **summary,
        "test": test,
        "tests": first,
        "refits": spread(seeds, tests),
    }
