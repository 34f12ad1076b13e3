"""Two runs side by side: their settings, their results, and the trials that both have."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.record import COMPLETE, Key
from search.text import fixed, signed, table_lines, wrapped
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
    # 1 and 1.0 are two values, though Python says that they are equal.
    if _kinds(a) != _kinds(b) or a.config.trainer.name != b.config.trainer.name:
        return Shared(0, 0, 0.0, 0)
    mine, theirs = _costs(a, a.layout.axes), _costs(b, a.layout.axes)
    keys = mine.keys() & theirs.keys()
    pairs = [(mine[key], theirs[key]) for key in keys]
    apart = [max(map(relative, x, y)) for x, y in pairs if x is not None and y is not None]
    return Shared(len(keys), len(apart), max(apart, default=0.0), sum(d > TOLERANCE for d in apart))


def _kinds(state: RunState) -> dict[str, str]:
    """Return of which kind the values of each hyperparameter are."""
    return {name: np.dtype(dtype).kind for name, dtype in state.layout.dtypes}


def _costs(state: RunState, axes: Sequence[str]) -> dict[Key, tuple[float, ...] | None]:
    """Return the costs of each trial by its params; None where it is not complete."""
    names = (*axes, "state", *(readout.cost for readout in state.layout.readouts.values()))
    columns = map(_without_nan, state.columns(*names))
    n = len(axes)
    return {
        row[:n]: row[n + 1 :] if row[n] == COMPLETE else None for row in zip(*columns, strict=True)
    }


def _without_nan(column: NDArray[Any]) -> list[Any]:
    """Return values with None for those that are missing, which are NaN among numbers."""
    values: list[Any] = column.tolist()
    missing = column != column  # noqa: PLR0124 - NaN is not itself
    for place in np.flatnonzero(missing).tolist():
        values[place] = None
    return values


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
    rows = [figure.row for figure in figures_of(a, b)]
    blocks = [
        _settings(a, b, width),
        table_lines(("", *names, "difference"), rows, width, ("difference",)),
        [line for text in _shared(a, b) for line in wrapped(text, width)],
    ]
    return [line for block in blocks for line in (*block, "")][:-1]


def differing(a: RunState, b: RunState) -> dict[str, tuple[Any, Any]]:
    """Return the settings that differ, with the values of both runs; None where one has none."""
    return a.manifest.differing(b.manifest)


def _settings(a: RunState, b: RunState, width: int | None) -> list[str]:
    different = differing(a, b)
    if not different:
        return ["The settings are the same."]
    texts = [f"{name}: {mine} and {theirs}" for name, (mine, theirs) in different.items()]
    return [
        "Settings that differ:", *(line for text in texts for line in wrapped(text, width))
    ]  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """A figure of two runs; None where one has none.

    Attributes
    ----------
    name : str
    values : tuple of float or None
    decimals : int
        How many are shown.
    """

    name: str
    values: tuple[float | None, float | None]
    decimals: int

    @property
    def difference(self) -> float | None:
        """The second value less the first."""
        one, other = self.values
        return None if one is None or other is None else other - one

    @property
    def row(self) -> tuple[str, str, str, str]:
        """The figure as a row of a table."""
        one, other = ("-" if v is None else fixed(v, self.decimals) for v in self.values)
        gap = self.difference
        return self.name, one, other, "-" if gap is None else signed(gap, self.decimals)


def figures_of(a: RunState, b: RunState) -> list[Figure]:
    """Return the figures in which two runs are compared."""
    return [
        _figure("trials done", a, b, lambda state: state.standings.finished, 0),
        _figure("validation cost", a, b, _best_cost, 4),
        _figure("test cost", a, b, lambda state: _test(state, "cost"), 4),
        _figure("test correct, %", a, b, lambda state: _test(state, "accuracy", 100), 2),
        _figure("wall time, s", a, b, lambda state: _timing(state, "wall_s"), 1),
        _figure("compute time, s", a, b, lambda state: _timing(state, "compute_s"), 1),
    ]


def _figure(
    name: str,
    a: RunState,
    b: RunState,
    of: Callable[[RunState], float | None],
    decimals: int,
) -> Figure:
    return Figure(name, (of(a), of(b)), decimals)


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
