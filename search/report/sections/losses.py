"""The section on trials that did not reach their end: which diverged and which were pruned."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.config import EPOCHS, in_order
from search.record import COMPLETE, FAIL, PRUNED
from search.report.axis import Axis
from search.report.charts import COMPLETE_COLOUR, FAIL_COLOUR, PRUNED_COLOUR, Chart
from search.report.run_data import Columns, RunData

_STATES = {
    COMPLETE: ("complete", COMPLETE_COLOUR),
    PRUNED: ("pruned", PRUNED_COLOUR),
    FAIL: ("failed", FAIL_COLOUR),
}


def state_counts(axis: Axis, trials: Columns) -> tuple[list[str], dict[str, NDArray[np.intp]]]:
    """Return the texts of the bars of an axis, and the number of trials in each, by state."""
    index, texts = axis.bins(trials[axis.name])
    return texts, {
        state: np.bincount(index[trials["state"] == state], minlength=len(texts))
        for state in _STATES
    }


def _hardly(run: RunData) -> tuple[str, ...]:
    """Return the hyperparameters that hardly decide whether a trial fails."""
    return (EPOCHS, "alpha") if run.config.trainer.is_softmax else (EPOCHS,)


def loss_charts(run: RunData) -> list[Chart]:
    """Return the charts; none where every trial is complete."""
    states = run.trials["state"]
    if (states == COMPLETE).all():
        return []
    names = [name for name in in_order(run.axes) if name not in _hardly(run)]
    axes = [run.axes[name] for name in names if run.axes[name].varies]
    charts = [_by_axis(axis, run.trials) for axis in axes]
    return [*charts, *([_by_epoch(run.trials)] if (states == PRUNED).any() else [])]


def _by_axis(axis: Axis, trials: Columns) -> Chart:
    texts, counts = state_counts(axis, trials)
    bars = [
        _bars(texts, counts[state], name, colour)
        for state, (name, colour) in _STATES.items() if counts[state].any()
    ]  # fmt: skip
    xaxis = {"title": {"text": axis.label}, "type": "category", "showgrid": False}
    return Chart(f"states-{axis.name}", f"By {axis.label}", bars, _layout(xaxis), height=320)


def _by_epoch(trials: Columns) -> Chart:
    pruned = trials["state"] == PRUNED
    epochs, counts = np.unique(trials["last_epoch"][pruned], return_counts=True)
    bars = _bars(list(map(str, epochs.tolist())), counts, "pruned", PRUNED_COLOUR)
    xaxis = {"title": {"text": "epochs trained"}, "type": "category", "showgrid": False}
    return Chart("pruned-at", "When trials were pruned", [bars], _layout(xaxis), height=320)


def _bars(x: list[str], y: Any, name: str, colour: str) -> dict[str, Any]:
    return {
        "type": "bar", "x": x, "y": y, "name": name, "marker": {"color": colour},
        "hovertemplate": "%{x}: %{y} " + name + "<extra></extra>",
    }  # fmt: skip


def _layout(xaxis: dict[str, Any]) -> dict[str, Any]:
    return {
        "barmode": "stack", "bargap": 0.25, "xaxis": xaxis,
        "yaxis": {"title": {"text": "trials"}},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    }  # fmt: skip
