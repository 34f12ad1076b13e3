"""Stages: the stretches that trainings with schedules have in common, each trained once.

Trainings that agree in everything up to an epoch are one training up to there: a tree of stages.
The idea is that of Hippo (Shin and others, VLDB 2022).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.trainers.schedules import Schedule
from model.trainers.trainer import Params, Value

I64 = NDArray[np.int64]


@dataclass(frozen=True)
class Stage:
    """Epochs in which some trainings are one, and none of their hyperparameters changes.

    Attributes
    ----------
    start, stop : int
        From this epoch on, and before that one.
    columns : tuple of int
        The trainings, by their places.
    """

    start: int
    stop: int
    columns: tuple[int, ...]


def schedule_of(value: Value) -> Schedule:
    """Return the schedule that a value of a live hyperparameter stands for."""
    return Schedule.parse(value) if isinstance(value, str) else Schedule.of(value)


def at_epoch(params: Params, live: Sequence[str], epoch: int) -> dict[str, Value]:
    """Return hyperparameters as they are in one epoch: numbers in place of schedules."""
    found = dict(params)
    for name in live:
        if isinstance(value := found.get(name), str):
            found[name] = float(schedule_of(value).over(epoch, epoch + 1)[0])
    return found


def stages(
    params: Sequence[Params], live: Sequence[str], start: int, stop: int, *, in_step: bool = False
) -> list[Stage]:
    """Return what trainings have to train from one epoch to another, each stretch once.

    Parameters
    ----------
    params : sequence of mapping
        The hyperparameters of each training, but for the epochs.
    live : sequence of str
        Those that may change.
    start, stop : int
        The epoch at which all of them stand, and that which they go to.
    in_step : bool
        Whether all stages begin and end with others, for packs. Without it a stage ends only
        where one of its own trainings changes.

    Returns
    -------
    list of Stage
        Each after those that it goes on from.

    Examples
    --------
    >>> params = [{"rate": "0.1 for 4, then 0.01"}, {"rate": "0.1 for 2, then 0.05"}]
    >>> for stage in stages(params, ["rate"], 0, 6):
    ...     print(stage)
    Stage(start=0, stop=2, columns=(0, 1))
    Stage(start=2, stop=4, columns=(0,))
    Stage(start=4, stop=6, columns=(0,))
    Stage(start=2, stop=6, columns=(1,))
    """
    codes = _codes(params, live, stop)
    alike = _grouped(range(len(params)), [codes[i, :start].tobytes() for i in range(len(params))])
    others = _others(params, live)
    groups = [group for same in alike for group in _grouped(same, [others[i] for i in same])]
    if not in_step:
        return [stage for group in groups for stage in _tree(group, codes, start, stop)]
    found: list[Stage] = []
    changed = (codes[:, 1:] != codes[:, :-1]).any(axis=0)
    cuts = [start, *(e for e in (np.flatnonzero(changed) + 1).tolist() if start < e < stop), stop]
    for a, b in pairwise(cuts):
        groups = [part for g in groups for part in _grouped(g, [codes[i, a] for i in g])]
        found += [Stage(a, b, tuple(group)) for group in groups]
    return found


def count_epochs(params: Sequence[Params], live: Sequence[str], start: int, lasts: I64) -> int:
    """Return the epochs that trainings have to train from one on, each stretch once.

    Parameters
    ----------
    params, live, start
        As for `stages`.
    lasts : ndarray of int64
        The epoch at which each ends.
    """
    stop = int(lasts.max(initial=start))
    codes = np.where(np.arange(stop) < lasts[:, None], _codes(params, live, stop), -1)
    others = _others(params, live)
    number = {key: i for i, key in enumerate(dict.fromkeys(others))}
    codes = np.column_stack([np.array([number[key] for key in others], np.int64), codes])
    # In the order of a dictionary each has what it does not share with the one before.
    order = np.lexsort(codes.T[::-1])
    codes, ends = codes[order], lasts[order]
    differs = codes[1:] != codes[:-1]
    first = np.where(differs.any(axis=1), differs.argmax(axis=1), stop + 1)
    # Column 0 of the codes is not an epoch.
    shared = np.concatenate([[0], np.maximum(first - 1, 0)])
    return int(np.maximum(ends - np.maximum(shared, start), 0).sum())


def _tree(group: Sequence[int], codes: I64, start: int, stop: int) -> Iterator[Stage]:
    waiting = [(list(group), start)]
    while waiting:
        columns, epoch = waiting.pop()
        if epoch >= stop:
            continue
        parts = _grouped(columns, [codes[i, epoch] for i in columns])
        if len(parts) > 1:
            waiting += [(part, epoch) for part in reversed(parts)]
            continue
        changes = (codes[columns, epoch:stop] != codes[columns, epoch : epoch + 1]).any(axis=0)
        end = epoch + int(changes.argmax()) if changes.any() else stop
        yield Stage(epoch, end, tuple(columns))
        waiting.append((columns, end))


def _codes(params: Sequence[Params], live: Sequence[str], stop: int) -> I64:
    """Return a number for the live values of each training in each epoch, shape (k, stop)."""
    codes = np.zeros((len(params), stop), np.int64)
    for name in live:
        table = np.full((len(params), stop), np.nan)
        rows: dict[Value, NDArray[np.float64]] = {}
        for i, mine in enumerate(params):
            if (value := mine.get(name)) is not None:
                if value not in rows:
                    rows[value] = schedule_of(value).over(0, stop)
                table[i] = rows[value]
        _, numbers = np.unique(table, return_inverse=True)
        codes = codes * (numbers.max(initial=0) + 1) + numbers.reshape(codes.shape)
    return codes


def _others(params: Sequence[Params], live: Sequence[str]) -> list[Any]:
    return [
        tuple(sorted((name, repr(v)) for name, v in mine.items() if name not in live))
        for mine in params
    ]


def _grouped(columns: Sequence[int], keys: Sequence[Any]) -> list[list[int]]:
    """Return columns in groups of equal keys, in the order of their first ones."""
    groups: Mapping[Any, list[int]] = {key: [] for key in keys}
    for column, key in zip(columns, keys, strict=True):
        groups[key].append(column)
    return list(groups.values())
