"""The checks: each returns nothing, or why it does not apply, or raises what it has found."""

import math
import time
from collections.abc import Callable, Iterator, Sequence

from model.errors import TrainerError, cut, told
from model.trainers.checking.probe import (
    LONG,
    NOT_EXACT,
    Figures,
    Probe,
    difference,
    elsewhere_or_none,
    figures_of,
    same,
)
from model.trainers.checking.report import IN_TIME, IT_TRAINS, BrokenPromiseError
from model.trainers.states import dumped, loaded
from model.trainers.trainer import KeepsPast, Packs, Params, State, TakesSchedules, Value

LEFT_ALONE = "inputs are not changed"

# An epoch takes longer than an early one by this factor, and by so many seconds, to be told of.
# What makes a machine slow for a moment does not do so at the same epoch each time.
_SLOWER, _SECONDS, _ATTEMPTS = 2.0, 0.005, 6


def _trains(probe: Probe) -> None:
    params = dict(probe.params[0])
    try:
        probe.trainer.check(dict(params))
    except ValueError as error:
        raise BrokenPromiseError(f"It refuses {params}: {cut(str(error))}") from error
    cost = probe.figures["cost"]
    if not math.isfinite(cost):
        raise BrokenPromiseError(
            f"With {params} the cost is {cost} after {probe.last} epochs, which is not a number "
            "to compare trials by: such trials are failed rows. Try smaller steps, or look for a "
            "division by 0."
        )


def _travels(probe: Probe) -> None:
    try:
        back = probe.travelled()
    except Exception as error:
        raise BrokenPromiseError(
            f"The state cannot be written down and read again ({told(error)}). "
            "Keep arrays and plain values in it, no open files, locks or generators; or derive "
            "from OwnFormat."
        ) from error
    found = probe.score(back)
    if not same(probe.figures, found):
        raise BrokenPromiseError(
            "A state differs after it was written and read: "
            f"{difference(probe.figures, found)}. Look for what pickling leaves out, such as by "
            "__getstate__ or dump."
        )


def _repeats(probe: Probe) -> str | None:
    if not probe.trainer.exact:
        return NOT_EXACT
    if same(probe.figures, probe.again):
        return None
    raise BrokenPromiseError(
        f"Twice the same training of {probe.last} epochs gives two results: "
        f"{difference(probe.figures, probe.again)}. {_why_it_does_not_repeat(probe)}"
    )


_SEEDED = "All randomness must come from data.rng(epoch) and data.order(epoch)"
_OUTSIDE = "a global counter or an attribute of the trainer"


def _why_it_does_not_repeat(probe: Probe) -> str:
    runs = [elsewhere_or_none(probe, range(probe.last)) for _ in range(2)]
    one, other = runs
    if one is None or other is None:
        return (
            f"{_SEEDED}: look for random numbers without a seed, or for something outside of the "
            f"state, such as {_OUTSIDE}."
        )
    if same(one[0], other[0]):
        return (
            "Two fresh processes agree with each other, so something is carried from one call to "
            f"the next outside of the state, such as {_OUTSIDE}. Put it into the state."
        )
    return f"Two fresh processes differ as well, so some random numbers have no seed. {_SEEDED}."


def _may_be_cut(probe: Probe) -> str | None:
    if probe.unsettled:
        return probe.unsettled
    if probe.cut >= probe.last:
        return "its epochs take too long to be cut here"
    if probe.can_be_cut:
        return None
    raise BrokenPromiseError(
        f"Epochs 1 to {probe.last} in one range, and cut after {probe.cut}, {_parting(probe)}. "
        f"{_why_it_cannot_be_cut(probe)}"
    )


def _parting(probe: Probe) -> str:
    """Say at which epoch a training in one range and one that is cut have parted, and how far."""
    for epoch in range(probe.cut + 1, probe.last):
        alone = probe.score(probe.advance(None, range(epoch)))
        found = probe.figures_cut(epoch)
        if not same(alone, found):
            return f"part at epoch {epoch}: {difference(alone, found)}"
    found = probe.figures_cut(probe.last)
    return f"part at epoch {probe.last}: {difference(probe.figures, found)}"


def _why_it_cannot_be_cut(probe: Probe) -> str:
    if same(probe.figures, _after_a_cut(probe, probe.advance(None, range(probe.cut)))):
        return (
            "Continuing from the state in memory is correct, so something is lost where "
            "the state is written down, such as what __getstate__ or dump leaves out."
        )
    total = (
        "epochs.stop is not the total number of epochs: a schedule over all of them takes that "
        "number as a hyperparameter."
    )
    if _looks_at_the_end(probe):
        return (
            f"If a range says that it ends at {probe.last}, its first {probe.cut} epochs are "
            f"trained differently. But {total}"
        )
    return (
        "Everything the next range needs must be in the state: momentum, counters, caches. Random "
        "numbers must not restart with a range, as those of a fixed seed do. And nothing may "
        f"depend on where a range ends: {total}"
    )


