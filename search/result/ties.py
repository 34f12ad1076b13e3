"""Trials that cannot be told from the best one, found by the costs on resamples."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.bootstrap import RESAMPLES, TAIL, differences
from search.config import AXES, Params
from search.record import (
    READOUTS,
    SOFTMAX_LAYOUT,
    BestTrial,
    Key,
    Resampled,
    Resamples,
    Standings,
    TiedTrial,
    Ties,
    TrialLog,
)

SHOWN = 30
"""How many of the tied trials a summary names, the best ones."""


@dataclass(frozen=True)
class Comparison:
    """How a trial compares with the best one over the resamples.

    Attributes
    ----------
    cost : float
        Its cost on the validation rows themselves.
    interval : tuple of float
        Its cost less that of the best one over the resamples, from the 5 % to the 95 % quantile.
    chance : float
        Fraction of the resamples in which it is at least as good.
    """

    cost: float
    interval: tuple[float, float]
    chance: float

    @property
    def open(self) -> bool:
        """Whether it cannot be told from the best one."""
        return self.interval[0] <= 0


def find_ties(
    trial_log: TrialLog, resamples: Resamples, standings: Standings, images: int
) -> Ties | None:
    """Return the trials that cannot be told from the best one; None where no trial is complete.

    They depend on the rows of the log and the resampled costs of the trials near the best one,
    so neither on the order of the links nor on an interruption. Trials with the same params
    count once.

    Parameters
    ----------
    trial_log : TrialLog
    resamples : Resamples
    standings : Standings
        The standings that knows all of the log.
    images : int
        How many validation rows the trials are compared on.
    """
    best = standings.best_trial
    if best is None:
        return None
    level = 1 - TAIL
    found = _comparisons(resamples, best)
    if _key(best.params) not in found:
        return Ties(
            level=level, resamples=RESAMPLES, images=images,
            count=None, not_compared=None, trials=(), simplest=None,
        )  # fmt: skip
    rows = _cheap_rows(trial_log, READOUTS[standings.select].cost, found)
    tied = [row for row in rows if row.key in found and found[row.key].open]
    last = max(found[row.key].cost for row in tied)
    left = [row for row in rows if row.key not in found and row.cost <= last]
    trials = [_tied_trial(row, found[row.key], best) for row in tied]
    return Ties(
        level=level,
        resamples=RESAMPLES,
        images=images,
        count=len(trials) - 1,
        not_compared=len(left),
        reused=sum(row.is_reused for row in left),
        damaged=resamples.damaged,
        trials=tuple(trial for trial in trials if trial.number != best.number)[:SHOWN],
        simplest=min(trials, key=_simplicity),
    )


def _comparisons(resamples: Resamples, best: BestTrial) -> dict[Key, Comparison]:
    """Compare the trials near the best one with it; none where it has no resampled costs."""
    own = _costs_of(resamples, _key(best.params))
    found: dict[Key, Comparison] = {}
    for part in resamples.parts() if own is not None else ():
        kept = part.near(best.value)
        for key, comparison in zip(kept.keys, _compared(kept, own), strict=True):
            found.setdefault(key, comparison)
    return found


def _costs_of(resamples: Resamples, key: Key) -> NDArray[np.float32] | None:
    for part in resamples.parts():
        if key in part.keys:
            costs: NDArray[np.float32] = part.resampled[part.keys.index(key)]
            return costs
    return None


def _compared(part: Resampled, own: Any) -> Iterator[Comparison]:
    if not len(part.cost):
        return
    gaps = differences(part.resampled, own)
    columns = (part.cost, gaps.low, gaps.high, gaps.chance)
    for cost, low, high, chance in zip(*(column.tolist() for column in columns), strict=True):
        yield Comparison(cost, (low, high), chance)


@dataclass(frozen=True)
class _Row:
    """The params of a trial, its number, its cost, and whether another run has trained it."""

    key: Key
    number: int
    cost: float
    is_reused: bool


def _cheap_rows(trial_log: TrialLog, selected: str, found: Mapping[Key, Comparison]) -> list[_Row]:
    """Return the trials that cost no more than the last tie, the best one first.

    It has only the first one of several trials with the same params.
    """
    limit = max(comparison.cost for comparison in found.values() if comparison.open)
    number, *params, cost, source = trial_log.columns("number", *AXES, selected, "source")
    order = np.lexsort([number, cost])
    order = order[cost[order] <= limit]  # which leaves NaN out
    keys = np.column_stack([values[order] for values in params]).astype(np.float64).tolist()
    first: dict[Key, _Row] = {}
    for key, i in zip(map(tuple, keys), order.tolist(), strict=True):
        first.setdefault(key, _Row(key, int(number[i]), float(cost[i]), source[i] is not None))
    return list(first.values())


def _key(params: Params) -> Key:
    return tuple(float(params[name]) for name in AXES)


def _tied_trial(row: _Row, comparison: Comparison, best: BestTrial) -> TiedTrial:
    params = {
        name: np.asarray(value, SOFTMAX_LAYOUT.dtype(name)).item()
        for name, value in zip(AXES, row.key, strict=True)
    }
    return TiedTrial(
        number=row.number,
        params=Params(params),
        cost=comparison.cost,
        difference=comparison.cost - best.value,
        interval=comparison.interval,
        chance=comparison.chance,
    )


def _simplicity(trial: TiedTrial) -> tuple[float, ...]:
    """Fewest epochs first, then the largest mini-batches; then the lowest cost."""
    return (trial.params.epochs, -float(trial.params["batch_size"]), trial.cost, trial.number)
