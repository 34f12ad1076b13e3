"""The columns of a log in memory, in any order and page by page."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from search.errors import ConfigError, StoreError
from search.record import (
    Coded,
    Column,
    Manifest,
    PartColumns,
    RunFolder,
    layout_of,
    read_new_columns,
)
from search.storage import listed
from search.view.ordered import Order, Ranked, Value, by_number, plain

# Tables that are kept in memory, and orders of each.
_KEPT, _ORDERS = 8, 4

# Logs that are read at a time: reading one takes more memory than its table has.
_AT_A_TIME = 2

# What is small, of as many runs.
_SMALL_KEPT = 1000

_T = TypeVar("_T")

_STATE = ("number", "state")
_REST = ("last_cost", "last_epoch", "seconds", "pack", "node", "attempt", "error", "source")
_TIMES = ("started_at", "finished_at")
# All trials of a link have its times.
_CODED = ("state", "last_epoch", "pack", "node", "attempt", "error", "source", *_TIMES)


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
    within : int
        Requested trials, on this page and others.
    """

    columns: Sequence[str]
    rows: Sequence[list[Value]]
    after: list[Value] | None
    total: int
    within: int


@dataclass
class TrialTable:
    """The trials of a run that have a row.

    Few different values take a byte a trial, and metrics a float.

    Attributes
    ----------
    columns : dict of str to ndarray or Coded
        By the name of the log's column; ``number`` is among them. Words and hyperparameters are
        coded.
    axes, figures : tuple of str
        Names of the hyperparameters and of the metrics.
    select : str
        The cost of the readout that selects, which pictures show.
    times : dict of str to Coded
        When the links of the trials started and finished, which pages do not have.
    """

    columns: dict[str, Column]
    axes: tuple[str, ...]
    figures: tuple[str, ...]
    select: str
    times: dict[str, Column] = field(default_factory=dict)

    # What was worked out of a column, by its name; an order by its name with the sign.
    _ranked: dict[str, Ranked] = field(default_factory=dict)
    _orders: dict[str, Order] = field(default_factory=dict)
    # What others have worked out of it, by what that is.
    worked_out: dict[Any, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, column in list(self.columns.items()):
            if not isinstance(column, Coded) and (name in self.axes or column.dtype.hasobject):
                self.columns[name] = Coded.of(column)

    @classmethod
    def read(
        cls, folder: RunFolder, known: PartColumns, manifest: Manifest | None = None
    ) -> "TrialTable":
        """Read the log of a run, which may be growing.

        Parameters
        ----------
        folder : RunFolder
        known : PartColumns
            What was read before; see `read_new_columns`.
        manifest : Manifest, optional
            The folder's manifest, if it was read before.

        Raises
        ------
        StoreError
            If it cannot be read.
        """
        manifest = manifest or folder.existing_manifest()
        config = manifest.sweep_config
        layout = layout_of(config)
        names = (*_STATE, *layout.axes, *layout.figures, *_REST, *_TIMES)
        found = read_new_columns(
            folder.trials, known, *names, run=manifest.run, layout=layout,
            coded=(*layout.axes, *_CODED),
        )  # fmt: skip
        select = "val_cost_avg" if config.select == "average" else "val_cost"
        columns = dict(zip(names, found, strict=True))
        times = {name: columns.pop(name) for name in _TIMES}
        return cls(columns, layout.axes, layout.figures, select, times)

    def __len__(self) -> int:
        return len(self.columns["number"])

    def arrays(self, *names: str) -> tuple[NDArray[Any], ...]:
        """Return some columns of the log as `search.record.read_columns` does."""
        columns = {**self.columns, **self.times}
        return tuple(np.asarray(columns[name][:]) for name in names)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The numbers of the trials."""
        return np.asarray(self.columns["number"])

    @property
    def costs(self) -> NDArray[np.float64]:
        """The cost of each trial by the readout that selects; not finite where it has none."""
        return np.asarray(self.columns[self.select], np.float64)

    @cached_property
    def by_number(self) -> NDArray[np.uint32]:
        """The places of the trials in the order of their numbers."""
        return by_number(self.numbers)

    def ranked(self, name: str) -> Ranked:
        """Return a column by the places of its values.

        Raises
        ------
        ConfigError
            If there is none of this name.
        """
        if name not in self._ranked:
            column = self.column(name)
            self._ranked[name] = Ranked.of(
                column if isinstance(column, Coded) else Coded.of(column)
            )
        return self._ranked[name]

    def column(self, name: str) -> Column:
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

    def order(self, order: str) -> Order:
        """Return the trials in an order; see `page`."""
        found = self._orders.get(order)
        if found is None:
            name = order.removeprefix("-")
            column = self.column(name)
            found = Order.of(
                self.ranked(name) if isinstance(column, Coded) else column,
                self.by_number, self.numbers, -1.0 if order.startswith("-") else 1.0,
            )  # fmt: skip
            while len(self._orders) >= _ORDERS:
                self._orders.pop(next(iter(self._orders), ""), None)
            self._orders[order] = found
        return found

    def page(
        self,
        order: str,
        after: Sequence[Value] | None,
        limit: int,
        columns: Sequence[str] = (),
        among: NDArray[np.bool_] | None = None,
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
        among : ndarray of shape (n,), bool, optional
            Which trials of the table; all where it is left out.

        Raises
        ------
        ConfigError
            If there is no such column, or `after` is none of this order.
        """
        names = list(columns) or list(self.columns)
        picked = [self.column(column) for column in names]
        found = self.order(order)
        if among is not None:
            found = replace(found, trials=found.trials[among[found.trials]])
        start = found.behind(after) if after is not None else 0
        shown = found.trials[start : start + limit]
        values = [[plain(v) for v in column[shown].tolist()] for column in picked]
        rows = [list(row) for row in zip(*values, strict=True)]
        within = len(found.trials)
        following = found.cursor(start + limit - 1) if start + limit < within else None
        return Page(names, rows, following, len(self), within)

    def sources(self) -> dict[str, int]:
        """Return from where trials were taken over, and how many from each."""
        column = self.column("source")
        assert isinstance(column, Coded)  # noqa: S101 - words are
        counts = np.bincount(column.codes, minlength=len(column.values))
        found = zip(column.values.tolist(), counts.tolist(), strict=True)
        return {source: count for source, count in found if source is not None and count}


class TrialTables:
    """Reads the log of a run once for all who look, and again where it has grown.

    Who looks at one run waits for nobody who looks at another one, as long as few are read.
    """

    def __init__(self) -> None:
        # Held around the dictionaries alone, never while anything is read.
        self._lock = threading.Lock()
        # Of each folder that is being read: held by who does so.
        self._reading: WeakValueDictionary[Path, threading.Lock] = WeakValueDictionary()
        self._places = threading.BoundedSemaphore(_AT_A_TIME)
        # By folder: what tells one state of the log from another, the table, and its files by name.
        self._kept: OrderedDict[Path, tuple[object, TrialTable, PartColumns]] = OrderedDict()
        # By folder and name: the same, and what follows from that log.
        self._small: OrderedDict[tuple[Path, str], tuple[object, Any]] = OrderedDict()

    def get(self, folder: Path, manifest: Manifest | None = None) -> TrialTable:
        """Return the trials of a run.

        Parameters
        ----------
        folder : Path
        manifest : Manifest, optional
            Its own, where it was read before: it never changes.

        Raises
        ------
        RunFolderError
            If there is no run yet.
        StoreError
            If its log cannot be read.
        """
        run = RunFolder(folder)
        with self._lock:
            reading = self._reading.setdefault(folder, threading.Lock())
        with reading:
            stamp = _stamp(run)
            with self._lock:
                known = self._kept.get(folder)
            if known is None or known[0] != stamp:
                parts = known[2] if known else {}
                with self._places:
                    known = stamp, TrialTable.read(run, parts, manifest), parts
            with self._lock:
                self._kept[folder] = known
                self._kept.move_to_end(folder)
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return known[1]

    def small(self, folder: Path, name: str, work_out: Callable[[], _T]) -> _T:
        """Return what follows from the log of a run; it is kept longer than the table.

        Parameters
        ----------
        folder : Path
        name : str
            Of what that is.
        work_out : callable
            Works it out, where the log was another one the last time.
        """
        stamp = _stamp(RunFolder(folder))  # before what is read, which may be newer
        with self._lock:
            before, found = self._small.get((folder, name), (None, None))
        if before is None or before != stamp:
            found = work_out()
        with self._lock:
            self._small[folder, name] = stamp, found
            self._small.move_to_end((folder, name))
            while len(self._small) > _SMALL_KEPT:
                self._small.popitem(last=False)
        return cast(_T, found)


def _stamp(run: RunFolder) -> object:
    """Return what tells a log, none of whose files is ever changed, from what it was."""
    trials = run.trials
    if not isinstance(trials, Path):
        return object()  # which is like nothing that was before
    try:
        names = [path.name for path in listed(trials, "[!.]*.parquet")]
        return names, trials.stat().st_mtime_ns
    except (OSError, StoreError):
        return object()  # which is like nothing that was before
