"""The columns of a log in memory, in any order and page by page."""

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.errors import ConfigError
from search.record import PartColumns, RunFolder, layout_of, read_new_columns

# Tables that are kept in memory, and orders of each.
_KEPT, _ORDERS = 8, 4

_STATE = ("number", "state")
_REST = ("last_cost", "last_epoch", "seconds", "pack", "node", "attempt", "error", "source")

Value = float | int | str | bool | None


@dataclass(frozen=True)
class Page:
    """Some trials, in an order.

    Attributes
    ----------
    columns : sequence of str
    rows : sequence of list
        The values of a trial in the order of the columns.
    after : list or None
        What to ask for the next page with; None where there is none.
    total : int
        Trials of the table.
    """

    columns: Sequence[str]
    rows: Sequence[list[Value]]
    after: list[Value] | None
    total: int


@dataclass
class TrialTable:
    """The trials of a run that have a row.

    Attributes
    ----------
    columns : dict of str to ndarray
        By the name of the log's column; ``number`` is among them.
    axes, figures : tuple of str
        Names of the hyperparameters and of the metrics.
    select : str
        The cost of the readout that selects, which pictures show.
    """

    columns: dict[str, NDArray[Any]]
    axes: tuple[str, ...]
    figures: tuple[str, ...]
    select: str

    # What was worked out of a column, by its name; an order by its name with the sign.
    _ranks: dict[str, tuple[list[Value], NDArray[np.int64]]] = field(default_factory=dict)
    _orders: dict[str, "_Order"] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: RunFolder, known: PartColumns) -> "TrialTable":
        """Read the log of a run, which may be growing.

        Parameters
        ----------
        folder : RunFolder
        known : PartColumns
            What was read before; see `read_new_columns`.

        Raises
        ------
        StoreError
            If it cannot be read.
        """
        manifest = folder.existing_manifest()
        config = manifest.sweep_config
        layout = layout_of(config)
        names = (*_STATE, *layout.axes, *layout.figures, *_REST)
        found = read_new_columns(folder.trials, known, *names, run=manifest.run, layout=layout)
        select = "val_cost_avg" if config.select == "average" else "val_cost"
        return cls(dict(zip(names, found, strict=True)), layout.axes, layout.figures, select)

    def __len__(self) -> int:
        return len(self.columns["number"])

    def ranks(self, name: str) -> tuple[list[Value], NDArray[np.int64]]:
        """Return the different values of a column in their order, and the place of each trial's.

        A value that is missing comes last.
        """
        if name not in self._ranks:
            column = self.column(name)
            self._ranks[name] = (
                _ranked(column) if column.dtype.hasobject else _ranked_numbers(column)
            )
        return self._ranks[name]

    def column(self, name: str) -> NDArray[Any]:
        """Return a column.

        Raises
        ------
        ConfigError
            If there is none of this name.
        """
        if name not in self.columns:
            raise ConfigError(
                f"There is no column {name!r}; columns are {', '.join(self.columns)}."
            )
        return self.columns[name]

    def order(self, order: str) -> "_Order":
        """Return the trials in an order; see `page`."""
        found = self._orders.get(order)
        if found is None:
            values, places = self.ranks(order.removeprefix("-"))
            sign = -1.0 if order.startswith("-") else 1.0
            found = _Order.of(values, places, self.columns["number"], sign)
            while len(self._orders) >= _ORDERS:
                self._orders.pop(next(iter(self._orders), ""), None)
            self._orders[order] = found
        return found

    def page(
        self, order: str, after: Sequence[Value] | None, limit: int, columns: Sequence[str] = ()
    ) -> Page:
        """Return the trials that come next in an order.

        Parameters
        ----------
        order : str
            Name of a column; the greatest come first where it begins with a minus. Missing values
            come last, and equal ones by number.
        after : sequence or None
            The value and the number of the last trial of the page before, as `Page.after` has it.
            A trial that has come meanwhile is on the page where it belongs, and none comes twice.
        limit : int
        columns : sequence of str
            Which columns; all where none is named.

        Raises
        ------
        ConfigError
            If there is no such column, or `after` is none of this order.
        """
        names = list(columns) or list(self.columns)
        picked = [self.column(column) for column in names]
        found = self.order(order)
        start = found.behind(after) if after is not None else 0
        shown = found.trials[start : start + limit]
        values = [[_plain(v) for v in column[shown].tolist()] for column in picked]
        rows = [list(row) for row in zip(*values, strict=True)]
        if start + limit >= len(self):
            return Page(names, rows, None, len(self))
        return Page(names, rows, found.cursor(start + limit - 1), len(self))


