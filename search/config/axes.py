"""The table [space] of a grid file: the numbers of each axis, as a list or as a range."""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from search.config.space import Axis, Range, SearchSpace

BROKEN_RULE = "broken_rule"

AXES = ("batch_size", "learning_rate", "epochs", "alpha")
"""The hyperparameters of the softmax trainer, slowest axis of the grid first."""


class Strict(BaseModel):
    """Nothing converted, nothing unknown, nothing changed afterwards.

    A field's description is the rule that the user reads when a value breaks it,
    whatever the way it does so: "KEY must be ...".
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def broken(rule: str) -> PydanticCustomError:
    """Return the error of a validator that has its own words for what is wrong."""
    # As context: braces in the text itself would be taken for names of values.
    return PydanticCustomError(BROKEN_RULE, "{rule}", {"rule": rule})


MAX_EPOCHS = 100_000
_INT32_MAX = 2**31 - 1  # the log keeps batch_size and epochs as int32
_TOLERANCE = Fraction(1, 10**9)
# Between two powers of two there are no more numbers of float64.
_MOST_STEPS = 2**52

BatchSize = Annotated[int, Field(ge=1, le=_INT32_MAX)]
Epochs = Annotated[int, Field(ge=1, le=MAX_EPOCHS)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
# -0.0 passes as >= 0; adding 0.0 drops the sign, which would show in the log.
Alpha = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(lambda a: a + 0.0)]

WHOLE_LIMITS = "from -2**63 to 2**63 - 1"
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]

# Whole numbers up to here are floats without rounding.
_EXACT = 2**53
LIMITS = {"batch_size": f"from 1 to {_INT32_MAX}", "epochs": f"from 1 to {MAX_EPOCHS}"}


def _as_whole(value: object) -> object:
    """Return a float that is a whole number as an int, which earlier versions wrote so."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class RangeTable(Strict):
    """All numbers from low to high, in place of a list; see `Range`."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        mistake = self._mistake()
        if mistake:
            raise broken(mistake)
        return self

    def _mistake(self) -> str | None:
        return self._end_mistake() or self._log_mistake() or self._step_mistake()

    def _end_mistake(self) -> str | None:
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            return "low and high must be finite numbers"
        if self.low > self.high:
            return "low must not be greater than high; exchange the two"
        if not math.isfinite(self.high - self.low):
            return "high - low must be a finite number; give ends that are nearer to each other"
        return None

    def _log_mistake(self) -> str | None:
        if self.log and self.step is not None:
            return "log and step exclude each other; leave one of them out"
        if self.log and self.low <= 0:
            return "a range with log must have a low greater than 0; raise it, or leave log out"
        return None

    def _step_mistake(self) -> str | None:
        """Refuse a step that misses high: Optuna would lower high without a word."""
        if self.step is None:
            return None
        if not (math.isfinite(self.step) and self.step > 0):
            return "step must be a finite number greater than 0; give one, or leave it out"
        if not math.isfinite(self.high + self.step):
            return "high and step must have a finite sum; give a lower high, or a smaller step"
        # By the decimals as they were written: 0.3 is three steps of 0.1, not a rounding less.
        # Only high may be too large by a rounding; too small, it would lose a whole step.
        low, high, step = (Fraction(str(x)) for x in (self.low, self.high, self.step))
        steps, rest = divmod(high - low, step)
        if steps > _MOST_STEPS:
            return (
                f"step is so small that its multiples cannot be told apart; give at least "
                f"{float((high - low) / _MOST_STEPS):.1g}, or leave it out"
            )
        exact = isinstance(self.high, int) or not steps
        if rest <= (0 if exact else _TOLERANCE * step):
            return None
        nearest = type(self.high)(low + steps * step)
        return (
            f"high - low must be a whole multiple of step; give high = {nearest}, or another step"
        )

    def to_range(self) -> Range:
        """Return the range as a plain value."""
        return Range(self.low, self.high, self.log, self.step)


class WholeRange(RangeTable):
    """A range of whole numbers, of which none is rounded."""

    low: Whole
    high: Whole
    step: Annotated[Whole, BeforeValidator(_as_whole)] | None = None

    def _end_mistake(self) -> str | None:
        if max(abs(self.low), abs(self.high)) > _EXACT:
            return (
                "low and high must be from -2**53 to 2**53 where both are whole: samplers "
                "calculate with floats, which do not hold all larger ones; give a list"
            )
        return super()._end_mistake()


class BatchSizeRange(RangeTable):
    """A range of batch_size."""

    low: BatchSize
    high: BatchSize
    step: BatchSize | None = None


class LearningRateRange(RangeTable):
    """A range of learning_rate."""

    low: Positive
    high: Positive
    step: Positive | None = None


class EpochsRange(RangeTable):
    """A range of epochs."""

    low: Epochs
    high: Epochs
    step: Epochs | None = None


class AlphaRange(RangeTable):
    """A range of alpha."""

    low: Alpha
    high: Alpha
    step: Positive | None = None


_POSITIVE = "a finite number greater than 0"
_NUMBER = {
    "batch_size": f"a whole number {LIMITS['batch_size']}",
    "learning_rate": _POSITIVE,
    "epochs": f"a whole number {LIMITS['epochs']}",
    "alpha": "a finite number, 0 or greater",
}
RANGE_RULES = {
    f"space.{name}.{key}": rule
    for name, number in _NUMBER.items()
    for key, rule in {
        "low": number,
        "high": number,
        "log": "true or false",
        "step": _POSITIVE if name == "alpha" else number,
    }.items()
}
"""The rule of each key of each range, by its place in the file."""

_Number = TypeVar("_Number", bound=float)
_Table = TypeVar("_Table", bound=RangeTable)


def _form(values: object) -> str:
    # An empty table is neither; the rule that it breaks as a list tells of both.
    return "range" if isinstance(values, dict | RangeTable) and values else "list"


_Axis = Annotated[
    Annotated[tuple[_Number, ...], Tag("list")] | Annotated[_Table, Tag("range")],
    Discriminator(_form),
]


class Axes(Strict):
    """The table [space] of the softmax trainer: the values or the range of each hyperparameter."""

    batch_size: _Axis[BatchSize, BatchSizeRange] = Field(
        description=f"a list of one or more whole numbers {LIMITS['batch_size']}, such as [8, 32], "
        "or a range such as {low = 8, high = 64, step = 8}"
    )
    learning_rate: _Axis[Positive, LearningRateRange] = Field(
        description="a list of one or more finite numbers greater than 0, such as [1e-7, 1e-6], "
        "or a range such as {low = 1e-7, high = 1e-5, log = true}"
    )
    epochs: _Axis[Epochs, EpochsRange] = Field(
        description=f"a list of one or more whole numbers {LIMITS['epochs']}, such as [5, 10], "
        "or a range such as {low = 5, high = 40, step = 5}"
    )
    alpha: _Axis[Alpha, AlphaRange] = Field(
        description="a list of one or more finite numbers, 0 or greater, such as [0, 0.1], "
        "or a range such as {low = 0.01, high = 100, log = true}"
    )

    @field_validator("*", mode="before")
    @classmethod
    def _tuple(cls, values: object) -> object:
        if any(isinstance(v, dict) and "schedule" in v for v in _all_of(values)):
            raise broken(
                'the trainer "softmax" has one value from the first epoch to the last; for '
                'schedules give trainer = "model.trainers.softmax:Softmax", which is slower'
            )
        return tuple(values) if isinstance(values, list) else values

    # Not Field(min_length=1): that one also complains of a list with a wrong value.
    @field_validator("*")
    @classmethod
    def _some_and_distinct(cls, values: tuple[float, ...] | RangeTable) -> object:
        if isinstance(values, RangeTable):
            return values
        if not values:
            raise PydanticCustomError("empty", "empty")
        if len(set(values)) < len(values):
            raise PydanticCustomError("duplicates", "duplicates")
        return values

    def by_name(self) -> dict[str, Axis]:
        """Return the values or the range of each hyperparameter, in the order of `AXES`."""
        tables = {name: getattr(self, name) for name in AXES}
        return {
            name: axis.to_range() if isinstance(axis, RangeTable) else axis
            for name, axis in tables.items()
        }

    def search_space(self) -> SearchSpace:
        """Return the grid of these values.

        Raises
        ------
        ValueError
            If an axis is a range: there is no list of all combinations then.
        """
        return grid_of(self.by_name())


def _all_of(values: object) -> list[object]:
    return list(values) if isinstance(values, list | tuple) else [values]


def grid_of(*tables: Mapping[str, Axis]) -> SearchSpace:
    """Return the grid of some tables of values.

    Raises
    ------
    ValueError
        If an axis is a range: there is no list of all combinations then.
    """
    lists: list[dict[str, tuple[Any, ...]]] = []
    for table in tables:
        lists.append({})
        for name, axis in table.items():
            if isinstance(axis, Range):
                raise ValueError(f"{name} is a range ({axis}): only lists of values make a grid.")
            lists[-1][name] = axis
    return SearchSpace(*lists)
