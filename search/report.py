"""The report of a run as one HTML file that needs nothing else."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from search.durable import write_atomically
from search.manifest import Manifest
from search.progress import duration
from search.run_folder import RunFolder
from search.space import AXES
from search.store import TrialStore
from search.summary import result_lines

_TOP = 10

# A cost below this is zero in float32, and has no logarithm.
_NOTHING = 1e-7


def write_report(
    folder: RunFolder, manifest: Manifest, store: TrialStore, summary: Mapping[str, Any]
) -> None:
    """Write report.html of a finished run.

    Raises
    ------
    StoreError
        If it cannot be written, or the log not be read.
    """
    names = ("number", "val_cost", "val_accuracy", *AXES)
    trials = dict(zip(names, store.columns(*names), strict=True))
    environment = Environment(
        loader=PackageLoader("search"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["duration"] = duration
    html = environment.get_template("report.html.j2").render(
        name=folder.path.resolve().name,
        summary=summary,
        manifest=manifest,
        result=result_lines(summary),
        top=top_trials(trials),
        maps=[best_by(trials, "learning_rate", "alpha"), best_by(trials, "batch_size", "epochs")],
    )
    write_atomically(folder.report, lambda file: file.write(html.encode()))


def top_trials(trials: Mapping[str, NDArray[Any]]) -> list[dict[str, float]]:
    """Return the trials with the lowest validation cost, the best first."""
    finite = np.flatnonzero(np.isfinite(trials["val_cost"]))
    order = np.lexsort([trials["number"][finite], trials["val_cost"][finite]])[:_TOP]
    return [{name: values[i].item() for name, values in trials.items()} for i in finite[order]]


def best_by(trials: Mapping[str, NDArray[Any]], across: str, down: str) -> dict[str, Any]:
    """Return the lowest cost for each pair of values of two hyperparameters.

    Costs that are not finite count for nothing; a pair without any is None.
    """
    columns, column = np.unique(trials[across], return_inverse=True)
    rows, row = np.unique(trials[down], return_inverse=True)
    table = np.full((len(rows), len(columns)), np.inf)
    np.fmin.at(table, (row, column), trials["val_cost"])
    finite = table[np.isfinite(table)]
    shade = partial(_shade, low=finite.min(initial=np.inf), high=finite.max(initial=-np.inf))
    return {
        "across": across,
        "down": down,
        "columns": columns.tolist(),
        "rows": [
            {"value": value, "cells": [shade(cost) for cost in costs]}
            for value, costs in zip(rows.tolist(), table.tolist(), strict=True)
        ],
    }


def _shade(cost: float, low: float, high: float) -> dict[str, float] | None:
    """Return a cost and how dark its cell is: by its logarithm, for a few costs are huge."""
    if not np.isfinite(cost):
        return None
    darkest, own, lightest = np.log(np.maximum([low, cost, high], _NOTHING))
    return {"cost": cost, "shade": float(1 - (own - darkest) / (lightest - darkest or 1.0))}
