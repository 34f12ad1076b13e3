"""Which columns of a wave go on beyond a rung, by a pruner of Optuna."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from search.config import SweepConfig
from search.engine import Column, Decision, EndedTrial
from search.record import SOFTMAX_LAYOUT, Layout, layout_of
from search.tuning.methods import direction, make_pruner, told_as_sampler_error


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
    columns : mapping of Column to int
        Number of each column's newest trial, under which the pruner knows the column.
    seed : sequence of int
        Seed of the order in which columns are asked about.
    layout : Layout
        Its objective says which values are the better ones.
    """

    def __init__(
        self,
        pruner: BasePruner,
        history: Sequence[FrozenTrial],
        columns: Mapping[Column, int],
        seed: Sequence[int],
        layout: Layout = SOFTMAX_LAYOUT,
    ) -> None:
        self._study = optuna.create_study(
            study_name="pruning", pruner=pruner, direction=direction(layout)
        )
        self._study.add_trials(history)
        self._pruner, self._seed = pruner, list(seed)
        by_number = {number: column for column, number in columns.items()}
        # The trial of Optuna that stands for each column. Hyperband picks a bracket by a trial's
        # number, so it must be that of the log; gaps are filled with failed trials, which pruners
        # ignore.
        self._trials: dict[Column, Trial] = {}
        for number in range(len(history), max(by_number, default=-1) + 1):
            if number in by_number:
                self._trials[by_number[number]] = self._study.ask()
            else:
                self._study.add_trial(create_trial(state=TrialState.FAIL))

    def decide(
        self, rung: int, live: Mapping[Column, float], ended: Sequence[EndedTrial]
    ) -> Decision:
        """Decide which columns go no further than a rung.

        Parameters
        ----------
        rung : int
            An epoch, larger than at the last call.
        live : mapping of Column to float
            What each column that would go on has reported at the rung.
        ended : sequence of EndedTrial
            Trials that have reached their end since the last rung.

        Raises
        ------
        SamplerError
            If the pruner fails.
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
        name = type(self._pruner).__name__
        reason = f"{name} stops {len(pruned)} of {len(live)} trajectories"
        return Decision(frozenset(pruned), reason)

    def attrs(self) -> dict[Column, dict[str, Any]]:
        """Return what the pruner keeps with each column."""
        trials = self._study.get_trials(deepcopy=False)
        return {
            column: dict(trials[trial.number].system_attrs)
            for column, trial in self._trials.items()
        }

    def _complete(self, ended: EndedTrial) -> None:
        """Let a trial be complete: a column's longest one, or a shorter one beside it."""
        value = ended.reports[max(ended.reports)]
        if not math.isfinite(value):
            return
        if ended.longest:
            trial = self._trials[ended.column]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what was reported at a rung already
                for epoch, report in ended.reports.items():
                    trial.report(report, epoch)
            self._study.tell(trial, value)
        else:
            self._study.add_trial(create_trial(value=value, intermediate_values=ended.reports))


def make_pruning(
    config: SweepConfig, columns: Mapping[Column, int], history: Sequence[FrozenTrial], wave: int
) -> PruningStudy:
    """Return what prunes a wave by the settings of a search, which has rungs.

    Parameters
    ----------
    config : SweepConfig
    columns : mapping of Column to int
        Number of each column's newest trial.
    history : sequence of FrozenTrial
        Finished trials of earlier waves; see `PruningStudy`.
    wave : int
        Index of the wave.

    Raises
    ------
    ConfigError
        If there is no such pruner, or it does not take its options.
    """
    pruner = make_pruner(config.pruner.name, config.pruner.options, config.rungs)
    return PruningStudy(pruner, history, columns, [config.seed, wave], layout_of(config))