def _after_a_cut(probe: Probe, state: State) -> Figures:
    """Return the metrics of a training that goes on from a state where it is cut."""
    return probe.score(probe.advance(state, range(probe.cut, probe.last)))


def _looks_at_the_end(probe: Probe) -> bool:
    """Whether the same epochs are trained differently where their range says that it goes on."""
    try:
        found = probe.told_of_more()
    except Exception:  # it takes true ranges alone, and nothing is known
        return False
    honest = probe.score(probe.advance(None, range(probe.cut)))
    # One that trains up to the announced end has all epochs then.
    return not same(found, honest) and not same(found, probe.figures)


def _goes_on_elsewhere(probe: Probe) -> str | None:
    if probe.unsettled:
        return probe.unsettled
    if not probe.can_be_cut:
        return "cutting here already changes the result"
    ranges = [r for r in (range(probe.cut), range(probe.cut, probe.last)) if r]
    try:
        found = probe.elsewhere(*ranges)
    except TrainerError as error:
        raise BrokenPromiseError(f"Where another process continues, {error}.") from error
    if same(probe.figures, found[-1]):
        return None
    first = probe.score(probe.advance(None, range(probe.cut)))
    if not same(first, found[0]):
        raise BrokenPromiseError(
            f"{probe.cut} epochs in a fresh process give another result than here: "
            f"{difference(first, found[0])}. Look for what differs from process to process: the "
            "order of a set, the time, a file, an environment variable, or a value that lives "
            "outside of the state."
        )
    raise BrokenPromiseError(
        f"Each range in a separate process gives {difference(probe.figures, found[-1])} after "
        f"epoch {probe.last}; after {probe.cut} they were the same. Something is kept outside of "
        "the state: a global variable, an attribute of the trainer, a file."
    )


def _leaves_alone(probe: Probe) -> None:
    params = dict(probe.params[0])
    state = probe.trainer.advance(None, params, range(probe.cut), probe.training)
    if params != dict(probe.params[0]):
        raise BrokenPromiseError(
            "It changes the hyperparameters that it is given. Let it change a copy."
        )
    before = probe.score(state)
    if not same(before, probe.score(state)):
        raise BrokenPromiseError("Scoring changes the state. Let score work on a copy.")
    if probe.cut < probe.last and not probe.unsettled:
        found = _after_a_cut(probe, state)
        # Not one that was written down: that may be another state already.
        unscored = _after_a_cut(probe, probe.advance(None, range(probe.cut)))
        if not same(unscored, found):
            raise BrokenPromiseError(
                f"Training that continues after scoring gives {difference(unscored, found)}: score "
                "changes something that training needs. Let it work on a copy."
            )


def _knows_its_past(probe: Probe) -> str | None:
    trainer = probe.trainer
    if not isinstance(trainer, KeepsPast):
        return "it is scored at its own epoch"
    if probe.unsettled and not isinstance(probe.written, Exception):
        return probe.unsettled
    known = {} if isinstance(probe.written, Exception) else {probe.cut: probe.first}
    known[probe.last] = lambda: probe.whole
    for epoch in sorted({1, probe.cut, probe.last}):
        state = known[epoch]() if epoch in known else probe.advance(None, range(epoch))
        alone = figures_of(trainer, trainer.score(state, probe.scoring))
        found = figures_of(trainer, trainer.score_at(probe.whole, epoch, probe.scoring))
        if not same(alone, found):
            raise BrokenPromiseError(
                f"As of epoch {epoch}, a state of {probe.last} epochs and one that was trained to "
                f"{epoch} give {difference(found, alone)}. Later rounds change earlier ones, as "
                "DART's do: derive from Trainer instead of KeepsPast."
            )
    return None


def _packs_as_alone(probe: Probe) -> str | None:
    trainer = probe.trainer
    if not isinstance(trainer, Packs):
        return "it trains one at a time"
    given = _pack_of(trainer, probe.params)
    asked = [dict(params) for params in given]
    states: Sequence[State | None] = [None] * len(given)
    for epochs in (range(probe.cut), range(probe.cut, probe.last)):
        if epochs:
            states = list(trainer.advance_pack(states, asked, epochs, probe.training))
            if len(states) != len(given):
                raise BrokenPromiseError(
                    f"advance_pack gets {len(given)} states and returns {len(states)}. Let it "
                    "return one for each, in their order."
                )
    if asked != given:
        raise BrokenPromiseError(
            "advance_pack changes the hyperparameters that it is given. Let it change a copy."
        )
    for params, state in zip(given, states, strict=True):
        alone = _cost(probe, probe.advance(None, range(probe.last), params))
        packed = _cost(probe, state)
        both_diverge = not (math.isfinite(alone) or math.isfinite(packed))
        if not both_diverge and not abs(packed - alone) <= trainer.tolerance * abs(alone):
            apart = abs(packed - alone) / abs(alone) if alone else math.inf
            raise BrokenPromiseError(
                f"In a pack {params} costs {packed:.9g}, alone {alone:.9g}: a relative "
                f"difference of {apart:.2g}, with a tolerance of {trainer.tolerance:g}. Fix "
                "advance_pack, or declare a tolerance."
            )
    return None