@dataclass(frozen=True)
class _Order:
    """Trials in an order.

    Attributes
    ----------
    trials : ndarray of shape (n,), int64
        Places of the trials in the columns of the table.
    keys : ndarray of shape (n,), float64
        By which they are ordered, growing; infinite where a value is missing.
    numbers : ndarray of shape (n,), int64
        Growing where keys are equal.
    values : list
        The different values, in their own order.
    sign : float
        -1 where the greatest come first, else 1.
    """

    trials: NDArray[np.int64]
    keys: NDArray[np.float64]
    numbers: NDArray[np.int64]
    values: list[Value]
    sign: float

    @classmethod
    def of(
        cls,
        values: list[Value],
        places: NDArray[np.int64],
        numbers: NDArray[np.int64],
        sign: float,
    ) -> "_Order":
        """Put trials in order."""
        keys = sign * places.astype(np.float64)
        if values and values[-1] is None:
            keys[places == len(values) - 1] = np.inf
        trials = np.lexsort([numbers, keys]).astype(np.int64)
        return cls(trials, keys[trials], numbers[trials], values, sign)

    def cursor(self, place: int) -> list[Value]:
        """Return what names a trial in this order: its value and its number."""
        key = self.keys[place]
        value = None if np.isinf(key) else self.values[int(self.sign * key)]
        return [value, int(self.numbers[place])]

    def behind(self, cursor: Sequence[Value]) -> int:
        """Return the place behind a trial, which need not be there any more."""
        try:
            value, number = cursor
            key = self._key(value)
            start = int(np.searchsorted(self.keys, key, "left"))
            stop = int(np.searchsorted(self.keys, key, "right"))
            if not isinstance(number, int):
                raise TypeError
            return start + int(np.searchsorted(self.numbers[start:stop], number, "right"))
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"{list(cursor)} is no cursor of this order.") from error

    def _key(self, value: Value) -> float:
        if value is None:
            return math.inf
        if value in self.values:
            return self.sign * self.values.index(value)
        known: list[Any] = [v for v in self.values if v is not None]
        less = sum(1 for v in known if v < value)
        return self.sign * (less - 0.5)


def _ranked_numbers(column: NDArray[Any]) -> tuple[list[Value], NDArray[np.int64]]:
    if np.issubdtype(column.dtype, np.floating):  # what is infinite is missing too
        column = np.where(np.isfinite(column), column, np.nan)
    values, places = np.unique(column, return_inverse=True)
    return [_plain(value) for value in values.tolist()], places.astype(np.int64)


def _ranked(column: NDArray[Any]) -> tuple[list[Value], NDArray[np.int64]]:
    """Rank values of any types: those of a type together, missing ones last."""
    plain = [_plain(value) for value in column.tolist()]
    known = sorted({v for v in plain if v is not None}, key=lambda v: (type(v).__name__, v))
    values: list[Value] = [*known, *([None] if None in plain else [])]
    place = {(type(value), value): i for i, value in enumerate(values)}
    return values, np.array([place[type(value), value] for value in plain], np.int64)


def _plain(value: Any) -> Value:
    """Return a value as JSON takes it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


class TrialTables:
    """Reads the log of a run once for all who look, and again where it has grown."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By folder: what tells one state of the log from another, the table, and its files by name.
        self._kept: OrderedDict[Path, tuple[object, TrialTable, PartColumns]] = OrderedDict()

    def get(self, folder: Path) -> TrialTable:
        """Return the trials of a run.

        Raises
        ------
        RunFolderError
            If there is no run yet.
        StoreError
            If its log cannot be read.
        """
        run = RunFolder(folder)
        stamp = _stamp(run.trials) if isinstance(run.trials, Path) else None
        with self._lock:
            known = self._kept.get(folder)
            if known is None or known[0] != stamp:
                parts = known[2] if known else {}
                known = stamp, TrialTable.read(run, parts), parts
                self._kept[folder] = known
            self._kept.move_to_end(folder)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return known[1]


def _stamp(trials: Path) -> object:
    """Return what tells a folder of files, none of which is ever changed, from what it was."""
    try:
        names = sorted(path.name for path in trials.glob("[!.]*.parquet"))
        return names, trials.stat().st_mtime_ns
    except OSError:
        return object()  # which is like nothing that was before
