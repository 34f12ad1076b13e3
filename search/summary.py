"""The result of a sweep: as a value for summary.json, and in words."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from model.dataset import Dataset
from search.arithmetic import Arithmetic
from search.progress import duration
from search.refit import FinalScore
from search.store import COMPLETE, FAIL, PRUNED
from search.study import Study

# Seconds; the start of the tasks decides how long less takes.
_WORTH_PREDICTING = 5.0


def make_summary(
    study: Study,
    test: FinalScore | None,
    data: Dataset,
    timing: Mapping[str, float | None],
    work: Arithmetic,
) -> dict[str, Any]:
    """Return the contents of summary.json for a finished sweep."""
    best = study.best_trial
    return {
        "state": "complete",
        "trials": {
            "total": study.total,
            "complete": study.states[COMPLETE],
            "pruned": study.states[PRUNED],
            "failed": study.states[FAIL],
        },
        "best": best
        and {
            "number": best.number,
            "params": asdict(best.params),
            "val_cost": best.value,
            "val_accuracy": best.accuracy,
        },
        "test": test and {"cost": test.cost, "accuracy": test.accuracy},
        "dataset": {"name": data.name, "fingerprint": data.fingerprint},
        "timing": dict(timing),
        "arithmetic": {
            "trained_epochs": work.trained,
            "unpruned_epochs": work.unpruned,
            "saved": work.saved,
        },
    }


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
        ("validation cost", f"{best['val_cost']:.4f}"),
    ]
    if test is None:
        return [*lines, ("test", "the data set has no test images")]
    return [
        *lines,
        ("test cost after retraining", f"{test['cost']:.4f}"),
        ("test images correct", f"{100 * test['accuracy']:.2f} %"),
    ]


def result_text(summary: Mapping[str, Any], run_dir: str) -> str:
    """Return what the command prints at the end."""
    trials, timing = summary["trials"], summary["timing"]
    counts = ", ".join(f"{trials[k]} {k}" for k in ("complete", "pruned", "failed") if trials[k])
    return "\n".join(
        [
            f"{trials['total']} trials on {summary['dataset']['name']}: {counts}, "
            f"in {duration(timing['wall_s'])}",
            "",
            *(f"  {name:<26}  {value}" for name, value in result_lines(summary)),
            "",
            *_saved_lines(summary["arithmetic"]),
            *_prediction_lines(timing),
            f"Log, model and report are in {run_dir}",
        ]
    )


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
