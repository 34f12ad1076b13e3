"""Two runs side by side: their settings, their results, and the trials that both have."""

from collections.abc import Sequence
from dataclasses import dataclass

from search.record import COMPLETE, Key
from search.text import table_lines, wrapped
from search.watch.run_state import RunState

# Where training is stable, another plan changes a cost by less than this, relatively.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Shared:
    """Trials of the same params in two runs.

    Attributes
    ----------
    trials : int
        Number of trials with the same params, in whatever state.
    complete : int
        Number of those that are complete in both runs.
    largest : float
        Largest relative difference of their validation costs, by any readout.
    apart : int
        Number of complete ones whose costs differ by more than `TOLERANCE`.
    """

    trials: int
    complete: int
    largest: float
    apart: int


def shared_trials(a: RunState, b: RunState) -> Shared:
    """Compare the trials that both runs have."""
    if set(a.layout.axes) != set(b.layout.axes) or a.config.trainer.name != b.config.trainer.name:
        return Shared(0, 0, 0.0, 0)
    mine, theirs = _costs(a, a.layout.axes), _costs(b, a.layout.axes)
    keys = mine.keys() & theirs.keys()
    pairs = [(mine[key], theirs[key]) for key in keys]
    apart = [max(map(relative, x, y)) for x, y in pairs if x is not None and y is not None]
    return Shared(len(keys), len(apart), max(apart, default=0.0), sum(d > TOLERANCE for d in apart))


def _costs(state: RunState, axes: Sequence[str]) -> dict[Key, tuple[float, ...] | None]:
    """Return the costs of each trial by its params; None where it is not complete."""
    names = (*axes, "state", *(readout.cost for readout in state.layout.readouts.values()))
    columns = (column.tolist() for column in state.columns(*names))
    n = len(axes)
    return {
        row[:n]: row[n + 1 :] if row[n] == COMPLETE else None for row in zip(*columns, strict=True)
    }


def relative(x: float, y: float) -> float:
    """Return the difference of two numbers as a fraction of the larger one."""
    largest = max(abs(x), abs(y))
    return abs(x - y) / largest if largest else 0.0


def comparison_lines(a: RunState, b: RunState, width: int | None = None) -> list[str]:
    """Return how two runs differ, in words and figures.

    Parameters
    ----------
    a, b : RunState
    width : int, optional
        Columns of the terminal.
    """
    names = (str(a.folder.path), str(b.folder.path))
    blocks = [
        _settings(a, b, width),
        table_lines(("", *names, "difference"), _figures(a, b), width, ("difference",)),
        [line for text in _shared(a, b) for line in wrapped(text, width)],
    ]
    return [line for block in blocks for line in (*block, "")][:-1]


def _settings(a: RunState, b: RunState, width: int | None) -> list[str]:
    mine, theirs = a.manifest.settings(), b.manifest.settings()
    names = dict.fromkeys((*mine, *theirs))
    different = [name for name in names if mine.get(name) != theirs.get(name)]
    if not different:
        return ["The settings are the same."]
    texts = [f"{name}: {mine.get(name)} and {theirs.get(name)}" for name in different]
    return [
        "Settings that differ:", *(line for text in texts for line in wrapped(text, width))
    ]  # fmt: skip


def _figures(a: RunState, b: RunState) -> list[tuple[str, str, str, str]]:
    return [
        _figure("trials done", [state.standings.finished for state in (a, b)], "{:.0f}"),
        _figure("validation cost", [_best_cost(state) for state in (a, b)], "{:.4f}"),
        _figure("test cost", [_test(state, "cost") for state in (a, b)], "{:.4f}"),
        _figure("test correct, %", [_test(state, "accuracy", 100) for state in (a, b)], "{:.2f}"),
        _figure("wall time, s", [_timing(state, "wall_s") for state in (a, b)], "{:.1f}"),
        _figure("compute time, s", [_timing(state, "compute_s") for state in (a, b)], "{:.1f}"),
    ]


def _figure(name: str, values: list[float | None], form: str) -> tuple[str, str, str, str]:
    x, y = values
    cells = ["-" if value is None else form.format(value) for value in values]
    signed = form.replace("{:", "{:+")
    return name, cells[0], cells[1], "-" if x is None or y is None else signed.format(y - x)


def _best_cost(state: RunState) -> float | None:
    return state.standings.best_cost


def _test(state: RunState, name: str, factor: float = 1) -> float | None:
    test = state.summary.test if state.summary else None
    return factor * getattr(test, name) if test else None


def _timing(state: RunState, name: str) -> float | None:
    seconds: float | None = getattr(state.summary.timing, name) if state.summary else None
    return seconds


def _shared(a: RunState, b: RunState) -> list[str]:
    shared = shared_trials(a, b)
    if not shared.trials:
        return ["No trial of one has the params of a trial of the other."]
    found = f"{shared.trials} trials have the same params in both, {shared.complete} are complete."
    if not shared.complete:
        return [found]
    return [
        found,
        f"Their validation costs differ by {shared.largest:.2g} at most, relatively; "
        f"{shared.apart} of them by more than {TOLERANCE:g}.",
    ]
