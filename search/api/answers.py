"""Requests and answers, as they travel."""

import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from search.ledger import Delivery, Event, Hook
from search.schemas import DryRun
from search.service import PRIORITIES, Request, Seen

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
SWEEP_ID = r"^[0-9a-f]{10}$"

Priority = Annotated[int, Field(ge=PRIORITIES[0], le=PRIORITIES[-1])]
Count = Annotated[int, Field(ge=0, lt=2**63)]


# How deep lists and tables may lie in each other: grids need five.
_DEEPEST = 20


def _text(value: Any, depth: int = 0) -> Any:
    """Refuse text that cannot be written down, wherever it stands, and what is nested too deep."""
    if depth > _DEEPEST:
        raise ValueError(f"lists and tables are nested more than {_DEEPEST} deep")
    if isinstance(value, str):
        if "\0" in value or (not value.isascii() and any(0xD800 <= ord(c) < 0xE000 for c in value)):
            raise ValueError("a text holds something that is not a character")
    elif isinstance(value, dict):
        for name, part in value.items():
            _text(name)
            _text(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            _text(part, depth + 1)
    return value


def _checked(value: Any) -> Any:
    return _text(value)


class Strict(BaseModel):
    """Takes nothing that it does not know."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class SweepIn(Strict):
    """A sweep that is asked for."""

    grid: Annotated[str | dict[str, Any] | None, BeforeValidator(_checked)] = Field(
        None, description="Name of a shipped grid, or a table as a grid file has it."
    )
    toml: Annotated[str | None, BeforeValidator(_checked)] = Field(
        None, description="The text of a grid file, instead of grid."
    )
    name: str | None = Field(None, pattern=NAME, description="Its name (default: the grid's).")
    dataset: Annotated[str | None, BeforeValidator(_checked)] = Field(
        None, max_length=1000, description="Name, path or upload; comes before the grid's own."
    )
    trainer: Annotated[str | None, BeforeValidator(_checked)] = Field(None, max_length=200)
    seed: Annotated[int | None, Field(ge=0, lt=2**63)] = None
    seeds: Annotated[int | None, Field(ge=1, le=1000)] = None
    sampler: Annotated[str | None, BeforeValidator(_checked)] = Field(None, max_length=200)
    trials: Annotated[int | None, Field(ge=1, lt=2**63)] = None
    objective: Annotated[str | None, BeforeValidator(_checked)] = Field(
        None, max_length=200, description="The metric by which trials are compared."
    )
    metrics: Annotated[tuple[str, ...] | None, BeforeValidator(_checked)] = Field(
        None, max_length=20, description="Recorded for each trial besides cost and accuracy."
    )
    products: Literal["auto", "numpy", "onednn", "fixed"] | None = Field(
        None, description="How the softmax trainer multiplies."
    )
    pruner: Annotated[str | None, BeforeValidator(_checked)] = Field(None, max_length=200)
    target: Annotated[str | None, BeforeValidator(_checked)] = Field(None, max_length=200)
    weights: Annotated[str | None, BeforeValidator(_checked)] = Field(None, max_length=200)
    missing: Literal["refuse", "mean"] | None = None
    keys: Annotated[dict[str, str] | None, BeforeValidator(_checked)] = None
    refits: int = Field(1, ge=1, le=1000, description="Number of final trainings.")
    optimum: bool = Field(
        default=False, description="Whether the optimum of each alpha is found too."
    )
    budget: float | None = Field(
        None, gt=0, allow_inf_nan=False,
        description="Seconds with a task of it running after which no more trials are started.",
    )  # fmt: skip
    target_value: float | None = Field(
        None, allow_inf_nan=False,
        description="Value of the objective with which the best trial is good enough.",
    )  # fmt: skip
    patience: int | None = Field(None, ge=1, description="Trials in a row without a better one.")
    queue: str = Field("all", pattern=NAME)
    priority: Priority = 0

    @property
    def request(self) -> Request:
        """The request that it stands for."""
        return Request(**self.model_dump())


class CloneIn(Strict):
    """What to change in the copy of a sweep."""

    space: Annotated[dict[str, Any] | None, BeforeValidator(_checked)] = Field(
        None, description="Hyperparameters with new values; the others stay."
    )
    settings: Annotated[dict[str, Any] | None, BeforeValidator(_checked)] = Field(
        None, description="Other keys of the grid file to change."
    )
    name: str | None = Field(None, pattern=NAME)
    queue: str | None = Field(None, pattern=NAME)
    priority: Priority | None = None


class SweepPatch(Strict):
    """Changes to a sweep; fields left out stay as they are."""

    wanted: Literal["run", "pause", "stop", "cancel"] | None = Field(
        None,
        description="pause keeps everything and can be continued; stop ends it with the best "
        "trial of the log as its model; cancel ends it at once, and what was logged stays.",
    )
    priority: Priority | None = None
    queue: str | None = Field(None, pattern=NAME)
    name: str | None = Field(None, pattern=NAME)


class ManyIn(Strict):
    """The same for several sweeps, each of which is named."""

    ids: list[Annotated[str, Field(pattern=SWEEP_ID)]] = Field(min_length=1, max_length=1000)
    wanted: Literal["run", "pause", "stop", "cancel"]


class Best(BaseModel):
    """The best trial so far."""

    number: int
    cost: float | None
    params: dict[str, Any]
    objective: str | None = Field(
        None, description="The value that makes it the best, if that is not the cost."
    )
    value: float | None = Field(None, description="The value of that.")


class SweepOut(BaseModel):
    """A sweep as it stands."""

    id: str
    name: str
    person: str
    queue: str
    priority: int
    state: str
    wanted: str
    reason: str = Field(description="Why it waits, cannot go on, or has ended; often empty.")
    position: int | None = Field(description="Its place among those that wait, from 1.")
    running: int = Field(description="Tasks of it that run.")
    total: int = Field(description="Trials.")
    finished: int = Field(description="Trials with a row.")
    states: dict[str, int]
    best: Best | None
    retries: int
    dataset: dict[str, Any]
    submitted_at: str
    started_at: str | None
    ended_at: str | None
    version: int = Field(description="Grows with what happens to it while it is open.")

    @classmethod
    def of(cls, seen: Seen) -> "SweepOut":
        """Return the answer for a sweep."""
        row, progress = seen.row, seen.progress
        best = progress.best
        if best and not math.isfinite(best["cost"]):
            best = {**best, "cost": None}
        return cls(
            id=row.id, name=row.name, person=row.person, queue=row.queue, priority=row.priority,
            state=seen.state, wanted=row.wanted, reason=seen.reason, position=seen.position,
            running=seen.running, total=row.total, finished=progress.finished,
            states=dict(progress.states), best=Best(**best) if best else None,
            retries=progress.tried_again, dataset=row.dataset, submitted_at=_time(row.submitted_at),
            started_at=time_text(row.started_at), ended_at=time_text(row.ended_at),
            version=progress.version,
        )  # fmt: skip


class SweepNews(SweepOut):
    """A sweep with its newest links: its state while it goes on."""

    links: list[dict[str, Any]]

    @classmethod
    def of(cls, seen: Seen) -> "SweepNews":
        """Return the answer for a sweep."""
        links = [vars(link) for link in list(seen.progress.newest)]
        return cls(**SweepOut.of(seen).model_dump(), links=links)


class SweepDetail(SweepNews):
    """A sweep with its settings and its newest links."""

    settings: dict[str, Any]
    options: dict[str, Any]
    busy_seconds: float = Field(
        description="Seconds in which a task of it was running: those that its budget counts."
    )
    shared: dict[str, Any] = Field(description="What was taken over from other sweeps.")


class SweepList(BaseModel):
    """Some sweeps, the newest first."""

    sweeps: list[SweepOut]
    before: int | None = Field(description="Cursor of the next page.")


class Plan(BaseModel):
    """The plan of a sweep."""

    total: int
    dataset: dict[str, Any]
    text: str
    plan: DryRun = Field(description="What packsweep run --dry-run --json prints.")
    position: int = Field(description="Its place in the queue, were it submitted now.")


class QueueOut(BaseModel):
    """A queue and its quota."""

    name: str
    cores: float = Field(description="Cores that are its own while it has links to run.")
    most: float | None = Field(description="Most cores that it has at a time.")
    used: float = Field(description="Cores that its links have now.")


class QueueIn(Strict):
    """A queue's quota."""

    cores: float = Field(0.0, ge=0, le=1e9)
    most: float | None = Field(None, gt=0, le=1e9)


class PersonOut(BaseModel):
    """Somebody whose sweeps share the cluster."""

    name: str
    weight: float
    use: float = Field(description="Core-seconds, half of them forgotten each ten minutes.")


class PersonIn(Strict):
    """Changes to a person."""

    # A smaller one would make a use by weight infinite, and with it that of who comes next.
    weight: float = Field(ge=1e-6, le=1e6)


class EventOut(BaseModel):
    """Something that has happened to a sweep."""

    id: int
    at: str
    sweep: str | None
    person: str
    kind: str
    detail: dict[str, Any]

    @classmethod
    def of(cls, event: Event) -> "EventOut":
        """Return the answer for an event."""
        return cls(**{**asdict(event), "at": _time(event.at)})


Kind = Literal["submitted", "changed", "state", "done", "failed", "cancelled", "deleted"]


class HookIn(Strict):
    """An address to which the events of your own sweeps are sent."""

    url: Annotated[str, BeforeValidator(_checked)] = Field(max_length=1000)
    kinds: list[Kind] = Field(["done", "failed", "cancelled"], min_length=1, max_length=20)


class HookOut(BaseModel):
    """An address that gets events."""

    id: int
    person: str
    url: str
    kinds: list[str]
    created_at: str

    @classmethod
    def of(cls, hook: Hook) -> "HookOut":
        """Return the answer for a hook."""
        return cls(
            id=hook.id, person=hook.person, url=hook.url, kinds=list(hook.kinds),
            created_at=_time(hook.created_at),
        )  # fmt: skip


class HookMade(HookOut):
    """A hook with its secret."""

    secret: str = Field(description="Secret that signs messages; shown only this once.")


class DeliveryOut(BaseModel):
    """An event on its way to a hook."""

    id: str = Field(description="The same for every attempt.")
    kind: str
    attempts: int
    next_attempt_at: str | None = Field(description="Null if it has arrived or was given up.")
    outcome: str = Field(description="How the last attempt has ended.")

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryOut":
        """Return the answer for a delivery."""
        return cls(
            id=delivery.id, kind=delivery.kind, attempts=delivery.attempts,
            next_attempt_at=time_text(delivery.due_at), outcome=delivery.outcome,
        )  # fmt: skip


class TrialPage(BaseModel):
    """Some trials in an order."""

    columns: list[str]
    rows: list[list[Any]]
    after: str | None = Field(description="Cursor of the next page.")
    total: int = Field(description="Trials that have a row.")
    within: int = Field(description="Trials in the requested ranges.")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def time_text(seconds: float | None) -> str | None:
    """Return a time as it travels."""
    return None if seconds is None else _time(seconds)
