"""The state of runs as values for ``--json``: what the words and tables beside it say."""

from collections.abc import Sequence
from datetime import UTC, datetime

from model.errors import PacksweepError
from search.record import COMPLETE, FAIL, PRUNED, READOUTS, BestTrial, Summary
from search.schemas import (
    Comparison,
    Counts,
    Figures,
    Link,
    Listed,
    Runs,
    SharedTrials,
    Status,
    TestFigures,
    Trial,
    WriterProcess,
)
from search.storage import Place, Writer
from search.watch.comparison import TOLERANCE, differing, figures_of, shared_trials
from search.watch.run_list import outcome_of
from search.watch.run_state import RUNNING, EndedLink, RunState
from search.watch.status_text import command_to_continue


def status_of(state: RunState) -> Status:
    """Return how a run stands.

    Raises
    ------
    StoreError
        If the log cannot be read.
    """
    summary, standings = state.summary, state.standings
    counts = {name: standings.states[key] for key, name in _STATES.items()}
    return Status(
        run=str(state.folder.path),
        state=state.name,
        dataset=state.manifest.dataset["name"],
        fingerprint=state.manifest.dataset["fingerprint"],
        started_at=state.manifest.created_at,
        trials=Counts(total=standings.total, finished=standings.finished, **counts),
        writer=_writer(state.writer) if state.name == RUNNING else None,
        trials_per_second=None if summary else state.rate,
        seconds_left=state.seconds_left if state.name == RUNNING else None,
        wall_s=summary.timing.wall_s if summary else None,
        objective=state.config.objective,
        readout=state.config.select,
        best=[_trial(trial, state.config.select) for trial in standings.top],
        test=_test(summary),
        newest_links=list(map(_link, state.newest_links)),
        continue_with=command_to_continue(state),
    )


_STATES = {COMPLETE: "complete", PRUNED: "pruned", FAIL: "failed"}


def _writer(writer: Writer | None) -> WriterProcess | None:
    if writer is None:
        return None
    known = not writer.words  # the lock of an earlier version says it otherwise
    return WriterProcess(
        host=writer.host if known else None,
        process=writer.process if known else None,
        started_at=writer.since if known else None,
    )


def _trial(trial: BestTrial, select: str) -> Trial:
    readout = READOUTS[select]
    return Trial(
        number=trial.number,
        params=trial.params,
        value=trial.value,
        cost=getattr(trial, readout.cost),
        accuracy=getattr(trial, readout.accuracy),
    )


def _test(summary: Summary | None) -> TestFigures | None:
    if summary is None or summary.test is None:
        return None
    return TestFigures(cost=summary.test.cost, accuracy=summary.test.accuracy)


def _link(link: EndedLink) -> Link:
    return Link(
        finished_at=datetime.fromtimestamp(link.finished_at, UTC).isoformat(),
        label=link.label,
        epoch=link.epoch,
        trials=link.trials,
        node=link.node,
    )


def runs_of(folder: Place, paths: Sequence[Place]) -> Runs:
    """Return the runs of a folder; one that cannot be read has the reason."""
    return Runs(folder=str(folder), runs=[_listed(path) for path in paths])


def _listed(path: Place) -> Listed:
    try:
        state = RunState.read(path)
        found = outcome_of(state)
    except PacksweepError as error:
        return Listed(run=str(path), state="unreadable", problem=str(error))
    return Listed(
        run=str(path),
        state=state.name,
        dataset=state.manifest.dataset["name"],
        started_at=state.manifest.created_at,
        trials=state.config.total,
        finished=found.done,
        cost=found.cost,
        params=found.params,
        test=_test(state.summary),
        wall_s=state.summary.timing.wall_s if state.summary else None,
    )


def comparison_of(one: RunState, other: RunState) -> Comparison:
    """Return how two runs differ."""
    shared = shared_trials(one, other)
    return Comparison(
        runs=(str(one.folder.path), str(other.folder.path)),
        settings={
            name: (_text(mine), _text(theirs))
            for name, (mine, theirs) in differing(one, other).items()
        },
        figures=[
            Figures(name=figure.name, values=figure.values, difference=figure.difference)
            for figure in figures_of(one, other)
        ],
        shared=SharedTrials(
            trials=shared.trials,
            complete=shared.complete,
            largest_difference=shared.largest,
            tolerance=TOLERANCE,
            beyond_tolerance=shared.apart,
        ),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
