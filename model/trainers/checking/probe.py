"""A trainer with what it is tried on: what several checks need is trained once."""

import hashlib
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

from model.errors import TrainerError
from model.trainers.checking.fresh_process import Job, run_in_a_fresh_process
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

NOT_EXACT = "exact = False: it is cut at the plan's own checkpoints alone, whatever happens"

_BEGIN = 3
"""Epochs from the first one on that are trained in another process."""

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Begun:
    """A training up to where it is cut, and what is done with it at once, as it is in memory.

    Attributes
    ----------
    content : bytes or Exception
        The state, written down; why it cannot be.
    scored : tuple of Figures
        What scoring it twice gives.
    gone_on : Figures or Exception
        The metrics where training goes on from the scored state; why it cannot.
    """

    content: bytes | Exception
    scored: tuple[Figures, Figures]
    gone_on: Figures | Exception


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
        self._seconds_to_cut = 0.0
        self._whole_s = 0.0
        # Whether the trainer has written to the hyperparameters that it is given.
        self.has_changed_params = False

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
        if self.grain > 1:
            _ = self.whole
            return self._whole_s / self.last
        seconds = self._seconds_of_an_epoch()
        return seconds if seconds > _VERY_LONG else self._seconds_of_an_epoch()

    def _seconds_of_an_epoch(self) -> float:
        began = time.perf_counter()
        self.advance(None, range(1))
        return time.perf_counter() - began

    @cached_property
    def last(self) -> int:
        """The epoch up to which the checks train."""
        if self.grain == 1:
            return EPOCHS if self.epoch_s < LONG else 2
        if not self._seconds_to_cut:
            _ = self.begun
        return self.grain + (min(3, self.grain) if self._seconds_to_cut < _VERY_LONG else 0)

    @property
    def limits(self) -> str:
        """Why fewer epochs are trained than usual; empty where they are not."""
        if self.last > self.cut and (self.grain > 1 or self.last == EPOCHS):
            return ""
        return (
            f"An epoch takes {self.epoch_s:.3g} s, so that each check has trained {self.last} of "
            "them: what goes wrong later is not found."
        )

    @cached_property
    def cut(self) -> int:
        """An epoch at which training may be cut."""
        return max(1, self.last // 2) if self.grain == 1 else self.grain

    # --- What is trained

    def advance(self, state: State | None, epochs: range, params: Params | None = None) -> State:
        """Train some epochs."""
        params = self.params[0] if params is None else params
        given = dict(params)
        found = self.trainer.advance(state, given, epochs, self.training)
        self.has_changed_params |= given != params
        if found is None:
            raise BrokenPromiseError("advance returns None. Let it return the state.")
        return found

    def score(self, state: State) -> Figures:
        """Score a state on both parts: what differs by one row's rounding is found on one."""
        both = (("", self.scoring), ("training ", self.training))
        return {
            f"{part}{name}": value
            for part, rows in both
            for name, value in figures_of(self.trainer, self.trainer.score(state, rows)).items()
        }

    @cached_property
    def begun(self) -> Begun:
        """The first training up to where it is cut.

        All is done with it before another training, because a trainer may have one model in memory
        for all of them.
        """
        began = time.perf_counter()
        state = self.advance(None, range(self.cut))
        self._seconds_to_cut = time.perf_counter() - began
        content = _dumped_or_why(self.trainer, state)
        scored = self.score(state), self.score(state)
        gone_on: Figures | Exception = scored[-1]
        if self.cut < self.last:
            try:
                gone_on = self.score(self.advance(state, range(self.cut, self.last)))
            except Exception as error:  # told by the check that looks at it
                gone_on = error
        return Begun(content, scored, gone_on)

    @cached_property
    def whole(self) -> State:
        """The state after all epochs in one range."""
        epochs = range(self.last)
        began = time.perf_counter()
        state = self.advance(None, epochs)
        self._whole_s = time.perf_counter() - began
        return state

    @cached_property
    def written(self) -> "bytes | Exception":
        """That state, written down before anything is done with it; why it cannot be."""
        return _dumped_or_why(self.trainer, self.whole)

    @cached_property
    def figures(self) -> Figures:
        """The metrics of that state."""
        _ = self.written  # before scoring can change it
        return self.score(self.whole)

    @cached_property
    def again(self) -> Figures:
        """The metrics of the same training, a second time."""
        return self.score(self.advance(None, range(self.last)))

    @cached_property
    def repeats(self) -> bool:
        """Whether the same training gives the same, a second time.

        One that was cut is a second time too, so that another is trained only where it differs.
        """
        if self.cut >= self.last:
            return same(self.figures, self.begun.scored[0])
        return (self.travels and self.can_be_cut) or same(self.figures, self.again)

    def first(self) -> State:
        """Return the state where training is cut, as it comes back from being written down."""
        if isinstance(self.begun.content, Exception):
            raise self.begun.content
        return loaded(self.trainer, self.begun.content)

    def figures_cut(self, last: int) -> Figures:
        """Return the metrics at an epoch of a training that was cut, written down and read."""
        return self.score(self.advance(self.first(), range(self.cut, last)))

    @cached_property
    def can_be_cut(self) -> bool:
        """Whether a training that was cut gives what one range gives."""
        if self.cut >= self.last or same(self.figures, self.figures_cut(self.last)):
            return True
        # What a trainer keeps outside of the state is that of another training by now.
        self.begun = replace(self.begun, content=self._content_at_cut())
        return same(self.figures, self.figures_cut(self.last))

    def _content_at_cut(self) -> bytes | Exception:
        return _dumped_or_why(self.trainer, self.advance(None, range(self.cut)))

    def travelled(self) -> State:
        """Return the state after all epochs as it comes back from being written down."""
        if isinstance(self.written, Exception):
            raise self.written
        return loaded(self.trainer, self.written)

    @cached_property
    def travels(self) -> bool:
        """Whether the state can be written down and read again."""
        try:
            self.travelled()
        except Exception:  # told by the check of that
            return False
        return True

    def elsewhere(self, *ranges: range) -> list[Figures]:
        """Return the metrics after each range, each trained in a process of its own.

        Raises
        ------
        TrainerError
            If such a process ends badly.
        """
        contents: list[bytes] = []
        for epochs in ranges:
            before = contents[-1] if contents else None
            contents += self._trained_elsewhere((before, epochs))
        return [self.score(loaded(self.trainer, content)) for content in contents]

    @cached_property
    def agrees_elsewhere(self) -> bool:
        """Whether one other process goes on, and begins, as this one does.

        It goes on first, when nothing has been trained in it.

        Raises
        ------
        TrainerError
            If that process ends badly.
        """
        begin = range(min(_BEGIN, self.cut))
        here = self.begun.scored[0]
        if len(begin) < self.cut:
            here = self.score(self.advance(None, begin))
        if self.cut >= self.last:
            (content,) = self._trained_elsewhere((None, begin))
            return same(here, self.score(loaded(self.trainer, content)))
        going = self.begun.content
        if isinstance(going, Exception):
            raise going
        found = self._trained_elsewhere((going, range(self.cut, self.last)), (None, begin))
        return all(
            same(mine, self.score(loaded(self.trainer, content)))
            for mine, content in zip((self.figures, here), found, strict=True)
        )

    def _trained_elsewhere(self, *asked: tuple[bytes | None, range]) -> list[bytes]:
        """Return states after ranges that go on from some, all trained in one other process."""
        jobs = [
            Job(self.named, before, self.params[0], epochs, self.training)
            for before, epochs in asked
        ]
        epochs = sum(len(job.epochs) for job in jobs)
        return run_in_a_fresh_process(jobs, _START_S + _PATIENCE * self.epoch_s * epochs)

    def told_of_more(self) -> Figures:
        """Return the metrics after the first epochs, where their range says that it goes on."""
        epochs = cast(range, _MoreToCome(range(self.cut), self.last))
        return self.score(self.advance(None, epochs))

    @cached_property
    def unsettled(self) -> str:
        """Why two trainings cannot be compared to the bit; empty where they can."""
        if not self.trainer.exact:
            return NOT_EXACT
        if not self.repeats:
            return "twice the same is not the same already"
        return "" if self.travels else "its state cannot be written down and read"


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


def _dumped_or_why(trainer: Trainer, state: State) -> bytes | Exception:
    try:
        return dumped(trainer, state)
    except Exception as error:
        return error


def figures_of(trainer: Trainer, found: object) -> dict[str, float]:
    """Return what `score` has returned as numbers, in the order of the trainer's metrics.

    Raises
    ------
    BrokenPromiseError
        If it is no mapping of numbers by the names of the metrics.
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
    """Whether all metrics are equal to the bit; two that are no numbers are equal."""
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
