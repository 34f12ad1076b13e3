"""The state of a run in words, as another terminal shows it."""

import shlex
from datetime import UTC, datetime

from search.command import program
from search.record import COMPLETE, FAIL, PRUNED, READOUTS, lost_rows
from search.result import top_lines, top_trial
from search.text import counted, duration, wrapped
from search.watch.progress import best_text
from search.watch.run_state import ENDED_EARLY, FINISHED, INTERRUPTED, RUNNING, RunState

_STATES = {COMPLETE: "complete", PRUNED: "pruned", FAIL: "failed"}


def status_lines(state: RunState, width: int | None = None) -> list[str]:
    """Return the lines that tell the state of a run.

    Parameters
    ----------
    state : RunState
    width : int, optional
        Columns of the terminal.
    """
    readout = READOUTS[state.config.select]
    objective = state.config.compared_by
    top = top_lines(list(map(top_trial, state.standings.top)), width, readout, objective)
    blocks = [_head(state, width), top, _links(state, width), _continued(state, width)]
    lines = [line for block in blocks if block for line in (*block, "")]
    return lines[:-1]


def _head(state: RunState, width: int | None) -> list[str]:
    writer = f", {state.writer}" if state.name == RUNNING else ""
    sentences = [
        f"{state.folder.path}: {state.name}{writer}{_why_early(state)}",
        _done(state),
        *_pace(state),
        best_text(state.standings),
    ]
    return [line for sentence in sentences for line in wrapped(sentence, width)]


def _why_early(state: RunState) -> str:
    if state.name != ENDED_EARLY or state.summary is None:
        return ""
    return f", because {state.summary.ended_early}"


def _done(state: RunState) -> str:
    standings = state.standings
    counts = {word: standings.states[name] for name, word in _STATES.items()}
    shown = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    name = state.manifest.dataset["name"]
    done = f"{standings.finished} of {counted(standings.total, 'trial')} on {name}"
    return f"{done}: {shown}" if shown else done


def _pace(state: RunState) -> list[str]:
    if state.name in (FINISHED, ENDED_EARLY) and state.summary:
        return [f"in {duration(state.summary.timing.wall_s)}"]
    if state.name == RUNNING and state.standings.finished == state.standings.total:
        return ["training the best combination on all training rows"]
    rate, left = state.rate, state.seconds_left
    if rate is None or left is None:
        return []
    pace = f"{rate:.1f} a second"
    return [f"{pace}, about {duration(left)} left"] if state.name == RUNNING else [pace]


def _links(state: RunState, width: int | None) -> list[str]:
    texts = [
        f"{datetime.fromtimestamp(link.finished_at, UTC):%H:%M:%S}  {link.label}, "
        f"to epoch {link.epoch}, {link.trials} trials, on {link.node}"
        for link in state.newest_links
    ]
    lines = [line for text in texts for line in wrapped(text, width)]
    return ["The newest links (UTC):", *lines] if lines else []


def _continued(state: RunState, width: int | None) -> list[str]:
    standings = state.standings
    if state.name == FINISHED and standings.finished < standings.total:
        return wrapped(lost_rows(state.folder.path, standings.finished, standings.total), width)
    if state.name not in (INTERRUPTED, ENDED_EARLY):
        return []
    command = command_to_continue(state)
    if command is None:
        return ["Continue with the command that began it."]
    return ["Continue with:", f"  {command}"]


def command_to_continue(state: RunState) -> str | None:
    """Return the command that goes on with a run; None where only its own first one does.

    A run that is finished or running has none.
    """
    if state.name not in (INTERRUPTED, ENDED_EARLY):
        return None
    if state.config.own_methods:  # which --resume does not import
        return None
    return f"{program('run')} --resume {shlex.quote(str(state.folder.path))}"
