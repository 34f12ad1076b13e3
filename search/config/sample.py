"""Some hyperparameters from all over a space, by which a trainer is judged before a sweep."""

from collections.abc import Sequence
from typing import Any

from model.trainers import Params, at_epoch
from search.config.config import SweepConfig
from search.config.space import EPOCHS, Axis, Range


def some_params(config: SweepConfig) -> list[Params]:
    """Return hyperparameters from all over a space: its first values, middle ones and last ones.

    Schedules stand at their first epoch.
    """
    axes = {name: axis for name, axis in config.axes_by_name.items() if name != EPOCHS}
    chosen: list[Params] = []
    if config.is_grid:
        space = config.space
        numbers = (0, len(space) // 2, len(space) - 1)
        found = [{n: v for n, v in space[i].items() if n != EPOCHS} for i in numbers]
    else:
        found = [{name: _at(axis, part) for name, axis in axes.items()} for part in (0, 0.5, 1)]
    for params in (at_epoch(mine, config.live, 0) for mine in found):
        if params not in chosen:
            chosen.append(params)
    return chosen


def params_to_try(config: SweepConfig) -> list[Params]:
    """Return hyperparameters by which a trainer's promises are tried: those, and a pack's.

    Two more are alike to the first ones in what the models of a pack have in common, and differ in
    all else: a pack of equal models is as each alone whichever of them it looks at.
    """
    found = some_params(config)
    axes = dict(config.space.tables[0] if config.is_grid else config.axes_by_name)
    alike = {*config.pack_by, *(config.trainer.pack_by or ())}
    for part in (1, 0.5):
        mine = {
            name: _at(axis, 0 if name in alike else part)
            for name, axis in axes.items()
            if name != EPOCHS
        }
        params = at_epoch(mine, config.live, 0)
        if params not in found:
            found.append(params)
    return found


def _at(axis: Axis, part: float) -> Any:
    """Return the value at a part of the way from the first to the last one."""
    if isinstance(axis, Range):
        value = axis.low + part * (axis.high - axis.low)
        return round(value) if isinstance(axis.low, int) else value
    values: Sequence[Any] = axis
    return values[round(part * (len(values) - 1))]
