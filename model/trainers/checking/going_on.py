"""Whether a trainer that is not exact goes on from its state at all."""

from collections.abc import Sequence

from model.errors import TrainerError
from model.trainers.checking.probe import Probe, elsewhere_or_none
from model.trainers.checking.report import BrokenPromiseError

# Trainings of each kind that are compared, where they take no longer than so many seconds.
_TRAININGS, _SHORT_S = 3, 1.0

# One that goes on is as far from one range as its own chance moves it. By so many times more, and
# no further from a training without a state, it is the latter.
_APART = 5.0

_COST = "training cost"


def check_it_goes_on(probe: Probe, *, elsewhere: bool = False) -> None:
    """Refuse a trainer whose later epochs give the same from its state as from none.

    What chance does to the costs is seen in trainings that are repeated; one that is the same each
    time is compared to the bit.

    Parameters
    ----------
    probe : Probe
    elsewhere : bool
        Whether each range is trained in a process of its own.

    Raises
    ------
    BrokenPromiseError
        If it does not go on from its state, or not in another process.
    """
    rest = range(probe.cut, probe.last)
    times = range(_TRAININGS if probe.epoch_s * probe.last <= _SHORT_S else 1)
    whole = [probe.figures[_COST], *(probe.figures_anew()[_COST] for _ in times[1:])]
    if elsewhere:
        try:
            gone_on = [probe.elsewhere(range(probe.cut), rest)[-1][_COST]]
        except TrainerError as error:
            raise BrokenPromiseError(f"Where another process goes on, {error}.") from error
        found = elsewhere_or_none(probe, rest)
        anew = [] if found is None else [found[0][_COST]]
    else:
        gone_on = [probe.score(probe.advance(probe.first_anew(), rest))[_COST] for _ in times]
        anew = _begun_anew(probe, rest, times)
    # Without any, it asks for the state of the epochs before.
    if not anew or not _is_anew(whole, gone_on, anew):
        return
    probe.begins_anew = True
    where = "In separate processes, " if elsewhere else ""
    raise BrokenPromiseError(
        f"{where}epochs {probe.cut + 1} to {probe.last} give a {_COST} of {gone_on[0]:.6g} from "
        f"its state and {anew[0]:.6g} without one, where all epochs in one range give "
        f"{whole[0]:.6g}: it does not go on from its state. Let advance begin with the state that "
        "it is given, and return all that the next range needs."
    )


def _begun_anew(probe: Probe, rest: range, times: range) -> list[float]:
    try:
        return [probe.score(probe.advance(None, rest))[_COST] for _ in times]
    except (Exception, SystemExit):
        return []


def _is_anew(whole: Sequence[float], gone_on: Sequence[float], anew: Sequence[float]) -> bool:
    by_chance = max(max(costs) - min(costs) for costs in (whole, gone_on, anew))
    return _gap(whole, gone_on) > _APART * by_chance and _gap(gone_on, anew) <= by_chance


def _gap(some: Sequence[float], others: Sequence[float]) -> float:
    """Return how far two ranges of numbers are apart; 0 where they overlap."""
    return max(min(some) - max(others), min(others) - max(some), 0.0)
