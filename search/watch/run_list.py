"""The runs of a folder as a table, with a row for each."""

from collections.abc import Sequence
from dataclasses import dataclass

from model.errors import PacksweepError
from search.config import Params, label_of
from search.record import Summary
from search.storage import Place
from search.text import duration, number_text, table_lines, wrapped
from search.watch.run_state import RunState

_BEFORE = ("run", "state", "trials", "cost")
_BEHIND = ("test cost", "correct", "time", "data", "started (UTC)")
_SPARE = ("data", "started (UTC)", "time", "correct", "test cost")


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


@dataclass(frozen=True)
class Seen:
    """The cells of a run's row.

    Attributes
    ----------
    before, behind : tuple of str
        Those before its hyperparameters, and those behind them.
    params : dict of str to str
        The best value of each hyperparameter, by name.
    """

    before: tuple[str, ...]
    params: dict[str, str]
    behind: tuple[str, ...]

    def row(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the row in a table with these hyperparameters."""
        return (*self.before, *(self.params.get(name, "") for name in names), *self.behind)


def look(path: Place) -> Seen | Unreadable:
    """Return the cells of a run's row, or why it cannot be read."""
    try:
        return _seen(RunState.read(path))
    except PacksweepError as error:
        return Unreadable(path, str(error))


def list_lines(paths: Sequence[Place], width: int | None = None) -> list[str]:
    """Return a table of runs, and below it the reason for each that cannot be read.

    It has a column for each hyperparameter that one of the runs has.
    """
    looked = [look(path) for path in paths]
    known = [run for run in looked if isinstance(run, Seen)]
    names = list(dict.fromkeys(name for run in known for name in run.params))
    short = tuple(label_of(name).short for name in names)
    header = (*_BEFORE, *short, *_BEHIND)
    rows = [
        run.row(names) if isinstance(run, Seen) else _unread(run, len(header)) for run in looked
    ]
    wrong = [f"{run.path}: {run.reason}" for run in looked if isinstance(run, Unreadable)]
    notes = [line for text in wrong for part in text.split("\n") for line in wrapped(part, width)]
    spare = (*_SPARE, *short[::-1])
    return [*table_lines(header, rows, width, spare), *([""] if notes else []), *notes]


def _unread(run: Unreadable, cells: int) -> tuple[str, ...]:
    return (run.path.name, "unreadable", *[""] * (cells - 2))


def _seen(state: RunState) -> Seen:
    """Return the cells of a run; only the log of an unfinished run is read."""
    summary = state.summary
    found = outcome_of(state)
    test = summary.test if summary else None
    before = (
        state.folder.path.name,
        state.name,
        f"{found.done}/{state.config.total}",
        "-" if found.cost is None else f"{found.cost:.4f}",
    )
    params = {name: _value(found.params, name) for name in state.layout.axes}
    behind = (
        f"{test.cost:.4f}" if test else "-",
        f"{100 * test.accuracy:.2f} %" if test else "-",
        duration(summary.timing.wall_s) if summary else "-",
        state.manifest.dataset["name"],
        state.manifest.created_at[:16].replace("T", " "),
    )
    return Seen(before, params, behind)


@dataclass(frozen=True)
class Outcome:
    """How many trials of a run are done, and the cost and the params of the best one."""

    done: int
    cost: float | None = None
    params: Params | None = None


def outcome_of(state: RunState) -> Outcome:
    """Return what has come of a run so far; only the log of an unfinished one is read."""
    return _finished(state.summary) if state.summary else _unfinished(state)


def _finished(summary: Summary) -> Outcome:
    best = summary.best
    if best is None:
        return Outcome(summary.trials.ended)
    return Outcome(summary.trials.ended, best.cost(summary.readout), best.params)


def _unfinished(state: RunState) -> Outcome:
    best = state.standings.best_trial
    if best is None:
        return Outcome(state.standings.finished)
    return Outcome(state.standings.finished, state.standings.best_cost, best.params)


def _value(params: Params | None, name: str) -> str:
    return number_text(params[name]) if params and name in params else "-"
