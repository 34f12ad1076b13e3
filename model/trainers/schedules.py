"""Schedules: the values of a hyperparameter from epoch to epoch, and the text for them."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

NAMES = ("cosine", "linear", "step")
"""The schedules that have a name; any other is a list of values, each with its epochs."""

MOST_EPOCHS = 10**6
MOST_PIECES = 1000


class ScheduleError(ValueError):
    """What is given is not a schedule; the message is for the user, and names the rule."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The value of a hyperparameter in each epoch. It knows no last epoch: trials have that.

    After warm-up epochs, in which the value grows evenly, it is that of the shape:

    - ``pieces``: each value for its epochs, and the last one for all that follow;
    - ``cosine``: from the first to the last value by half a period of the cosine
      (Loshchilov and Hutter, SGDR, 2017, equation 5), then the last one;
    - ``linear``: from the first to the last value by equal differences, then the last one;
    - ``step``: the first value, times a factor after each so many epochs.

    Attributes
    ----------
    shape : str
    values : tuple of float
        Of ``pieces`` the value of each, of ``step`` the first value and the factor, else the first
        and the last value.
    lengths : tuple of int
        Of ``pieces`` the epochs of each but the last; else those of the way, or of a step.
    warm_up : int
        Epochs before that. Epoch i of w has the part (i + 1) / (w + 1) of the first value.

    Examples
    --------
    >>> schedule = Schedule.of({"schedule": [[0.1, 2], [0.01, 3]]})
    >>> str(schedule), schedule.over(0, 4).tolist()
    ('0.1 for 2, then 0.01', [0.1, 0.1, 0.01, 0.01])
    >>> Schedule.of({"schedule": "linear", "start": 1, "end": 0, "epochs": 4}).over(0, 6).tolist()
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    >>> Schedule.parse(str(schedule)) == schedule
    True
    """

    shape: str
    values: tuple[float, ...]
    lengths: tuple[int, ...] = ()
    warm_up: int = 0

    @classmethod
    def of(cls, given: object) -> "Schedule":
        """Return the schedule of a grid file: a number, or a table with the key ``schedule``.

        Raises
        ------
        ScheduleError
            If it is none.
        """
        if not isinstance(given, Mapping):
            return cls("pieces", (_number("a value", given),))
        table = dict(given)
        shape = table.pop("schedule", None)
        if isinstance(shape, list | tuple):
            return _pieces(shape, table)
        if shape not in NAMES:
            raise ScheduleError(f"schedule is {shape!r}; {_WAYS}")
        return _named(shape, table)

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """Return the schedule whose text this is.

        Raises
        ------
        ScheduleError
            If it is the text of none.
        """
        return _parsed(text)

    @property
    def is_constant(self) -> bool:
        """Whether it has one value."""
        return len(self.values) == 1 and not self.warm_up

    @property
    def turns(self) -> tuple[int, ...]:
        """Epochs among whose values are its largest and its smallest, as far as there is one."""
        ends = np.cumsum([self.warm_up, *self.lengths]).tolist()
        return tuple(dict.fromkeys([0, *ends]))

    def over(self, start: int, stop: int) -> F64:
        """Return the values of some epochs, shape (stop - start,)."""
        epochs = np.arange(start, stop)
        since = epochs - self.warm_up
        values = self._after_warm_up(np.maximum(since, 0))
        part = (epochs + 1) / (self.warm_up + 1)
        return np.where(since < 0, self.values[0] * part, values)

    def _after_warm_up(self, since: NDArray[np.int64]) -> F64:
        first, last = self.values[0], self.values[-1]
        if self.shape == "pieces":
            ends = np.cumsum(self.lengths, dtype=np.int64)
            return np.array(self.values)[np.searchsorted(ends, since, side="right")]
        (length,) = self.lengths
        if self.shape == "step":
            with np.errstate(over="ignore"):  # its trainer meets what is too large
                return first * np.power(last, since // length)
        part = np.minimum(since / length, 1.0)
        if self.shape == "cosine":
            part = (1 - np.cos(np.pi * part)) / 2
        # Equal differences end at the last value itself, not near it.
        return np.where(part == 1.0, last, first + (last - first) * part)

    def __str__(self) -> str:
        numbers = [repr(value).removesuffix(".0") for value in self.values]
        if self.shape == "pieces":
            parts = [f"{n} for {k}" for n, k in zip(numbers, self.lengths, strict=False)]
            text = ", ".join([*parts, f"then {numbers[-1]}" if parts else numbers[-1]])
        else:
            first, last = numbers
            (length,) = self.lengths
            word = {"step": f"times {last} every", "linear": f"to {last} over"}
            text = f"{first} {word.get(self.shape, f'to {last} by cosine over')} {length}"
        return text + (f", warm-up {self.warm_up}" if self.warm_up else "")


_WAYS = (
    f"it must be one of {', '.join(NAMES)}, or a list of values with their epochs, such as "
    "[[0.1, 4], [0.01, 8]]"
)


def _number(name: str, given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise ScheduleError(f"{name} is {given!r:.100}; it must be a finite number")
    return float(given) + 0.0


def _epochs(name: str, given: object, least: int = 1) -> int:
    if type(given) is not int or not least <= given <= MOST_EPOCHS:
        raise ScheduleError(
            f"{name} is {given!r:.100}; it must be a whole number from {least} to {MOST_EPOCHS}"
        )
    return given


def _pieces(given: Any, table: dict[str, object]) -> Schedule:
    pieces = list(given)
    pairs = all(isinstance(piece, list | tuple) and len(piece) == 2 for piece in pieces)
    if not pairs or not 0 < len(pieces) <= MOST_PIECES:
        raise ScheduleError(f"schedule is {given!r:.100}; {_WAYS}")
    warm_up = _warm_up(table)
    values = [_number("a value", value) for value, _ in pieces]
    lengths = [_epochs("the number of epochs of a value", length) for _, length in pieces]
    # The same value twice is one piece, and the last one goes on however long it is.
    kept = [0, *(i for i in range(1, len(values)) if values[i] != values[i - 1])]
    ends = np.cumsum([0, *lengths]).tolist()
    own = np.diff([ends[i] for i in kept]).tolist()
    return Schedule("pieces", tuple(values[i] for i in kept), tuple(own), warm_up)


def _named(shape: str, table: dict[str, object]) -> Schedule:
    warm_up = _warm_up(table, keep=True)
    names = ("start", "factor", "every") if shape == "step" else ("start", "end", "epochs")
    if shape != "step":
        table.setdefault("end", 0.0)
    if set(table) != set(names):
        raise ScheduleError(
            f"a {shape} schedule has the keys {', '.join(names)} and, if wanted, warm_up; "
            f"given are {', '.join(map(str, table)) or 'none of them'}"
        )
    first, last, length = (table[name] for name in names)
    values = (_number(names[0], first), _number(names[1], last))
    return Schedule(shape, values, (_epochs(names[2], length),), warm_up)


def _warm_up(table: dict[str, object], keep: bool = False) -> int:
    warm_up = table.pop("warm_up", 0)
    if table and not keep:
        raise ScheduleError(
            "a schedule of values and their epochs has no other key than warm_up; "
            f"given are {', '.join(map(str, table))}"
        )
    return _epochs("warm_up", warm_up, least=0)


_FLOAT = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_WARM_UP = re.compile(r", warm-up (\d+)$")
_NAMED = {
    "step": re.compile(rf"{_FLOAT} times {_FLOAT} every (\d+)"),
    "linear": re.compile(rf"{_FLOAT} to {_FLOAT} over (\d+)"),
    "cosine": re.compile(rf"{_FLOAT} to {_FLOAT} by cosine over (\d+)"),
}
_PIECE = re.compile(rf"{_FLOAT} for (\d+)")
_LAST = re.compile(rf"(?:then )?{_FLOAT}")


@lru_cache(maxsize=10_000)
def _parsed(text: str) -> Schedule:
    found = _WARM_UP.search(text)
    rest = text
    table: dict[str, object] = {}
    if found:
        rest, table = text[: found.start()], {"warm_up": int(found[1])}
    for shape, pattern in _NAMED.items():
        if match := pattern.fullmatch(rest):
            names = ("factor", "every") if shape == "step" else ("end", "epochs")
            values = {names[0]: float(match[2]), names[1]: int(match[3])}
            given = {"schedule": shape, "start": float(match[1]), **values, **table}
            return Schedule.of(given)
    *before, last = rest.split(", ")
    pieces = [_PIECE.fullmatch(part) for part in before]
    end = _LAST.fullmatch(last)
    if end is None or not all(pieces) or last.startswith("then ") != bool(before):
        raise ScheduleError(
            f"{text!r:.100} is not a schedule. Schedules are written like '0.1 for 4, then 0.01', "
            "'0.1 to 0 by cosine over 40', '0.1 to 0 over 40' or '0.1 times 0.5 every 10', each "
            "perhaps with ', warm-up 5'."
        )
    pairs = [*([float(p[1]), int(p[2])] for p in pieces if p), [float(end[1]), 1]]
    return Schedule.of({"schedule": pairs, **table})
