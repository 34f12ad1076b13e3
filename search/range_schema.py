"""What may stand on an axis of [space]: the numbers of each, and ranges of them."""

from fractions import Fraction
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from search.space import Range
from search.strict import Strict, broken

MAX_EPOCHS = 100_000
_INT32_MAX = 2**31 - 1  # the log keeps batch_size and epochs as int32
_TOLERANCE = Fraction(1, 10**9)

BatchSize = Annotated[int, Field(ge=1, le=_INT32_MAX)]
Epochs = Annotated[int, Field(ge=1, le=MAX_EPOCHS)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
# -0.0 passes as >= 0; adding 0.0 drops the sign, which would show in the log.
Alpha = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(lambda a: a + 0.0)]

LIMITS = {"batch_size": f"from 1 to {_INT32_MAX}", "epochs": f"from 1 to {MAX_EPOCHS}"}


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
        if self.low > self.high:
            return "low must not be greater than high; exchange the two"
        if self.log and self.step is not None:
            return "log and step exclude each other; leave one of them out"
        if self.log and not self.low:
            return "a range with log must have a low greater than 0; raise it, or leave log out"
        return self._step_mistake()

    def _step_mistake(self) -> str | None:
        """Refuse a step that misses high: Optuna would lower high without a word."""
        if self.step is None:
            return None
        # Of the decimals as they were written: 0.3 is three steps of 0.1, not a rounding less.
        # Only high may be too large by a rounding; too small, it would lose a whole step.
        low, high, step = (Fraction(str(x)) for x in (self.low, self.high, self.step))
        steps, rest = divmod(high - low, step)
        if rest <= (0 if isinstance(self.high, int) else _TOLERANCE * step):
            return None
        nearest = type(self.high)(low + steps * step)
        return (
            f"high - low must be a whole multiple of step; give high = {nearest}, or another step"
        )

    def to_range(self) -> Range:
        """Return the range as a plain value."""
        return Range(self.low, self.high, self.log, self.step)


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
