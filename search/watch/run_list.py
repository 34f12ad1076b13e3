"""The runs of a folder as a table, with a row for each."""

from collections.abc import Sequence
from dataclasses import dataclass

from model.errors import PacksweepError
from search.config import AXES, LABELS, Params
from search.record import Summary
from search.storage import Place
from search.text import duration, number_text, table_lines, wrapped
from search.watch.run_state import RunState

_PARAMS = tuple(LABELS[name].short for name in AXES)
_HEADER = ("run", "state", "trials", "cost", *_PARAMS, "test cost", "correct", "time", "data",
           "started (UTC)")  # fmt: skip
_SPARE = ("data", "started (UTC)", "time", "correct", "test cost", *_PARAMS[::-1])


@dataclass(frozen=True)
class Unreadable:
    """A run that cannot be read.

    Attributes
    ----------
    path : Path or RemotePath
    reason : str
    """

    path: Place
    reason: str


def look(path: Place) -> tuple[str, ...] | Unreadable:
    """Return the cells of a run's row, or why it cannot be read."""
    try:
        return _cells(RunState.read(path))
    except PacksweepError as error:
        return Unreadable(path, str(error))


def list_lines(paths: Sequence[Place], width: int | None = None) -> list[str]:
    """Return a table of runs, and below it the reason for each that cannot be read."""
    seen = [look(path) for path in paths]
    rows = [_unread(run) if isinstance(run, Unreadable) else run for run in seen]
    wrong = [f"{run.path}: {run.reason}" for run in seen if isinstance(run, Unreadable)]
    notes = [line for text in wrong for part in text.split("\n") for line in wrapped(part, width)]
    return [*table_lines(_HEADER, rows, width, _SPARE), *([""] if notes else []), *notes]


def _unread(run: Unreadable) -> tuple[str, ...]:
    return (run.path.name, "unreadable", *[""] * (len(_HEADER) - 2))


def _cells(state: RunState) -> tuple[str, ...]:
    """Return the cells of a run; only the log of an unfinished run is read."""
    summary = state.summary
    found = _finished(summary) if summary else _unfinished(state)
    test = summary.test if summary else None
    return (
        state.folder.path.name,
        state.name,
        f"{found.done}/{state.config.total}",
        "-" if found.cost is None else f"{found.cost:.4f}",
        *(_value(found.params, name) for name in AXES),
        f"{test.cost:.4f}" if test else "-",
        f"{100 * test.accuracy:.2f} %" if test else "-",
        duration(summary.timing.wall_s) if summary else "-",
        state.manifest.dataset["name"],
        state.manifest.created_at[:16].replace("T", " "),
    )


@dataclass(frozen=True)
class _Found:
    """How many trials of a run are done, and the cost and the params of the best one."""

    done: int
    cost: float | None = None
    params: Params | None = None


def _finished(summary: Summary) -> _Found:
    best = summary.best
    if best is None:
        return _Found(summary.trials.total)
    return _Found(summary.trials.total, best.cost(summary.readout), best.params)


def _unfinished(state: RunState) -> _Found:
    best = state.standings.best_trial
    if best is None:
        return _Found(state.standings.finished)
    return _Found(state.standings.finished, best.value, best.params)


def _value(params: Params | None, name: str) -> str:
    return number_text(getattr(params, name)) if params else "-"
