"""What the rows of a log must say: each trial once, with the params of its number."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.config import SweepConfig
from search.record.log import COMPLETE, FAIL, PRUNED, SOFTMAX_LAYOUT, Layout, TrialLog, read_part
from search.record.manifest import layout_of
from search.record.proposals import Proposal

Params = Mapping[str, NDArray[Any]]
"""The hyperparameters of trials 0, 1, ... by name."""


class RowCheck:
    """Compares the files of one log, one after the other, with what was asked for.

    Parameters
    ----------
    params : mapping of str to ndarray of shape (n,)
        The hyperparameters of trials 0 to n - 1: of a sampler, of those that it has asked for.
    total : int
        Number of trials of the sweep. A log of replicates has rows of as many for each of them.
    replicates : int
        Number of replicates of each trial.
    layout : Layout
        The columns of the log that depend on the trainer.
    """

    def __init__(
        self,
        params: Params,
        total: int,
        replicates: int = 1,
        layout: Layout = SOFTMAX_LAYOUT,
    ) -> None:
        self._params, self._total, self._layout = params, total, layout
        costs = (readout.cost for readout in layout.readouts.values())
        self._columns = ("number", "state", *layout.axes, *costs)
        # Numbers of the files that were found right.
        self._seen = np.zeros(total * replicates, bool)

    @classmethod
    def of_run(
        cls, config: SweepConfig, proposals: Sequence[Proposal], replicates: int = 1
    ) -> "RowCheck":
        """Return the check of a run's log, or of that of its replicates."""
        layout = layout_of(config)
        if config.is_grid:
            params = config.space.columns(np.arange(config.total))
        else:
            waves = [proposal.columns(layout) for proposal in proposals]
            params = {
                name: np.concatenate([np.zeros(0), *(wave[name] for wave in waves)])
                for name in layout.axes
            }
        return cls(params, config.total, replicates, layout)

    def problem(self, content: bytes) -> str | None:
        """Return what is wrong with a file's rows, as a sentence about it, if anything is.

        Parameters
        ----------
        content : bytes
            Content of a whole file of the run's log.
        """
        try:
            return self._of_rows(read_part(content, *self._columns))
        except ValueError as error:
            return str(error)

    def accepts(self, trial_log: TrialLog) -> bool:
        """Whether nothing is wrong with a log as a whole, which is quicker than file by file.

        Raises
        ------
        StoreError
            If a file cannot be fetched.
        """
        # All that a command which continues looks at.
        rows = trial_log.read(*self._layout.standings, "source", once=False)
        found = self._of_rows({name: rows[name].to_numpy() for name in self._columns})
        if found is None:
            trial_log.keep(rows)
        return found is None

    def _of_rows(self, rows: Params) -> str | None:
        problem = self._of_numbers(rows["number"]) or self._of_params(rows) or self._of_states(rows)
        if problem is None:
            self._seen[rows["number"]] = True
        return problem

    def _of_numbers(self, numbers: NDArray[Any]) -> str | None:
        if numbers.dtype != np.int64 or len(np.unique(numbers)) != len(numbers):
            return "its rows have no numbers"
        outside = numbers[(numbers < 0) | (numbers >= len(self._seen))]
        if len(outside):
            return f"there is no trial {outside[0]} in this run"
        twice = numbers[self._seen[numbers]]
        return f"trial {twice[0]} has its row in another file" if len(twice) else None

    def _of_params(self, rows: Params) -> str | None:
        trials = rows["number"] % self._total
        unknown = trials[trials >= len(next(iter(self._params.values())))]
        if len(unknown):
            return f"trial {unknown[0]} was not asked for"
        for name in self._layout.axes:
            wrong = np.flatnonzero(_differ(rows[name], self._params[name][trials]))
            if len(wrong):
                trial, value = trials[wrong[0]], rows[name][wrong[0]]
                return f"trial {trial} has {name} = {self._params[name][trial]}, and there {value}"
        return None

    def _of_states(self, rows: Params) -> str | None:
        states = rows["state"]
        if not np.isin(states.astype(str), [COMPLETE, PRUNED, FAIL]).all():
            return "its rows have no state"
        costs = [rows[readout.cost] for readout in self._layout.readouts.values()]
        finite = np.logical_and.reduce([np.isfinite(cost) for cost in costs])
        wrong = np.flatnonzero(finite != (states == COMPLETE))
        if not len(wrong):
            return None
        first = wrong[0]
        return (
            f"trial {rows['number'][first]} is {states[first]} with a cost of "
            f"{rows['val_cost'][first]}"
        )


def _differ(found: NDArray[Any], asked: NDArray[Any]) -> NDArray[np.bool_]:
    """Where values differ; those that are missing are equal, however an array holds them."""
    if not (found.dtype.hasobject or asked.dtype.hasobject):
        differ: NDArray[np.bool_] = found != asked
        return differ
    pairs = zip(found.tolist(), asked.tolist(), strict=True)
    return np.array([not (a == b or (_is_missing(a) and _is_missing(b))) for a, b in pairs], bool)


def _is_missing(value: Any) -> bool:
    return value is None or value != value  # noqa: PLR0124 - NaN is not itself
