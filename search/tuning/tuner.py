"""An Optuna study that proposes trials, many at a time, and is told how they ended."""

import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.config import SweepConfig
from search.record import SOFTMAX_LAYOUT, Layout, Proposal, layout_of
from search.tuning.methods import (
    WAY_OUT,
    direction,
    distributions,
    make_sampler,
    told_as_sampler_error,
)

_STATES = {state.name: state for state in TrialState}


class Tuner:
    """Asks a sampler for trials.

    The sampler is made again for every batch of trials, with its own seed,
    and knows nothing but the study: so a search that is continued from its log
    proposes what it would have proposed undisturbed.

    Parameters
    ----------
    distributions : mapping of str to BaseDistribution
    sampler : str
        A known name or an import path.
    options : mapping
        Keyword arguments of the sampler.
    seed : int
    layout : Layout
        It says in which column of the log a trial's value is, and which values are the better ones.
    own : BaseSampler, optional
        A sampler in place of one that is made of a name and options. It keeps its random numbers
        and is never made again, so a search goes on by asking it all again.
    way_out : str
        Sentences that say what is safe and what to do if the sampler fails.
    """

    def __init__(  # noqa: PLR0913 - the settings of a sampler
        self,
        distributions: Mapping[str, BaseDistribution],
        sampler: str,
        options: Mapping[str, Any],
        seed: int,
        layout: Layout = SOFTMAX_LAYOUT,
        *,
        own: BaseSampler | None = None,
        way_out: str = WAY_OUT,
    ) -> None:
        self._distributions, self._own, self._way_out = dict(distributions), own, way_out
        self._sampler, self._options, self._seed, self._column = (
            sampler,
            options,
            seed,
            layout.compared,
        )
        self._stopped = threading.Event()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.study = optuna.create_study(
                sampler=self._sampler_after(0), direction=direction(layout)
            )
        # Samplers that have tried everything would stop a loop of Optuna's own, which is not here.
        setattr(self.study, "stop", lambda: None)  # noqa: B010 - mypy takes no assignment

    def ask(self, index: int, count: int) -> Proposal:
        """Return the next trials.

        Parameters
        ----------
        index : int
            Index of their wave.
        count : int
        """
        first = len(self._trials())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.study.sampler = self._sampler_after(first)
            self._ask(count)
        trials = self._trials()[first:]
        storage, study = self.study._storage, self.study._study_id
        return Proposal(
            index=index,
            first=first,
            params=[dict(trial.params) for trial in trials],
            # A copy, because the study goes on changing its own.
            attrs=[dict(trial.system_attrs) for trial in trials],
            study_attrs=dict(storage.get_study_system_attrs(study)),
        )

    def _sampler_after(self, asked: int) -> BaseSampler:
        """Return the sampler that is asked after so many trials."""
        if self._own is not None:
            return self._own
        return make_sampler(self._sampler, self._options, self._seed, asked)

    def _ask(self, count: int) -> None:
        with told_as_sampler_error(f"sampler {self._sampler!r}", self._way_out):
            for _ in range(count):
                if self._stopped.is_set():
                    return
                self.study.ask(self._distributions)

    def stop(self) -> None:
        """Let an `ask` that is under way in another thread end after its present trial."""
        self._stopped.set()

    def restore(self, proposal: Proposal) -> None:
        """Take over trials that an earlier command has asked for, as under way.

        Proposals come in their order, and each before `tell` says how its trials ended.
        """
        for params, attrs in zip(proposal.params, proposal.attrs, strict=True):
            self.study.add_trial(
                create_trial(
                    state=TrialState.RUNNING,
                    params=params,
                    distributions=self._distributions,
                    system_attrs=attrs,
                )
            )
        for key, value in proposal.study_attrs.items():
            self.study._storage.set_study_system_attr(self.study._study_id, key, value)

    def tell(
        self, rows: Iterable[Mapping[str, Any]], attrs: Mapping[int, Mapping[str, Any]]
    ) -> None:
        """Take the final rows of trials that were asked for.

        Parameters
        ----------
        rows : iterable of dict
            Their rows in the log, at least number, state, costs and reports.
        attrs : mapping of int to dict
            What a pruner keeps with trials, by their number.
        """
        for row in rows:
            number, state = row["number"], _STATES[row["state"]]
            trial = self._trials()[number]
            storage = self.study._storage
            for step, value in row["reports"] or ():
                storage.set_trial_intermediate_value(trial._trial_id, step, value)
            for key, value in attrs.get(number, {}).items():
                storage.set_trial_system_attr(trial._trial_id, key, value)
            value = row[self._column] if state is TrialState.COMPLETE else None
            with told_as_sampler_error(f"sampler {self._sampler!r}", self._way_out):
                self.study.tell(number, value, state=state)

    def history(self, before: int) -> list[FrozenTrial]:
        """Return the finished trials below a number."""
        return [trial for trial in self._trials()[:before] if trial.state.is_finished()]

    def _trials(self) -> Sequence[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)


# CMA-ES takes no smaller population.
_SMALLEST_POPULATION = 4


def make_tuner(config: SweepConfig) -> Tuner:
    """Return the sampler of a config with its own study.

    Raises
    ------
    ConfigError
        If there is no such sampler, or it does not take the options.
    """
    settings = config.sampler
    seed = config.seed if settings.seed is None else settings.seed
    options, layout = dict(settings.options), layout_of(config)
    if settings.name == "cmaes":
        # All trials of a wave come from one generation, so all of them should count for the next.
        options.setdefault("popsize", max(_SMALLEST_POPULATION, config.wave_size))
    return Tuner(
        distributions(config.axes_by_name),
        settings.name,
        options,
        seed,
        layout,
    )
