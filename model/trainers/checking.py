"""What a trainer promises, tried on some rows: each demand with the likely cause where it fails."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from model.errors import TrainerError
from model.trainers.fresh_process import Job
from model.trainers.reference import TrainerName
from model.trainers.rows import Rows
from model.trainers.states import dumped, loaded
from model.trainers.trainer import KeepsPast, Packs, Params, State, Trainer

EPOCHS = 6
"""Epochs that are trained for each check, where an epoch is short enough."""

# Seconds of an epoch from which fewer are trained.
_LONG = 2.0

# An epoch takes longer than an early one by this factor, and by so many seconds, to be told of.
_SLOWER, _SECONDS = 2.0, 0.005

_IT_TRAINS, _IN_TIME = "it trains, and is scored", "time does not grow"

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Finding:
    """What a check has found.

    Attributes
    ----------
    check : str
        What was tried, in a few words.
    passed : bool or None
        None where it could not be tried.
    message : str
        What is wrong and what to do about it; why nothing was tried.
    """

    check: str
    passed: bool | None
    message: str = ""


@dataclass(frozen=True)
class CheckReport:
    """What is known of a trainer after its checks.

    Attributes
    ----------
    trainer, version : str
    findings : tuple of Finding
    epoch_s : float
        Seconds of an epoch on the rows of the check.
    state_bytes : int
        Size of a state, written down.
    """

    trainer: str
    version: str
    findings: tuple[Finding, ...]
    epoch_s: float
    state_bytes: int

    @property
    def failures(self) -> list[Finding]:
        """The checks that have failed."""
        return [found for found in self.findings if found.passed is False]

    @property
    def broken(self) -> list[Finding]:
        """The failures that would make results wrong; the others make failed rows, or take time."""
        return [found for found in self.failures if found.check not in (_IT_TRAINS, _IN_TIME)]


class BrokenPromiseError(Exception):
    """A check that has failed; its text is the finding's message."""


def check_trainer(
    named: TrainerName, params: Sequence[Params], training: Rows, scoring: Rows
) -> CheckReport:
    """Try what a trainer promises.

    Parameters
    ----------
    named : TrainerName
    params : sequence of mapping
        Hyperparameters to try, one or more; most checks take the first.
    training, scoring : Rows
        A few hundred rows each, so that it takes seconds.

    Raises
    ------
    TrainerError
        If the trainer cannot be imported.
    """
    trial = Trial(named, named.load(), list(params), training, scoring)
    findings: list[Finding] = []
    for name, check in _CHECKS.items():
        raises = bool(findings) and findings[0].passed is False
        found = Finding(name, None, "it does not train") if raises else _found(name, check, trial)
        findings.append(found)
    works, travels = (found.passed is not False for found in findings[:2])
    return CheckReport(
        trainer=named.name,
        version=trial.trainer.version,
        findings=tuple(findings),
        epoch_s=trial.epoch_s if works else 0.0,
        state_bytes=len(dumped(trial.trainer, trial.whole)) if works and travels else 0,
    )


def _found(name: str, check: "Callable[[Trial], str | None]", trial: "Trial") -> Finding:
    try:
        skipped = check(trial)
    except BrokenPromiseError as error:
        return Finding(name, False, str(error))
    except Exception as error:  # a trainer may raise anything
        return Finding(name, False, _explained(error))
    return Finding(name, None if skipped else True, skipped or "")


def _explained(error: Exception) -> str:
    text = f"{type(error).__name__}: {str(error)[:500]}"
    if "read-only" in text:
        return (
            f"It writes to the rows that it is given, which all trials share ({text}). Let it "
            "change a copy."
        )
    return f"It raises {text}"


