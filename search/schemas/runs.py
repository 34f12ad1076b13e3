"""Runs: how one stands, which there are, how two differ, which would be deleted."""

from typing import Literal

from pydantic import Field

from search.schemas.answer import Answer, Number, Params, Value


class Counts(Value):
    """How many trials there are in all, and how those that have ended did."""

    total: int
    finished: int = Field(description="Trials with a row in the log.")
    complete: int
    pruned: int
    failed: int


class Trial(Value):
    """A trial with a result."""

    number: int
    params: Params
    value: Number = Field(description="Of the objective, by which trials are compared.")
    cost: Number = Field(description="Validation cost.")
    accuracy: Number = Field(description="Fraction of the validation rows that are correct.")


class TestFigures(Value):
    """The final model on the test rows."""

    cost: Number
    accuracy: Number = Field(description="Fraction of the test rows that are correct.")


class WriterProcess(Value):
    """The process that writes to a run."""

    host: str | None = Field(description="Null if an earlier version began it.")
    process: int | None
    started_at: str | None = Field(description="UTC, ISO 8601.")


class Link(Value):
    """A task that has ended, with the trials that ended in it."""

    finished_at: str = Field(description="UTC, ISO 8601.")
    label: str = Field(description="Values that its trajectories have in common.")
    epoch: int
    trials: int
    node: str


# A run folder knows the first four; the others are those of a service's sweep.
StateName = Literal[
    "running", "finished", "ended early", "interrupted",
    "queued", "pausing", "paused", "stopping", "cancelled", "failed",
]  # fmt: skip


class Status(Answer):
    """How a run stands, or a sweep of a service."""

    form: Literal["status/1"] = Field(default="status/1", alias="schema")
    run: str = Field(description="The run's folder, or its URI; a sweep's identity at a service.")
    state: StateName = Field(description="Those after interrupted are of a service's sweep.")
    dataset: str
    fingerprint: str
    started_at: str = Field(
        description="UTC, ISO 8601; of a sweep that waits for its start, when it was submitted."
    )
    trials: Counts
    writer: WriterProcess | None = Field(description="Null if nobody writes to it.")
    trials_per_second: Number
    seconds_left: Number = Field(description="A guess; null where the run is not running.")
    wall_s: Number = Field(description="Seconds of the command that finished it.")
    objective: str
    readout: str = Field(description="The weights whose costs are compared.")
    best: list[Trial] = Field(description="The best trials, at most ten, the best first.")
    test: TestFigures | None = Field(description="Null before the end, and without test rows.")
    newest_links: list[Link] = Field(description="The newest first.")
    continue_with: str | None = Field(
        description="Command that continues an interrupted run; null at a service, which does so."
    )


class Listed(Value):
    """A run in a list, or a sweep of a service."""

    run: str
    state: StateName | Literal["unreadable"]
    problem: str | None = Field(default=None, description="Why it cannot be read.")
    dataset: str | None = None
    started_at: str | None = Field(default=None, description="UTC, ISO 8601.")
    trials: int | None = Field(default=None, description="How many there are in all.")
    finished: int | None = None
    cost: Number = Field(default=None, description="Validation cost of the best trial.")
    params: Params | None = Field(default=None, description="Those of the best trial.")
    test: TestFigures | None = Field(default=None, description="Null in the list of a service.")
    wall_s: Number = Field(default=None, description="Null in the list of a service.")


class Runs(Answer):
    """The runs of a folder, or the sweeps of a service."""

    form: Literal["runs/1"] = Field(default="runs/1", alias="schema")
    folder: str = Field(description="The address of a service.")
    runs: list[Listed] = Field(description="The newest last.")


class Figures(Value):
    """A figure of two runs."""

    name: str
    values: tuple[Number, Number]
    difference: Number = Field(description="The second less the first.")


class SharedTrials(Value):
    """Trials of the same hyperparameters in two runs."""

    trials: int
    complete: int = Field(description="Those that are complete in both.")
    largest_difference: float = Field(description="Of their validation costs, relative.")
    tolerance: float
    beyond_tolerance: int = Field(description="Complete ones whose costs differ by more.")


class Comparison(Answer):
    """How two runs differ."""

    form: Literal["compare/1"] = Field(default="compare/1", alias="schema")
    runs: tuple[str, str]
    settings: dict[str, tuple[str | None, str | None]] = Field(
        description="Settings that differ, with both values as text; null where a run has none."
    )
    figures: list[Figures]
    shared: SharedTrials


class KeptRun(Value):
    """A run that goes or stays."""

    run: str
    state: Literal["running", "finished", "unfinished", "unreadable"]
    changed_at: str | None = Field(description="UTC, ISO 8601; null where it is unreadable.")
    bytes: int = Field(description="Its size on the disk.")
    goes: bool
    reason: str | None = Field(description="Why it stays.")


class Leftover(Value):
    """What is left of a run that was deleted before."""

    path: str
    bytes: int


class Pruning(Answer):
    """Which runs would be deleted."""

    form: Literal["prune/1"] = Field(default="prune/1", alias="schema")
    runs: list[KeptRun]
    leftovers: list[Leftover]
    bytes: int = Field(description="Bytes that deleting them frees.")
