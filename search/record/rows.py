"""From a link's result to the rows of its trials in the log, and what is kept for later ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.results import LegResult, LinkResult
from search.plan import NO_TRIAL, Leg, Link, Pack
from search.record.checkpoints import Checkpoint
from search.record.log import (
    COMPLETE,
    DIVERGED,
    FAIL,
    PRUNED,
    READOUTS,
    SOFTMAX_LAYOUT,
    Layout,
    metric_column,
)

Rows = dict[str, Any]

# Beside the columns of the log, until a link's rows are together. No hyperparameter has a name
# with a blank.
_COLUMN = "column of the pack"


def record(
    link: Link,
    result: LinkResult,
    node: str,
    before: Checkpoint,
    layout: Layout = SOFTMAX_LAYOUT,
) -> tuple[Rows, Checkpoint]:
    """Return the log's columns for the trials that a link finishes, and the new checkpoint.

    Parameters
    ----------
    link : Link
    result : LinkResult
    node : str
        Address of the machine it ran on.
    before : Checkpoint
        The checkpoint of the link's pack before it.
    layout : Layout
        The columns of the log that depend on the trainer; by one of them trials are compared.

    Returns
    -------
    rows : dict of str to array or scalar
        Empty where nothing was scored.
    after : Checkpoint
    """
    pack, parts = link.pack, []
    seconds, reports = before.seconds.copy(), before.reports.copy()
    for leg, ended in zip(link.legs, result.legs, strict=True):
        seconds[leg.columns] += ended.seconds / len(leg.columns)
        if not ended.scores:
            continue
        figures = _figures(ended, layout.compared) | {"train_cost": _train_cost(ended)}
        # Infinite: diverged. NaN: not scored at this epoch.
        values, worst = figures[layout.compared], layout.objective.worst
        reports[leg.scored, leg.position] = np.where(np.isfinite(values), values, worst)
        figures["seconds"] = seconds[leg.scored]
        errors = _reasons(ended, values, layout)
        parts.append(_complete(leg, figures, errors, layout.readout.cost))
        seconds[leg.scored[leg.numbers != NO_TRIAL]] = 0.0
    times = (node, result.started_at, result.finished_at, link.attempt)
    after = Checkpoint(result.state, link.legs[-1].columns, seconds, reports, *times)
    return _finished(pack, parts, after) if parts else {}, after


def pruned_rows(
    pack: Pack,
    columns: NDArray[np.int64],
    rung: int,
    after: Checkpoint,
    layout: Layout = SOFTMAX_LAYOUT,
) -> Rows:
    """Return the log's columns for the trials of some columns that go no further than a rung.

    Parameters
    ----------
    pack : Pack
    columns : ndarray of int64
        The pruned columns of the pack.
    rung : int
        The epoch that they reached.
    after : Checkpoint
        The checkpoint of the pack at the rung.
    layout : Layout
        The columns of the log that depend on the trainer.
    """
    reached = pack.stops.index(rung)
    ahead = pack.numbers[columns, reached + 1 :]
    row, later = np.nonzero(ahead != NO_TRIAL)
    column = columns[row]
    share = after.seconds[column] / np.bincount(row, minlength=len(columns))[row]
    part = _params(pack, column, reached + 1 + later) | {
        "state": np.full(len(row), PRUNED),
        **{name: np.full(len(row), np.nan) for name in layout.figures},
        "last_cost": _last_cost(after, column, reached, layout),
        "last_epoch": np.full(len(row), rung, np.int32),
        "seconds": share,
        "error": np.full(len(row), None),
    }
    return _finished(pack, [part], after)


def _last_cost(
    after: Checkpoint, columns: NDArray[np.int64], position: int, layout: Layout
) -> NDArray[np.float64]:
    """Return the cost of some columns at a stop, if that is what they were reported by."""
    reports = after.reports[columns, position]
    return reports if layout.objective.is_cost else np.full(len(columns), np.nan)


def _complete(leg: Leg, figures: Rows, errors: Sequence[str | None], cost_name: str) -> Rows:
    """Rows of the trials that end with a leg; a cost that is not finite is a failure.

    Parameters
    ----------
    leg : Leg
    figures : dict of str to ndarray of shape (k,)
        Costs, accuracies and seconds of the leg's scored columns.
    errors : sequence of str or None
        Why each of them has failed, if it is known to have.
    cost_name : str
        The column of the cost by the readout that selects.
    """
    done = leg.numbers != NO_TRIAL
    columns = leg.scored[done]
    figures = {name: values[done] for name, values in figures.items()}
    cost = figures[cost_name]
    finite = np.isfinite(cost)
    reasons = np.array(errors, object)[done]
    return _params(leg.pack, columns, np.full(len(columns), leg.position)) | {
        "state": np.where(finite, COMPLETE, FAIL),
        **figures,
        "last_cost": cost,
        "last_epoch": np.full(len(columns), leg.epoch, np.int32),
        "error": np.array(
            [None if ok else why or DIVERGED for ok, why in zip(finite, reasons, strict=True)],
            object,
        ),
    }


def _figures(ended: LegResult, compared: str) -> Rows:
    """Costs, accuracies and other metrics under their names in the log.

    What diverges by one readout, or has no value to be compared by, has no figures.
    """
    scores = ended.scores
    others = {metric_column(name): values for name, values in ended.metrics.items()}
    needed = [score.cost for score in scores.values()]
    if compared in others:
        needed.append(others[compared])
    finite = np.isfinite(needed).all(axis=0)
    pairs = [(READOUTS[name], score) for name, score in scores.items()]
    return {
        **{readout.cost: np.where(finite, score.cost, np.nan) for readout, score in pairs},
        **{readout.accuracy: np.where(finite, score.accuracy, np.nan) for readout, score in pairs},
        **{name: np.where(finite, values, np.nan) for name, values in others.items()},
    }


def _reasons(ended: LegResult, values: NDArray[np.float64], layout: Layout) -> list[str | None]:
    """Return why each column has failed: as its trainer says, or because nothing compares it.

    None where the column has not failed, or its cost alone says that it has.
    """
    given = ended.errors or [None] * len(values)
    costs = np.isfinite([score.cost for score in ended.scores.values()]).all(axis=0)
    without = f"{layout.objective.title} has no value on the validation rows"
    lacks = costs & ~np.isfinite(values)
    return [
        why or (without if lacking else None)
        for why, lacking in zip(given, lacks.tolist(), strict=True)
    ]


def _train_cost(ended: LegResult) -> NDArray[np.float64]:
    """Return the cost that training descends: not a number where it is not wanted or finite."""
    if ended.train_cost is None:
        return np.full(len(next(iter(ended.scores.values())).cost), np.nan)
    return np.where(np.isfinite(ended.train_cost), ended.train_cost, np.nan)


def _params(pack: Pack, columns: NDArray[np.int64], positions: NDArray[np.int64]) -> Rows:
    return {
        "number": pack.numbers[columns, positions],
        **pack.params(columns, positions),
        _COLUMN: columns,
    }


def _finished(pack: Pack, parts: Sequence[Rows], after: Checkpoint) -> Rows:
    """Join the parts, and add what is the same for all rows of a link."""
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    column, last = rows.pop(_COLUMN), rows["last_epoch"]
    return rows | {
        "reports": _reports(pack, column, last, after.reports) if pack.rungs else None,
        "pack": pack.index,
        "node": after.node,
        "started_at": after.started_at,
        "finished_at": after.finished_at,
        "attempt": after.attempt,
        "source": None,
    }


def _reports(
    pack: Pack, column: NDArray[np.int64], last: Any, reports: NDArray[np.float64]
) -> list[list[tuple[int, float]]]:
    """Epoch and cost at each stop that a trial has passed, as far as it was scored."""
    epochs = np.array(pack.stops)
    passed = ~np.isnan(reports[column]) & (epochs <= np.reshape(last, (-1, 1)))
    return [
        list(zip(epochs[mine].tolist(), reports[m, mine].tolist(), strict=True))
        for m, mine in zip(column.tolist(), passed, strict=True)
    ]