@dataclass
class Trial:
    """A trainer with what it is tried on; what several checks need is trained once."""

    named: TrainerName
    trainer: Trainer
    params: list[Params]
    training: Rows
    scoring: Rows

    @property
    def grain(self) -> int:
        """A range of epochs begins at a multiple of this."""
        return self.trainer.grain if isinstance(self.trainer, KeepsPast) else 1

    @cached_property
    def epoch_s(self) -> float:
        """Seconds of an epoch; the first call, which loads libraries, does not count."""
        self.advance(None, range(self.grain))
        began = time.perf_counter()
        self.advance(None, range(self.grain))
        return (time.perf_counter() - began) / self.grain

    @cached_property
    def last(self) -> int:
        """The epoch up to which the checks train."""
        epochs = EPOCHS if self.epoch_s * self.grain < _LONG else 2
        return epochs if self.grain == 1 else self.grain + min(3, self.grain)

    @cached_property
    def cut(self) -> int:
        """An epoch at which training may be cut."""
        return max(1, self.last // 2) if self.grain == 1 else self.grain

    @cached_property
    def whole(self) -> State:
        """The state after all epochs in one range."""
        return self.advance(None, range(self.last))

    @cached_property
    def figures(self) -> Figures:
        """The metrics of that state."""
        return self.score(self.whole)

    def advance(self, state: State | None, epochs: range, params: Params | None = None) -> State:
        """Train some epochs."""
        given = dict(self.params[0] if params is None else params)
        return self.trainer.advance(state, given, epochs, self.training)

    def score(self, state: State) -> Figures:
        """Score a state on both parts: what differs by one row's rounding is found on one."""
        both = (("", self.scoring), ("training ", self.training))
        return {
            f"{part}{name}": float(value)
            for part, rows in both
            for name, value in self.trainer.score(state, rows).items()
        }

    @cached_property
    def _first(self) -> bytes:
        return dumped(self.trainer, self.advance(None, range(self.cut)))

    def first(self) -> State:
        """Return the state where training is cut, as it comes back from being written down."""
        return loaded(self.trainer, self._first)

    def travelled(self, state: State) -> State:
        """Return a state as it comes back from being written down."""
        return loaded(self.trainer, dumped(self.trainer, state))


def _same(a: Figures, b: Figures) -> bool:
    return all(a[name] == b[name] or (a[name] != a[name] and b[name] != b[name]) for name in a)


def _difference(a: Figures, b: Figures) -> str:
    name = next(name for name in a if a[name] != b[name])
    return f"{name} {a[name]:.9g} and {b[name]:.9g}"


# --- The checks: each returns nothing, or why it does not apply, or raises what it has found


def _trains(trial: Trial) -> None:
    found = trial.trainer.score(trial.whole, trial.scoring)
    expected = trial.trainer.metrics
    if set(found) != set(expected):
        raise BrokenPromiseError(
            f"score returns {', '.join(map(str, found)) or 'nothing'}, and metrics says "
            f"{', '.join(expected)}. Let both say the same."
        )
    _ = trial.figures
    if trial.figures["cost"] != trial.figures["cost"]:
        raise BrokenPromiseError(
            "The cost is not a number after training: such trials are failed rows. Try smaller "
            "steps, or look for a division by 0."
        )


def _travels(trial: Trial) -> None:
    try:
        back = trial.travelled(trial.whole)
    except Exception as error:
        raise BrokenPromiseError(
            f"The state cannot be written down and read again ({type(error).__name__}: {error}). "
            "Keep arrays and plain values in it, no open files, locks or generators; or derive "
            "from OwnFormat."
        ) from error
    found = trial.score(back)
    if not _same(trial.figures, found):
        raise BrokenPromiseError(
            "A state is another after it was written down and read: "
            f"{_difference(trial.figures, found)}."
        )


def _repeats(trial: Trial) -> str | None:
    if not trial.trainer.exact:
        return _NOT_EXACT
    again = trial.score(trial.advance(None, range(trial.last)))
    if not _same(trial.figures, again):
        raise BrokenPromiseError(
            f"Twice the same training gives two results: {_difference(trial.figures, again)}. All "
            "randomness must come from data.rng(epoch) and data.order(epoch): look for random "
            "numbers without a seed, or for state outside of the state, such as a global counter."
        )
    return None


_NOT_EXACT = "exact = False: it is cut at the plan's own checkpoints alone, whatever happens"


def _may_be_cut(trial: Trial) -> str | None:
    if not trial.trainer.exact:
        return _NOT_EXACT
    if trial.cut >= trial.last:
        return "two epochs are too few to cut"
    found = trial.score(trial.advance(trial.first(), range(trial.cut, trial.last)))
    if _same(trial.figures, found):
        return None
    raise BrokenPromiseError(
        f"Epochs 1 to {trial.last} in one range, and cut after {trial.cut}, give "
        f"{_difference(trial.figures, found)}. What the next range needs must be in the state: "
        "momentum, counters, caches. And nothing may depend on where a range ends: epochs.stop is "
        "no total number of epochs; a schedule over all of them takes that number as a "
        "hyperparameter."
    )


def _goes_on_elsewhere(trial: Trial) -> str | None:
    if not trial.trainer.exact:
        return _NOT_EXACT
    content: bytes | None = None
    for epochs in (range(trial.cut), range(trial.cut, trial.last)):
        if epochs:
            job = Job(trial.named, content, trial.params[0], epochs, trial.training)
            try:
                content = job.run_in_a_fresh_process()
            except TrainerError as error:
                raise BrokenPromiseError(f"Where another process goes on, {error}.") from error
    found = trial.score(loaded(trial.trainer, content or b""))
    if _same(trial.figures, found):
        return None
    raise BrokenPromiseError(
        f"Each range in a process of its own gives {_difference(trial.figures, found)}. Something "
        "lives outside of the state: a global variable, an attribute of the trainer, a file."
    )


def _leaves_alone(trial: Trial) -> None:
    params = dict(trial.params[0])
    trial.trainer.advance(None, params, range(1), trial.training)
    if params != dict(trial.params[0]):
        raise BrokenPromiseError(
            "It changes the hyperparameters that it is given. Let it change a copy."
        )
    state = trial.first()
    before = trial.score(state)
    if not _same(before, trial.score(state)):
        raise BrokenPromiseError("Scoring changes the state. Let score work on a copy.")
    if trial.cut < trial.last and trial.trainer.exact:
        found = trial.score(trial.advance(state, range(trial.cut, trial.last)))
        if not _same(trial.figures, found):
            raise BrokenPromiseError(
                f"Training that goes on after scoring gives {_difference(trial.figures, found)}: "
                "score changes what training needs. Let it work on a copy."
            )


def _knows_its_past(trial: Trial) -> str | None:
    trainer = trial.trainer
    if not isinstance(trainer, KeepsPast):
        return "it is scored where it stands"
    for epoch in sorted({1, trial.cut, trial.last}):
        alone = trainer.score(trial.advance(None, range(epoch)), trial.scoring)
        found = trainer.score_at(trial.whole, epoch, trial.scoring)
        if not _same(alone, found):
            raise BrokenPromiseError(
                f"As of epoch {epoch}, a state of {trial.last} epochs and one that was trained to "
                f"{epoch} give {_difference(alone, found)}. Later rounds change earlier ones, as "
                "DART's do: derive from Trainer instead of KeepsPast."
            )
    return None


def _packs_as_alone(trial: Trial) -> str | None:
    trainer = trial.trainer
    if not isinstance(trainer, Packs):
        return "it trains one at a time"
    first = trial.params[0]
    alike = [p for p in trial.params if all(p.get(n) == first.get(n) for n in trainer.pack_by)]
    given = [dict(params) for params in (alike * 3)[: max(3, len(alike))]]
    states: Sequence[State | None] = [None] * len(given)
    for epochs in (range(trial.cut), range(trial.cut, trial.last)):
        if epochs:
            states = trainer.advance_pack(states, given, epochs, trial.training)
    for params, state in zip(given, states, strict=True):
        alone = trainer.score(trial.advance(None, range(trial.last), params), trial.scoring)["cost"]
        packed = trainer.score(state, trial.scoring)["cost"]
        if not abs(packed - alone) <= trainer.tolerance * abs(alone):
            raise BrokenPromiseError(
                f"In a pack {params} costs {packed:.9g}, alone {alone:.9g}: that is more than its "
                f"tolerance of {trainer.tolerance:g}. Mend advance_pack, or declare a tolerance."
            )
    return None


def _time_stays(trial: Trial) -> str | None:
    if trial.epoch_s * trial.grain > _LONG:
        return "its epochs are too long to be compared"
    ranges = 9 if trial.grain == 1 else 5
    times = list(_times(trial, ranges))
    early, late = min(times[: ranges // 3]), min(times[-(ranges // 3) :])
    if late > _SLOWER * early and late - early > _SECONDS * trial.grain:
        raise BrokenPromiseError(
            f"An epoch takes longer the later it is: {early / trial.grain:.3g} s at the beginning, "
            f"{late / trial.grain:.3g} s after {(ranges - 1) * trial.grain}. Look for training "
            "that begins anew, or for a history that is copied each time."
        )
    return None


def _times(trial: Trial, ranges: int) -> Iterator[float]:
    state, grain = None, trial.grain
    for i in range(ranges):
        began = time.perf_counter()
        state = trial.advance(state, range(i * grain, (i + 1) * grain))
        yield time.perf_counter() - began


_CHECKS: dict[str, Callable[[Trial], str | None]] = {
    _IT_TRAINS: _trains,
    "a state can be written down": _travels,
    "twice the same is the same": _repeats,
    "epochs may be cut anywhere": _may_be_cut,
    "another process goes on": _goes_on_elsewhere,
    "inputs are left alone": _leaves_alone,
    "it knows its past": _knows_its_past,
    "a pack is as each alone": _packs_as_alone,
    _IN_TIME: _time_stays,
}
