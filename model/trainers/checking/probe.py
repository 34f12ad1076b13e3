"""A trainer with what it is tried on: what several checks need is trained once."""

import hashlib
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from model.errors import TrainerError
from model.trainers.checking.fresh_process import Job
from model.trainers.checking.report import BrokenPromiseError
from model.trainers.reference import TrainerName
from model.trainers.rows import Rows
from model.trainers.states import dumped, loaded
from model.trainers.trainer import KeepsPast, Params, State, Trainer

EPOCHS = 6
"""Epochs that are trained for each check, where an epoch is short enough."""

LONG = 2.0
"""Seconds of an epoch from which fewer are trained."""

_VERY_LONG = 20.0

# A fresh process may take so many seconds to start, and so many times as long as this one does.
_START_S, _PATIENCE = 120.0, 20.0

NOT_EXACT = "exact = False: it is split only at the plan's own stops, whatever happens"

Figures = Mapping[str, float]


@dataclass
class Probe:
    """A trainer, the hyperparameters and the rows that it is tried on, and its trainings so far."""

    named: TrainerName
    trainer: Trainer
    params: list[Params]
    training: Rows
    scoring: Rows

    def __post_init__(self) -> None:
        self._digest = self._digest_of_rows()
        # The state after the first grain, written down; None where it is not known.
        self._at_grain: bytes | None = None

    @property
    def has_changed_rows(self) -> bool:
        """Whether the trainer has written to its rows, past their protection."""
        return self._digest_of_rows() != self._digest

    def _digest_of_rows(self) -> bytes:
        digest = hashlib.sha256()
        for rows in (self.training, self.scoring):
            for values in (rows.X, rows.y, rows.weights):
                digest.update(b"" if values is None else values.tobytes())
        return digest.digest()

    # --- How much is trained

    @property
    def grain(self) -> int:
        """A range of epochs begins at a multiple of this."""
        return self.trainer.grain if isinstance(self.trainer, KeepsPast) else 1

    @cached_property
    def epoch_s(self) -> float:
        """Seconds of an epoch; the first call, which loads libraries, does not count."""
        seconds = self._seconds_of_grain()
        return (seconds if seconds > _VERY_LONG else self._seconds_of_grain()) / self.grain

    def _seconds_of_grain(self) -> float:
        began = time.perf_counter()
        state = self.advance(None, range(self.grain))
        seconds = time.perf_counter() - began
        if self.grain > 1:  # a state at which training may be cut, which need not be trained again
            with suppress(Exception):  # the check that writes one down tells it
                self._at_grain = dumped(self.trainer, state)
        return seconds

    @cached_property
    def last(self) -> int:
        """The epoch up to which the checks train."""
        if self.grain == 1:
            return EPOCHS if self.epoch_s < LONG else 2
        return self.grain + (min(3, self.grain) if self.epoch_s * self.grain < _VERY_LONG else 0)

    @property
    def limits(self) -> str:
        """Why fewer epochs are trained than usual; empty where they are not."""
        if self.last > self.cut and (self.grain > 1 or self.last == EPOCHS):
            return ""
        return (
            f"An epoch takes {self.epoch_s:.3g} s, so each check trained only {self.last} of "
            "them: later faults are not found."
        )

    @cached_property
    def cut(self) -> int:
        """An epoch at which training may be cut."""
        return max(1, self.last // 2) if self.grain == 1 else self.grain

    # --- What is trained

    def advance(self, state: State | None, epochs: range, params: Params | None = None) -> State:
        """Train some epochs."""
        given = dict(self.params[0] if params is None else params)
        return self.trainer.advance(state, given, epochs, self.training)

    def score(self, state: State) -> Figures:
        """Score a state on both parts: what differs by one row's rounding is found on one."""
        both = (("", self.scoring), ("training ", self.training))
        return {
            f"{part}{name}": value
            for part, rows in both
            for name, value in figures_of(self.trainer, self.trainer.score(state, rows)).items()
        }

    @cached_property
    def whole(self) -> State:
        """The state after all epochs in one range."""
        state = self.advance(None, range(self.last))
        if state is None:
            raise BrokenPromiseError("advance returns None. Let it return the state.")
        return state

    @cached_property
    def written(self) -> "bytes | Exception":
        """That state, written down before anything is done with it; why it cannot be."""
        try:
            return dumped(self.trainer, self.whole)
        except Exception as error:
            return error

    @cached_property
    def figures(self) -> Figures:
        """The metrics of that state."""
        _ = self.written  # before scoring can change it
        return self.score(self.whole)

    @cached_property
    def again(self) -> Figures:
        """The metrics of the same training, a second time."""
        return self.score(self.advance(None, range(self.last)))

    def first(self) -> State:
        """Return the state where training is cut, as it comes back from being written down."""
        return loaded(self.trainer, self._first)

    @cached_property
    def _first(self) -> bytes:
        if self.cut == self.grain and self._at_grain is not None:
            return self._at_grain
        return dumped(self.trainer, self.advance(None, range(self.cut)))

    def figures_cut(self, last: int) -> Figures:
        """Return the metrics at an epoch of a training that was cut, written down and read."""
        return self.score(self.advance(self.first(), range(self.cut, last)))

    @cached_property
    def can_be_cut(self) -> bool:
        """Whether a training that was cut gives what one range gives."""
        return self.cut >= self.last or same(self.figures, self.figures_cut(self.last))

    def travelled(self) -> State:
        """Return the state after all epochs as it comes back from being written down."""
        if isinstance(self.written, Exception):
            raise self.written
        return loaded(self.trainer, self.written)

    def elsewhere(self, *ranges: range) -> list[Figures]:
        """Return the metrics after each range, each trained in a separate process.

        Raises
        ------
        TrainerError
            If such a process ends badly.
        """
        contents: list[bytes] = []
        for epochs in ranges:
            before = contents[-1] if contents else None
            job = Job(self.named, before, self.params[0], epochs, self.training)
            seconds = _START_S + _PATIENCE * self.epoch_s * len(epochs)
            contents.append(job.run_in_a_fresh_process(seconds))
        return [self.score(loaded(self.trainer, content)) for content in contents]

    def told_of_more(self) -> Figures:
        """Return the metrics after the first epochs, where their range says that it goes on."""
        epochs = cast(range, _MoreToCome(range(self.cut), self.last))
        return self.score(self.advance(None, epochs))

    @cached_property
    def unsettled(self) -> str:
        """Why two trainings cannot be compared to the bit; empty where they can."""
        if not self.trainer.exact:
            return NOT_EXACT
        if not same(self.figures, self.again):
            return "twice the same is not the same already"
        if isinstance(self.written, Exception):
            return "its state cannot be written down"
        return ""


@dataclass(frozen=True)
class _MoreToCome:
    """Epochs whose end is said to be a later one."""

    epochs: range
    stop: int

    start = 0
    step = 1

    def __iter__(self) -> Iterator[int]:
        return iter(self.epochs)

    def __len__(self) -> int:
        return len(self.epochs)

    def __getitem__(self, place: Any) -> Any:
        return self.epochs[place]

    def __contains__(self, epoch: object) -> bool:
        return epoch in self.epochs


def figures_of(trainer: Trainer, found: object) -> dict[str, float]:
    """Return what `score` has returned as numbers, in the order of the trainer's metrics.

    Raises
    ------
    BrokenPromiseError
        If it is not a mapping of numbers by the names of the metrics.
    """
    if not isinstance(found, Mapping):
        raise BrokenPromiseError(
            f"score returns a {type(found).__name__}. Let it return a number by the name of each "
            f"metric: {', '.join(trainer.metrics)}."
        )
    if set(found) != set(trainer.metrics):
        raise BrokenPromiseError(
            f"score returns {', '.join(map(str, found)) or 'nothing'}, and metrics says "
            f"{', '.join(trainer.metrics)}. Let both say the same."
        )
    numbers = {}
    for name in trainer.metrics:
        try:
            numbers[name] = float(found[name])
        except (TypeError, ValueError) as error:
            raise BrokenPromiseError(
                f"score returns {found[name]!r:.100} as its {name}. Let it return a number."
            ) from error
    return numbers


def same(a: Figures, b: Figures) -> bool:
    """Whether all metrics are equal to the bit; two that are not numbers are equal."""
    return all(a[name] == b[name] or (math.isnan(a[name]) and math.isnan(b[name])) for name in a)


def difference(a: Figures, b: Figures) -> str:
    """Say the first metric that differs, and both values."""
    name = next(name for name in a if not same({name: a[name]}, {name: b[name]}))
    digits = next((n for n in (6, 9, 12) if f"{a[name]:.{n}g}" != f"{b[name]:.{n}g}"), 17)
    return f"{name} {a[name]:.{digits}g} and {b[name]:.{digits}g}"


def elsewhere_or_none(probe: Probe, *ranges: range) -> list[Figures] | None:
    """Return what `Probe.elsewhere` does, or None where such a process ends badly."""
    try:
        return probe.elsewhere(*ranges)
    except TrainerError:
        return None
