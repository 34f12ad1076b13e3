"""The entries of a run and of a trial in MLflow, within its limits."""

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from posixpath import normpath

from search.record import COMPLETE, FAIL, PRUNED
from search.trackers.values import Run, Trial

RUN, NUMBER, MARK = "packsweep.run", "packsweep.number", "packsweep.mark"
"""The tags by which a run of MLflow is known again; that of a whole sweep has no number."""

PARENT = "mlflow.parentRunId"

RUNNING, FINISHED = "RUNNING", "FINISHED"

_STATUS = {COMPLETE: FINISHED, PRUNED: "KILLED", FAIL: "FAILED"}

_LONGEST_KEY, _LONGEST_PARAM, _LONGEST_TAG = 250, 6000, 5000

_OTHER = re.compile(r"[^\w.\- :/]")


@dataclass(frozen=True)
class Point:
    """A value of a metric.

    Attributes
    ----------
    key : str
    value : float
        Finite: a database has no other numbers.
    timestamp : int
        Milliseconds since 1970.
    step : int
    """

    key: str
    value: float
    timestamp: int
    step: int


@dataclass(frozen=True)
class Entry:
    """A run of MLflow.

    Attributes
    ----------
    name : str
    status : str
    start, end : int
        Milliseconds since 1970.
    tags, params : mapping of str to str
    points : tuple of Point
    """

    name: str
    status: str
    start: int
    end: int
    tags: Mapping[str, str]
    params: Mapping[str, str]
    points: tuple[Point, ...]


def entry_of_trial(trial: Trial, run: Run, parent: str) -> Entry:
    """Return the run of MLflow for a trial.

    Parameters
    ----------
    trial : Trial
    run : Run
    parent : str
        Identity of the run of MLflow for the whole sweep.
    """
    end = milliseconds(trial.finished_at)
    finite, others = _by_kind(trial.figures)
    tags = {
        PARENT: parent,
        RUN: run.id,
        NUMBER: str(trial.number),
        MARK: trial.mark,
        "packsweep.state": trial.state,
        **tags_of({name: str(value) for name, value in trial.facts.items()} | others),
    }
    points = [Point(key(name), value, end, trial.last_epoch) for name, value in finite.items()]
    return Entry(
        f"trial {trial.number}",
        _STATUS[trial.state],
        milliseconds(trial.started_at),
        end,
        tags,
        params_of(trial.params),
        (*points, *_series(trial, end)),
    )


def figures_of_run(run: Run) -> tuple[dict[str, float], dict[str, str]]:
    """Return the metrics of a whole sweep, and its tags, without its mark."""
    finite, others = _by_kind(run.figures)
    return {key(name): value for name, value in finite.items()}, tags_of({**run.texts, **others})


def params_of(values: Mapping[str, object]) -> dict[str, str]:
    """Return params, all of which are text in MLflow."""
    return {key(name): str(value)[:_LONGEST_PARAM] for name, value in values.items()}


def key(name: str) -> str:
    """Return a name as MLflow takes it; one that had to be changed ends with a digest of itself.

    Examples
    --------
    >>> key("val_cost"), key("top-5 %")
    ('val_cost', 'top-5 _.b90dd4')
    """
    kept = _OTHER.sub("_", name)[:_LONGEST_KEY]
    if kept == name and normpath(name) == name and not name.startswith((".", "/")):
        return name
    end = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:6]
    return f"{kept.replace('/', '_').strip('.')[: _LONGEST_KEY - 7]}.{end}"


def milliseconds(time: datetime) -> int:
    """Return a time as MLflow has it."""
    return round(time.timestamp() * 1000)


def _by_kind(figures: Mapping[str, float]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the finite figures, and the others as text."""
    finite = {name: value for name, value in figures.items() if math.isfinite(value)}
    return finite, {name: str(figures[name]) for name in figures if name not in finite}


def tags_of(texts: Mapping[str, str]) -> dict[str, str]:
    """Return texts as tags whose names begin as ours do."""
    return {key(f"packsweep.{name}"): text[:_LONGEST_TAG] for name, text in texts.items()}


def _series(trial: Trial, timestamp: int) -> Iterator[Point]:
    for name, points in trial.series.items():
        for step, value in points:
            if math.isfinite(value):
                yield Point(key(name), value, timestamp, step)
