"""From trials to packs: which trials share a trajectory, which trajectories a product."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.config import AXES, COLUMN_AXES, DTYPES, TRAJECTORY_AXES

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Table = Mapping[str, NDArray[Any]]
"""An array with a value for each trial, by the name of the hyperparameter."""

NO_TRIAL = -1


@dataclass(frozen=True, eq=False)
class Pack:
    """Trajectories of one batch size that are trained side by side.

    Attributes
    ----------
    index : int
        The pack's place in its plan.
    batch_size : int
        Rows in a mini-batch of every column.
    columns : dict of str to ndarray of shape (M,), float64
        One column per trajectory: its value of each of `COLUMN_AXES`.
    stops : tuple of int
        Epochs at which trials are read off or reported, increasing.
    numbers : ndarray of shape (M, len(stops)), int64
        Trial numbers; `NO_TRIAL` where a trajectory has no trial at a stop.
    rungs : tuple of int
        The stops at which every trajectory that goes on is reported.
    replicate : int
        The number of the training of its trials, from 0; see `search.config.replicates`.
    """

    index: int
    batch_size: int
    columns: dict[str, F64]
    stops: tuple[int, ...]
    numbers: I64
    rungs: tuple[int, ...] = ()
    replicate: int = 0

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
        """Epochs of all trajectories together."""
        return int(self.epochs.sum())

    def params(self, columns: I64, positions: I64) -> dict[str, NDArray[Any]]:
        """Return the params of some trials, as the log stores them.

        Parameters
        ----------
        columns, positions : ndarray of shape (n,), int64
            Where the trials stand in `numbers`: their rows and columns there.

        Returns
        -------
        dict of str to ndarray of shape (n,)
            In the order of `AXES`.
        """
        values: dict[str, Any] = {
            "batch_size": np.full(len(columns), self.batch_size),
            "epochs": np.array(self.stops)[positions],
            **{name: values[columns] for name, values in self.columns.items()},
        }
        return {name: values[name].astype(DTYPES[name]) for name in AXES}


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


def make_plan(
    numbers: I64,
    params: Table,
    width: Mapping[int, int],
    rungs: Sequence[int] = (),
    first_pack: int = 0,
) -> Plan:
    """Group trials into packs.

    Trials that agree in `TRAJECTORY_AXES` share a trajectory. The trajectories
    of a batch size are split evenly into packs, the longest first.

    Parameters
    ----------
    numbers : ndarray of shape (n,), int64
        Trial numbers, each once.
    params : mapping of str to ndarray of shape (n,)
        The value of each of `AXES` for each trial; no two trials agree in all.
    width : mapping of int to int
        Columns that a pack may have, for each batch size.
    rungs : sequence of int
        Epochs at which all trajectories are reported to a pruner, increasing.
    first_pack : int
        Index of the first pack.

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
    order = _by_trajectory(params)
    numbers, params = numbers[order], _rows(params, order)
    trajectory = np.cumsum(_changes(params, *TRAJECTORY_AXES)) - 1
    packs: list[Pack] = []
    for rows in _runs(_changes(params, "batch_size")):
        of_size = trajectory[rows]
        count = int(of_size[-1] - of_size[0]) + 1
        parts = math.ceil(count / width[int(params["batch_size"][rows.start])])
        cuts = rows.start + np.searchsorted(of_size, of_size[0] + even_bounds(count, parts))
        for start, stop in pairwise(cuts):
            part = slice(start, stop)
            index = first_pack + len(packs)
            packs.append(_pack(index, numbers[part], _rows(params, part), trajectory[part], rungs))
    return Plan(tuple(packs))


def even_bounds(count: int, parts: int) -> I64:
    """Return where each part begins and the last one ends, if things are split evenly.

    Examples
    --------
    >>> even_bounds(10, 4).tolist()
    [0, 2, 5, 7, 10]
    """
    return np.arange(parts + 1) * count // parts


def _by_trajectory(params: Table) -> NDArray[np.intp]:
    """Return the order in which a trajectory's trials stand together, by their epochs.

    Within a batch size the longest trajectories come first, so that those of a pack
    end at about the same time.
    """
    keys = [params[name] for name in reversed(TRAJECTORY_AXES)]
    order = np.lexsort([params["epochs"], *keys])  # by the last key first
    params = _rows(params, order)
    trajectory = np.cumsum(_changes(params, *TRAJECTORY_AXES)) - 1
    longest = np.zeros(len(order), np.int64)
    np.maximum.at(longest, trajectory, params["epochs"])
    return order[np.lexsort([trajectory, -longest[trajectory], params["batch_size"]])]


def _changes(params: Table, *names: str) -> NDArray[np.bool_]:
    """Where a row differs from the one before in any of the named hyperparameters."""
    changed = np.zeros(len(params[names[0]]), bool)
    changed[:1] = True
    for name in names:
        changed[1:] |= params[name][1:] != params[name][:-1]
    return changed


def _runs(changed: NDArray[np.bool_]) -> list[slice]:
    bounds = [*np.flatnonzero(changed).tolist(), len(changed)]
    return [slice(a, b) for a, b in pairwise(bounds)]


def _rows(params: Table, rows: Any) -> dict[str, NDArray[Any]]:
    return {name: values[rows] for name, values in params.items()}


def _pack(index: int, numbers: I64, params: Table, trajectory: I64, rungs: Sequence[int]) -> Pack:
    column = trajectory - trajectory[0]
    first = np.flatnonzero(np.diff(column, prepend=-1))
    epochs = params["epochs"]
    reached = [rung for rung in rungs if rung <= epochs.max()]
    stops = np.union1d(epochs, np.array(reached, epochs.dtype))
    table = np.full((len(first), len(stops)), NO_TRIAL, np.int64)
    table[column, np.searchsorted(stops, epochs)] = numbers
    return Pack(
        index=index,
        batch_size=int(params["batch_size"][0]),
        columns={name: params[name][first] for name in COLUMN_AXES},
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
