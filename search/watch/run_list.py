"""The runs of a folder, one line for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.errors import PacksweepError
from search.record import READOUTS
from search.result import as_told
from search.storage import Place
from search.text import duration, number_text, table_lines, wrapped
from search.watch.run_state import RunState

_HEADER = ("run", "state", "trials", "cost", "batch", "rate", "epochs", "alpha", "test cost",
           "correct", "time", "data", "started")  # fmt: skip
_SPARE = ("data", "started", "time", "correct", "test cost", "alpha", "epochs", "rate", "batch")


@dataclass(frozen=True)
class Unreadable:
    """A run that cannot be looked at.

    Attributes
    ----------
    path : Path or RemotePath
    reason : str
    """

    path: Place
    reason: str


def look(path: Place) -> tuple[str, ...] | Unreadable:
    """Return the cells of a run's line, or why there are none."""
    try:
        return _cells(RunState.read(path))
    except PacksweepError as error:
        return Unreadable(path, str(error))
    except (KeyError, TypeError) as error:  # a summary of another program
        return Unreadable(path, f"summary.json cannot be read ({type(error).__name__}: {error})")


def list_lines(paths: Sequence[Place], width: int | None = None) -> list[str]:
    """Return a table of runs, and under it what is wrong with those that cannot be read."""
    seen = [look(path) for path in paths]
    rows = [_unread(run) if isinstance(run, Unreadable) else run for run in seen]
    wrong = [f"{run.path}: {run.reason}" for run in seen if isinstance(run, Unreadable)]
    notes = [line for text in wrong for part in text.split("\n") for line in wrapped(part, width)]
    return [*table_lines(_HEADER, rows, width, _SPARE), *([""] if notes else []), *notes]


def _unread(run: Unreadable) -> tuple[str, ...]:
    return (run.path.name, "unreadable", *[""] * (len(_HEADER) - 2))


def _cells(state: RunState) -> tuple[str, ...]:
    done, best = _done_and_best(state)
    params = best["params"] if best else {}
    summary = state.summary or {}
    test = summary.get("test")
    return (
        state.folder.path.name,
        state.name,
        f"{done}/{state.config.total}",
        f"{best[READOUTS[state.config.select].cost]:.4f}" if best else "-",
        *(_value(params, name) for name in ("batch_size", "learning_rate", "epochs", "alpha")),
        f"{test['cost']:.4f}" if test else "-",
        f"{100 * test['accuracy']:.2f} %" if test else "-",
        duration(summary["timing"]["wall_s"]) if summary else "-",
        state.manifest.dataset["name"],
        state.manifest.created_at[:16].replace("T", " "),
    )


def _done_and_best(state: RunState) -> tuple[int, Mapping[str, Any] | None]:
    """Return what the summary knows; only the log of an unfinished run is read."""
    if state.summary:
        return state.summary["trials"]["total"], state.summary["best"]
    best = state.standings.best_trial
    return state.standings.finished, as_told(best) if best else None


def _value(params: Mapping[str, float], name: str) -> str:
    return number_text(params[name]) if name in params else "-"
