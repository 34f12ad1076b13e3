"""From trials to packs: which trials share a trajectory, which trajectories a product."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

NO_TRIAL = -1


@dataclass(frozen=True)
class Pack:
    """Trajectories of one batch size that are trained side by side.

    Attributes
    ----------
    index : int
        The pack's place in its plan.
    batch_size : int
    learning_rate, alpha : ndarray of shape (M,)
        One column per trajectory.
    checkpoints : tuple of int
        Epochs at which trials are read off or reported, increasing.
    numbers : ndarray of shape (M, len(checkpoints)), int64
        Trial numbers; `NO_TRIAL` where a trajectory has none at a checkpoint.
    rungs : tuple of int
        The checkpoints at which every trajectory that goes on is reported.
    replicate : int
        Which of the trainings of its trials this is; see `search.config.replicates`.
    """

    index: int
    batch_size: int
    learning_rate: F64
    alpha: F64
    checkpoints: tuple[int, ...]
    numbers: I64
    rungs: tuple[int, ...] = ()
    replicate: int = 0

    @property
    def width(self) -> int:
        """Number of columns M."""
        return len(self.learning_rate)

    @property
    def epochs(self) -> I64:
        """Epochs of each trajectory, up to its last trial; shape (M,)."""
        epochs: I64 = np.where(self.numbers != NO_TRIAL, self.checkpoints, 0).max(axis=1)
        return epochs

    @property
    def column_epochs(self) -> int:
        """Epochs of all trajectories together."""
        return int(self.epochs.sum())


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
    def links(self) -> int:
        """Number of times that a pack is scored: its links, where none is cut or joined."""
        return sum(len(pack.checkpoints) for pack in self.packs)

    @property
    def column_epochs(self) -> int:
        """Epochs of all trajectories together."""
        return sum(pack.column_epochs for pack in self.packs)


def make_plan(
    numbers: I64,
    params: Mapping[str, NDArray[Any]],
    width: Mapping[int, int],
    rungs: Sequence[int] = (),
    first_pack: int = 0,
) -> Plan:
    """Group trials into packs.

    Trials that differ in nothing but their epochs share a trajectory; the
    trajectories of a batch size are split evenly into packs.

    Parameters
    ----------
    numbers : ndarray of shape (n,), int64
        Trial numbers, each once.
    params : mapping of str to ndarray of shape (n,)
        ``batch_size``, ``learning_rate``, ``epochs`` and ``alpha`` of each; no
        two trials have the same.
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
    """
    order = _by_trajectory(params)
    numbers, columns = numbers[order], {name: values[order] for name, values in params.items()}
    trajectory = np.cumsum(_changes(columns, "batch_size", "learning_rate", "alpha")) - 1
    packs: list[Pack] = []
    for rows in _runs(_changes(columns, "batch_size")):
        batch_size = int(columns["batch_size"][rows.start])
        first = trajectory[rows]
        count = int(first[-1] - first[0]) + 1
        bounds = first[0] + _even_bounds(count, width[batch_size])
        cuts = rows.start + np.searchsorted(first, bounds)
        for start, stop in pairwise(cuts):
            part = slice(start, stop)
            index = first_pack + len(packs)
            pack = _pack(index, numbers[part], _slice(columns, part), trajectory[part], rungs)
            packs.append(pack)
    return Plan(tuple(packs))


def _by_trajectory(params: Mapping[str, NDArray[Any]]) -> NDArray[np.intp]:
    """Return the order in which a trajectory's trials stand together, by their epochs.

    Of a batch size the longest trajectories come first, so that those of a pack
    end at about the same time.
    """
    order = np.lexsort([params[k] for k in ("epochs", "alpha", "learning_rate", "batch_size")])
    columns = {name: values[order] for name, values in params.items()}
    starts = _changes(columns, "batch_size", "learning_rate", "alpha")
    trajectory = np.cumsum(starts) - 1
    longest = np.zeros(len(order), np.int64)
    np.maximum.at(longest, trajectory, columns["epochs"])
    return order[np.lexsort([trajectory, -longest[trajectory], columns["batch_size"]])]


def _changes(columns: Mapping[str, NDArray[Any]], *names: str) -> NDArray[np.bool_]:
    """Where a row differs from the one before in any of the named columns."""
    changed = np.zeros(len(columns[names[0]]), bool)
    changed[:1] = True
    for name in names:
        changed[1:] |= columns[name][1:] != columns[name][:-1]
    return changed


def _runs(changed: NDArray[np.bool_]) -> list[slice]:
    bounds = [*np.flatnonzero(changed).tolist(), len(changed)]
    return [slice(a, b) for a, b in pairwise(bounds)]


def _even_bounds(count: int, width: int) -> I64:
    parts = -(-count // width)
    return np.arange(parts + 1) * count // parts


def _slice(columns: Mapping[str, NDArray[Any]], part: slice) -> dict[str, NDArray[Any]]:
    return {name: values[part] for name, values in columns.items()}


def _pack(
    index: int,
    numbers: I64,
    columns: Mapping[str, NDArray[Any]],
    trajectory: I64,
    rungs: Sequence[int],
) -> Pack:
    column = trajectory - trajectory[0]
    first = np.flatnonzero(np.diff(column, prepend=-1))
    epochs = columns["epochs"]
    reached = [rung for rung in rungs if rung <= epochs.max()]
    checkpoints = np.union1d(epochs, np.array(reached, epochs.dtype))
    position = np.searchsorted(checkpoints, epochs)
    table = np.full((len(first), len(checkpoints)), NO_TRIAL, np.int64)
    table[column, position] = numbers
    return Pack(
        index=index,
        batch_size=int(columns["batch_size"][0]),
        learning_rate=columns["learning_rate"][first],
        alpha=columns["alpha"][first],
        checkpoints=tuple(checkpoints.tolist()),
        numbers=table,
        rungs=tuple(reached),
    )


def replicated(plan: Plan, count: int, total: int) -> Plan:
    """Return a plan for all replicates of the trials of a plan.

    Parameters
    ----------
    plan : Plan
        Of the first replicate.
    count : int
        Replicates of each trial.
    total : int
        Trials of the run.

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
