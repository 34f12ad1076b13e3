"""Which columns of a wave go on beyond a rung, by a pruner of Optuna."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from search.engine import Column, Ended
from search.tuning.methods import told_as_sampler_error


class PruningStudy:
    """Tells a pruner how the columns of one wave fare, and asks it about them.

    It sees the trials of earlier waves that were finished when this one was
    asked for, and this wave's own reports up to the rung: never what happened
    to be done by then elsewhere, so that the same search prunes the same
    trials however fast its workers are.

    Parameters
    ----------
    pruner : BasePruner
    history : sequence of FrozenTrial
        Finished trials of earlier waves: those with the lowest numbers, without a gap.
    columns : mapping of column to int
        The number of each column's last trial.
    seed : sequence of int
        Of the order in which columns are asked about.
    """

    def __init__(
        self,
        pruner: BasePruner,
        history: Sequence[FrozenTrial],
        columns: Mapping[Column, int],
        seed: Sequence[int],
    ) -> None:
        self._study = optuna.create_study(study_name="pruning", pruner=pruner)
        self._study.add_trials(history)
        self._seed = list(seed)
        # Under their own numbers, from which hyperband takes their brackets; what else has a
        # number is filled in by trials that no pruner looks at.
        by_number = {number: column for column, number in columns.items()}
        self._trials: dict[Column, Trial] = {}
        for number in range(len(history), max(by_number, default=-1) + 1):
            if number in by_number:
                self._trials[by_number[number]] = self._study.ask()
            else:
                self._study.add_trial(create_trial(state=TrialState.FAIL))

    def decide(
        self, rung: int, live: Mapping[Column, float], ended: Sequence[Ended]
    ) -> set[Column]:
        """Return the columns that go no further.

        Parameters
        ----------
        rung : int
            An epoch, larger than at the last call.
        live : mapping of column to float
            Cost of each column that would go on.
        ended : sequence of Ended
            Trials that reached their end since the last rung.
        """
        for end in ended:
            self._complete(end)
        # Successive halving compares with who came before: an order that has nothing to do
        # with the params keeps the first ones from being favoured for them.
        order = np.random.default_rng([*self._seed, rung]).permutation(len(live))
        by_place = sorted(live)
        columns = [by_place[i] for i in order]
        for column in columns:
            self._trials[column].report(live[column], rung)
        with told_as_sampler_error("pruner"):
            pruned = {column for column in columns if self._trials[column].should_prune()}
        for column in pruned:
            self._study.tell(self._trials[column], state=TrialState.PRUNED)
        return pruned

    def attrs(self) -> dict[Column, dict[str, Any]]:
        """Return what the pruner keeps with each column."""
        trials = self._study.get_trials(deepcopy=False)
        return {
            column: dict(trials[trial.number].system_attrs)
            for column, trial in self._trials.items()
        }

    def _complete(self, ended: Ended) -> None:
        """Let a trial be complete: a column's last one, or a shorter one beside it."""
        cost = ended.reports[max(ended.reports)]
        if not math.isfinite(cost):
            return
        if ended.last:
            trial = self._trials[ended.column]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what was reported at a rung already
                for epoch, value in ended.reports.items():
                    trial.report(value, epoch)
            self._study.tell(trial, cost)
        else:
            self._study.add_trial(create_trial(value=cost, intermediate_values=ended.reports))
