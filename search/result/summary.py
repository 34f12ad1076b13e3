"""The summary of a run, made of what its trials and its final trainings gave."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from model.data.dataset import Dataset
from model.results import FinalScores
from search.config import SweepConfig
from search.record import (
    COMPLETE,
    ENDED_EARLY,
    FAIL,
    FINISHED,
    PRUNED,
    Arithmetic,
    Counts,
    DatasetName,
    OptimumFigures,
    Standings,
    Summary,
    Ties,
    Timing,
    TrialLog,
)
from search.result.best import top_trial
from search.result.guessing import guess, sizes_of
from search.result.spread import refit_statistics, trainings_of, with_trainings


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What is found out about a run once all its trials are in the log.

    Attributes
    ----------
    timing : Timing
    arithmetic : Arithmetic
    tests : sequence of FinalScores
        The test figures of each final training, the run's own first; empty where no trial won.
    ties : Ties or None
    optimum : OptimumFigures or None
    ended_early : str or None
        Why trials were left out; None where none was.
    """

    timing: Timing
    arithmetic: Arithmetic
    tests: Sequence[FinalScores] = ()
    ties: Ties | None = None
    optimum: OptimumFigures | None = None
    ended_early: str | None = None


def make_summary(
    standings: Standings,
    trial_log: TrialLog,
    config: SweepConfig,
    data: Dataset,
    findings: Findings,
) -> Summary:
    """Return the summary of a finished run.

    Parameters
    ----------
    standings : Standings
        The standings of all trials of the log.
    trial_log : TrialLog
        The trial log, which is read only where each trial was trained several times.
    config : SweepConfig
    data : Dataset
    findings : Findings

    Raises
    ------
    StoreError
        If the log cannot be read.
    """
    top = tuple(map(top_trial, standings.top))
    trainings = trainings_of(config)
    if trainings:
        top = with_trainings(top, trial_log)
    summary = Summary(
        state=ENDED_EARLY if findings.ended_early else FINISHED,
        trials=Counts(
            total=standings.total,
            complete=standings.states[COMPLETE],
            pruned=standings.states[PRUNED],
            failed=standings.states[FAIL],
        ),
        best=top[0] if top else None,
        top=top,
        select=standings.select,
        test=None,
        tests={},
        dataset=DatasetName(name=data.name, fingerprint=data.fingerprint, rows=data.noun),
        timing=findings.timing,
        arithmetic=findings.arithmetic,
        trainings=trainings,
        indistinguishable=findings.ties,
        features=config.features,
        optimum=findings.optimum,
        guessing=guess(data, config),
        sizes=sizes_of(data, config.features) if config.trainer.is_softmax else None,
        trainer=None if config.trainer.is_softmax else config.trainer.name,
        why_failed=None if config.trainer.is_softmax else _why_failed(standings, trial_log),
        objective=None if config.compared_by.is_cost else config.objective,
        ended_early=findings.ended_early,
    )
    return with_refits(summary, config, findings.tests)


def _why_failed(standings: Standings, trial_log: TrialLog) -> str | None:
    """Return the commonest reason why trials have failed; None where none has."""
    if not standings.states[FAIL]:
        return None
    (errors,) = trial_log.columns("error")
    ((reason, _),) = Counter(error for error in errors.tolist() if error).most_common(1)
    return str(reason)[:_LONGEST]


# Characters of a reason in a summary.
_LONGEST = 500


def with_refits(summary: Summary, config: SweepConfig, tests: Sequence[FinalScores]) -> Summary:
    """Return a run's summary with the test figures of its final trainings.

    Parameters
    ----------
    summary : Summary
    config : SweepConfig
        The settings, from which the seeds of the final trainings follow.
    tests : sequence of FinalScores
        The test figures of each final training, the run's own first; none where no trial won.
    """
    first = tests[0] if tests else {}
    refits = refit_statistics(config.refit_seeds(len(tests)), tests)
    return replace(summary, test=first.get(summary.select), tests=first, refits=refits)


def lacks_refits(summary: Summary, count: int) -> bool:
    """Whether a finished run has fewer final trainings than are asked for."""
    done = len(summary.refits.seeds) if summary.refits else 1
    return summary.best is not None and count > done