def _follows_schedules(probe: Probe) -> str | None:
    trainer = probe.trainer
    if not isinstance(trainer, TakesSchedules):
        return "it takes no schedules"
    if probe.unsettled:
        return probe.unsettled
    if probe.cut >= probe.last:
        return "its epochs take too long to be cut here"
    if not probe.can_be_cut:
        return "cutting already changes the result"
    numbers = [name for name in trainer.live if isinstance(probe.params[0].get(name), int | float)]
    for name in numbers:
        _follows_schedule_of(probe, name)
    return None if numbers else f"none of {', '.join(trainer.live) or 'nothing'} is given"


def _follows_schedule_of(probe: Probe, name: str) -> None:
    value = float(probe.params[0][name])
    other = {**probe.params[0], name: value / 2 if value else 1.0}
    if same(probe.figures, probe.score(probe.advance(None, range(probe.last), other))):
        return  # with these hyperparameters it has no effect at all
    rest = range(probe.cut, probe.last)
    found = probe.score(probe.advance(probe.first(), rest, other))
    if same(probe.figures, found):
        raise BrokenPromiseError(
            f"{name} is declared live, but another value after epoch {probe.cut} changes "
            "nothing: the state keeps the first one, as an optimiser does. Let advance take it "
            "from params in each call."
        )
    state = probe.first()
    for epoch in rest:
        after = dumped(probe.trainer, probe.advance(state, range(epoch, epoch + 1), other))
        state = loaded(probe.trainer, after)
    cut = probe.score(state)
    if not same(found, cut):
        raise BrokenPromiseError(
            f"After {name} has changed at epoch {probe.cut}, one range and single epochs give "
            f"{difference(found, cut)}. What follows from the change must be in the state, or be "
            "taken from params in each call."
        )


def _pack_of(trainer: Packs, params: Sequence[Params]) -> list[dict[str, Value]]:
    """Return the hyperparameters of a pack: three or more, alike in what packs have in common."""
    first = params[0]
    alike = [p for p in params if all(p.get(n) == first.get(n) for n in trainer.pack_by)]
    return [dict(mine) for mine in (alike * 3)[: max(3, len(alike))]][: max(1, trainer.widest)]


def _cost(probe: Probe, state: State) -> float:
    return figures_of(probe.trainer, probe.trainer.score(state, probe.scoring))["cost"]


def _time_stays(probe: Probe) -> str | None:
    if probe.epoch_s * probe.grain > LONG:
        return "its epochs are too long to be compared"
    ranges = 10 if probe.grain == 1 else 6
    best = [math.inf] * ranges
    for _ in range(_ATTEMPTS):
        best = list(map(min, best, _times(probe, ranges)))
        third = len(best) // 3
        # The first range has no state to begin with, and need not be like the others.
        early, late = min(best[1 : 1 + third]), min(best[-third:])
        if late <= _SLOWER * early or late - early <= _SECONDS * probe.grain:
            return None
    raise BrokenPromiseError(
        f"Later epochs take longer: {early / probe.grain:.3g} s at the beginning, "
        f"{late / probe.grain:.3g} s after {(ranges - third) * probe.grain}. Look for training "
        "that starts again, or for a history that is copied each time."
    )


def _times(probe: Probe, ranges: int) -> Iterator[float]:
    grain, trained = probe.grain, 0
    state = None
    # The first range is not looked at, and may have been trained already.
    if probe.cut == grain > 1:
        state, trained = probe.first(), 1
        yield math.inf
    for i in range(trained, ranges):
        began = time.perf_counter()
        state = probe.advance(state, range(i * grain, (i + 1) * grain))
        yield time.perf_counter() - began


CHECKS: dict[str, Callable[[Probe], str | None]] = {
    IT_TRAINS: _trains,
    "a state can be written down": _travels,
    "twice the same is the same": _repeats,
    "epochs may be cut anywhere": _may_be_cut,
    "another process continues": _goes_on_elsewhere,
    LEFT_ALONE: _leaves_alone,
    "it knows its past": _knows_its_past,
    "a pack gives what separate training gives": _packs_as_alone,
    "it follows schedules": _follows_schedules,
    IN_TIME: _time_stays,
}
"""By what they try, in their order: each is told less where one before it has failed."""
