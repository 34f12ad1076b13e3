"""A study in a storage of Optuna as a tracker."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from search.trackers.values import Run, Trial
from search.tuning.methods import direction, distributions
from search.tuning.studies import ended_trial
from search.tuning.study_copies import MARK, NUMBER, StudyCopy

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class OptunaTracker:
    """Keeps a run as a study; see `search.trackers.protocol.Tracker`.

    Parameters
    ----------
    storage : str
        URL of a database, or path of a journal file.
    run : Run

    Raises
    ------
    ConfigError
        If the storage is none, or has another study of that name.
    StoreError
        If it cannot be opened.
    """

    def __init__(self, storage: str, run: Run) -> None:
        self._space = distributions(run.axes)
        self._copy = StudyCopy(storage, run.name_there, run.id, self._space, direction(run.layout))

    def known(self) -> Mapping[int, str]:
        """Return the mark of each trial, by its number."""
        return self._copy.marks()

    def remove(self, numbers: Collection[int]) -> None:
        """Take trials away, by a study that is made again."""
        self._copy.remove(numbers)

    def add(self, trials: Sequence[Trial]) -> None:
        """Add trials that have ended.

        One that has no result yet would wait in the storage, and whoever goes on with the study
        there would be given it to try.
        """
        self._copy.add([self._as_optuna_has_it(trial) for trial in trials])

    def conclude(self, run: Run) -> bool:
        """Say of the study how many trials the run has, and whether it is finished."""
        return self._copy.say(
            {
                "packsweep_trials": run.total,
                "packsweep_finished": run.finished,
                "packsweep_dataset": run.texts.get("dataset", ""),
                "packsweep_fingerprint": run.texts.get("fingerprint", ""),
            }
        )

    def close(self) -> None:
        """Let go of the storage."""
        self._copy.close()

    def _as_optuna_has_it(self, trial: Trial) -> "FrozenTrial":
        return ended_trial(
            trial.state,
            trial.params,
            self._space,
            (trial.started_at, trial.finished_at),
            value=trial.value,
            intermediate_values=dict(trial.series.get("reports", ())),
            user_attrs={
                **trial.figures,
                **trial.facts,
                "last_epoch": trial.last_epoch,
                NUMBER: trial.number,
                MARK: trial.mark,
            },
        )
