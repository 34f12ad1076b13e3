"""From trials to packs: which trials share a trajectory, which trajectories a product."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.trainers import Value, at_epoch, count_epochs
from search.config import EPOCHS, short_text

I64 = NDArray[np.int64]
Table = Mapping[str, NDArray[Any]]
"""An array with a value for each trial, by the name of the hyperparameter."""

NO_TRIAL = -1


@dataclass(frozen=True, eq=False)
class Pack:
    """Trajectories that are trained side by side.

    Attributes
    ----------
    index : int
        The pack's place in its plan.
    shared : dict of str to value
        Hyperparameters that all its trajectories have in common: of the softmax trainer the
        batch size, of one that trains each trajectory alone all but the epochs.
    columns : dict of str to ndarray of shape (M,)
        One column per trajectory: its value of each other hyperparameter.
    stops : tuple of int
        Epochs at which trials are read off or reported, increasing.
    numbers : ndarray of shape (M, len(stops)), int64
        Trial numbers; `NO_TRIAL` where a trajectory has no trial at a stop.
    rungs : tuple of int
        The stops at which every trajectory that goes on is reported.
    replicate : int
        The number of the training of its trials, from 0; see `search.config.replicates`.
    live : tuple of str
        Those of `columns` that have schedules: what these agree in is trained once.
    """

    index: int
    shared: dict[str, Value | None]
    columns: dict[str, NDArray[Any]]
    stops: tuple[int, ...]
    numbers: I64
    rungs: tuple[int, ...] = ()
    replicate: int = 0
    live: tuple[str, ...] = ()

    @property
    def kind(self) -> Any:
        """What is shared, as one value: packs with the same take as long for an epoch."""
        return kind_of(self.shared, tuple(self.shared))

    @property
    def label(self) -> str:
        """What is shared, in a few words."""
        return short_text(self.shared)

    @property
    def width(self) -> int:
        """Number of columns M."""
        return len(self.numbers)

    @property
    def epochs(self) -> I64:
        """Epochs of each trajectory, up to its last trial; shape (M,)."""
        epochs: I64 = np.where(self.numbers != NO_TRIAL, self.stops, 0).max(axis=1)
        return epochs

    @property
    def column_epochs(self) -> int:
        """Epochs of all trajectories together, each stretch that some have in common once."""
        if not self.live:
            return int(self.epochs.sum())
        return self.shared_epochs(np.arange(self.width), 0, self.epochs)

    def shared_epochs(self, columns: I64, start: int, lasts: I64) -> int:
        """Return the epochs that some columns train from one on, each stretch in common once.

        Parameters
        ----------
        columns : ndarray of shape (n,), int64
        start : int
            The epoch at which all of them stand.
        lasts : ndarray of shape (n,), int64
            The epoch to which each goes.
        """
        params = [self.column_params(m) for m in columns.tolist()]
        return count_epochs(params, self.live, start, lasts)

    def params(self, columns: I64, positions: I64) -> dict[str, NDArray[Any]]:
        """Return the params of some trials, as the log stores them.

        Parameters
        ----------
        columns, positions : ndarray of shape (n,), int64
            Where the trials stand in `numbers`: their rows and columns there.

        Returns
        -------
        dict of str to ndarray of shape (n,)
        """
        return {
            **{name: _full(len(columns), value) for name, value in self.shared.items()},
            EPOCHS: np.array(self.stops, np.int32)[positions],
            **{name: values[columns] for name, values in self.columns.items()},
        }

    def column_params(self, column: int) -> dict[str, Value]:
        """Return the hyperparameters of a trajectory, but for the epochs."""
        mine = self.shared | {name: _item(values[column]) for name, values in self.columns.items()}
        return {name: value for name, value in mine.items() if value is not None}


@dataclass(frozen=True)
class Plan:
    """All packs of a sweep.

    Attributes
    ----------
    packs : tuple of Pack
    """

    packs: tuple[Pack, ...]

    @cached_property
    def trials(self) -> int:
        """Number of trials."""
        return int(sum((pack.numbers != NO_TRIAL).sum() for pack in self.packs))

    @property
    def trajectories(self) -> int:
        """Number of columns over all packs."""
        return sum(pack.width for pack in self.packs)

    @property
    def column_epochs(self) -> int:
        """Epochs of all trajectories together."""
        return sum(pack.column_epochs for pack in self.packs)

    @property
    def trial_epochs(self) -> int:
        """Epochs of all trials together, if each were trained alone."""
        return sum(int(((p.numbers != NO_TRIAL) * p.stops).sum()) for p in self.packs)


Widths = Mapping[Any, int] | int
"""Columns that a pack may have: one number, or one for each `Pack.kind`."""

SOFTMAX_PACKS = ("batch_size",)


def make_plan(  # noqa: PLR0913, PLR0917
    numbers: I64,
    params: Table,
    width: Widths,
    rungs: Sequence[int] = (),
    first_pack: int = 0,
    pack_by: Sequence[str] = SOFTMAX_PACKS,
    live: Sequence[str] = (),
) -> Plan:
    """Group trials into packs.

    Trials that differ in their epochs alone share a trajectory. The trajectories
    that agree in `pack_by` are split evenly into packs, the longest first. Those whose
    schedules begin alike stay together, since they have epochs in common: they are split as
    one.

    Parameters
    ----------
    numbers : ndarray of shape (n,), int64
        Trial numbers, each once.
    params : mapping of str to ndarray of shape (n,)
        The value of each hyperparameter for each trial; no two trials agree in all.
    width : mapping of value to int, or int
        Columns that a pack may have, for each value of `pack_by`; see `Pack.kind`.
    rungs : sequence of int
        Epochs at which all trajectories are reported to a pruner, increasing.
    first_pack : int
        Index of the first pack.
    pack_by : sequence of str
        The hyperparameters that all trajectories of a pack have in common.
    live : sequence of str
        Those that have schedules.

    Returns
    -------
    Plan
        The same for the same trials in whatever order.

    Examples
    --------
    Five trials on three trajectories make packs of two and of one column:

    >>> params = {
    ...     "batch_size": np.array([8, 8, 8, 8, 8]),
    ...     "learning_rate": np.array([0.1, 0.1, 0.2, 0.2, 0.3]),
    ...     "epochs": np.array([5, 10, 5, 10, 10]),
    ...     "alpha": np.zeros(5),
    ... }
    >>> plan = make_plan(np.arange(5), params, width={8: 2})
    >>> [(pack.columns["learning_rate"].tolist(), pack.stops) for pack in plan.packs]
    [([0.1], (5, 10)), ([0.2, 0.3], (5, 10))]
    >>> plan.packs[1].numbers.tolist()
    [[2, 3], [-1, 4]]
    """
    names = [name for name in params if name != EPOCHS]
    codes = {name: _coded(params[name]) for name in params}
    # Alike in these, trajectories stay in one pack; without schedules that is each alone.
    whole = [name for name in names if name not in live]
    for name in live:
        codes[_FIRST + name] = _coded(_first_values(params[name]))
        whole.append(_FIRST + name)
    order = _by_trajectory(codes, names, whole, pack_by)
    numbers, params, codes = numbers[order], _rows(params, order), _rows(codes, order)
    trajectory = np.cumsum(_changes(codes, *names)) - 1
    unit = np.cumsum(_changes(codes, *whole)) - 1
    packs: list[Pack] = []
    for rows in _runs(_changes(codes, *pack_by)):
        of_kind = unit[rows]
        count = int(of_kind[-1] - of_kind[0]) + 1
        shared = {name: _item(params[name][rows.start]) for name in pack_by}
        parts = math.ceil(count / _width(width, shared))
        cuts = rows.start + np.searchsorted(of_kind, of_kind[0] + even_bounds(count, parts))
        for start, stop in pairwise(cuts):
            part = slice(start, stop)
            index = first_pack + len(packs)
            mine = _rows(params, part)
            pack = _pack(index, shared, numbers[part], mine, trajectory[part], rungs)
            packs.append(replace(pack, live=tuple(live)))
    return Plan(tuple(packs))


def kind_of(params: Mapping[str, Any], pack_by: Sequence[str]) -> Any:
    """Return the `Pack.kind` of a trajectory; None stands for a hyperparameter that it lacks."""
    values = tuple(params.get(name) for name in pack_by)
    return values[0] if len(values) == 1 else values


_FIRST = "the first value of "


def _first_values(values: NDArray[Any]) -> NDArray[Any]:
    """Return the values with which schedules begin."""
    found = [None if v is None else at_epoch({"": v}, ("",), 0)[""] for v in values.tolist()]
    return np.array(found, object)


def _width(width: Widths, shared: Mapping[str, Any]) -> int:
    if isinstance(width, int):
        return width
    return width[kind_of(shared, tuple(shared))]


def _coded(values: NDArray[Any]) -> NDArray[Any]:
    """Return what compares as the values do: themselves, or numbers in place of objects.

    Equal objects get the same number, in the order of their text, so that a plan does not depend
    on the order of its trials.
    """
    if values.dtype != object:
        return values
    # A missing value comes first.
    known = sorted(set(values.tolist()), key=lambda value: (value is not None, str(value)))
    code = {value: i for i, value in enumerate(known)}
    return np.array([code[value] for value in values.tolist()], np.int64)


def _item(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _full(n: int, value: Any) -> NDArray[Any]:
    """Return an array of one value, of the type that the log has for it."""
    if isinstance(value, bool | float):
        return np.full(n, value)
    if isinstance(value, int):
        return np.full(n, value, np.int32 if -(2**31) <= value < 2**31 else np.int64)
    return np.full(n, value, object)


def even_bounds(count: int, parts: int) -> I64:
    """Return where each part begins and the last one ends, if things are split evenly.

    Examples
    --------
    >>> even_bounds(10, 4).tolist()
    [0, 2, 5, 7, 10]
    """
    return np.arange(parts + 1) * count // parts


def _by_trajectory(
    codes: Table, names: Sequence[str], whole: Sequence[str], pack_by: Sequence[str]
) -> NDArray[np.intp]:
    """Return the order in which a trajectory's trials stand together, by their epochs.

    Among those of a pack the longest trajectories come first, so that they end at about the same
    time; those that are alike in `whole` stay together.
    """
    n = len(codes[EPOCHS])
    keys = [codes[name] for name in reversed(names)]
    if whole != names:
        keys += [codes[name] for name in reversed(whole)]
    order = np.lexsort([codes[EPOCHS], *keys])  # by the last key first
    codes = _rows(codes, order)
    trajectory = np.cumsum(_changes(codes, *names)) - 1
    unit = np.cumsum(_changes(codes, *whole)) - 1
    longest = np.zeros(n, np.int64)
    np.maximum.at(longest, unit, codes[EPOCHS])
    kinds = [codes[name] for name in reversed(pack_by)]
    return order[np.lexsort([trajectory, -longest[unit], *kinds])]


def _changes(params: Table, *names: str) -> NDArray[np.bool_]:
    """Where a row differs from the one before in any of the named hyperparameters."""
    changed = np.zeros(len(params[EPOCHS]), bool)
    changed[:1] = True
    for name in names:
        changed[1:] |= params[name][1:] != params[name][:-1]
    return changed


def _runs(changed: NDArray[np.bool_]) -> list[slice]:
    bounds = [*np.flatnonzero(changed).tolist(), len(changed)]
    return [slice(a, b) for a, b in pairwise(bounds)]


def _rows(params: Table, rows: Any) -> dict[str, NDArray[Any]]:
    return {name: values[rows] for name, values in params.items()}


def _pack(  # noqa: PLR0913, PLR0917
    index: int,
    shared: Mapping[str, Any],
    numbers: I64,
    params: Table,
    trajectory: I64,
    rungs: Sequence[int],
) -> Pack:
    column = trajectory - trajectory[0]
    first = np.flatnonzero(np.diff(column, prepend=-1))
    epochs = params[EPOCHS]
    reached = [rung for rung in rungs if rung <= epochs.max()]
    stops = np.union1d(epochs, np.array(reached, epochs.dtype))
    table = np.full((len(first), len(stops)), NO_TRIAL, np.int64)
    table[column, np.searchsorted(stops, epochs)] = numbers
    return Pack(
        index=index,
        shared={**shared},
        columns={
            name: values[first]
            for name, values in params.items()
            if name != EPOCHS and name not in shared
        },
        stops=tuple(stops.tolist()),
        numbers=table,
        rungs=tuple(reached),
    )


def replicated(plan: Plan, count: int, total: int) -> Plan:
    """Return a plan for all replicates of the trials of a plan.

    Parameters
    ----------
    plan : Plan
        The packs of the first replicate.
    count : int
        Number of replicates of each trial.
    total : int
        Number of trials of the run.

    Returns
    -------
    Plan
        The packs of each replicate after those of the one before.
    """
    n = len(plan.packs)
    return Plan(tuple(_shifted(pack, r, n, total) for r in range(count) for pack in plan.packs))


def _shifted(pack: Pack, replicate: int, packs: int, total: int) -> Pack:
    numbers = np.where(pack.numbers == NO_TRIAL, NO_TRIAL, pack.numbers + replicate * total)
    index = pack.index + replicate * packs
    return replace(pack, index=index, numbers=numbers, replicate=replicate)
