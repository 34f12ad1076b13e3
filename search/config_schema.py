"""What may stand in a config file: types, ranges and the rule that each key follows."""

from typing import Annotated, Literal, TypeVar

from pydantic import Discriminator, Field, Tag, field_validator
from pydantic_core import PydanticCustomError

from search.range_schema import (
    LIMITS,
    Alpha,
    AlphaRange,
    BatchSize,
    BatchSizeRange,
    Epochs,
    EpochsRange,
    LearningRateRange,
    Positive,
    RangeTable,
)
from search.sampling_schema import PrunerSettings, SamplerSettings
from search.space import AXES, Range, SearchSpace
from search.strict import Strict

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
    """The table [space]: the values of each hyperparameter, or the range that they come from."""

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

    def by_name(self) -> dict[str, tuple[float, ...] | Range]:
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
        for name, axis in self.by_name().items():
            if isinstance(axis, Range):
                raise ValueError(f"{name} is a range ({axis}): only lists of values make a grid.")
        return SearchSpace(**{name: getattr(self, name) for name in AXES})


MAX_REPLICATES = 1000
"""Most seeds, and most folds, of a config."""


class GridFile(Strict):
    """What may stand in a config file."""

    dataset: str = Field(
        "auto",
        pattern=r"^[^\x00-\x1f]+$",
        description='"auto", "fashion-mnist", "digits" or the path of a data set',
    )
    seed: int = Field(0, ge=0, lt=2**63, description=f"a whole number from 0 to {2**63 - 1}")
    validation_fraction: float = Field(
        0.2, gt=0, lt=1, description="a number between 0 and 1, both excluded, such as 0.2"
    )
    seeds: int = Field(
        1, ge=1, le=MAX_REPLICATES, description=f"a whole number from 1 to {MAX_REPLICATES}"
    )
    folds: int = Field(
        0,
        ge=0,
        le=MAX_REPLICATES,
        description=f"a whole number from 2 to {MAX_REPLICATES}, or 0 for none",
    )
    select: Literal["last", "average"] = Field(
        "last",
        description='"last" or "average": the weights by whose validation cost trials are compared',
    )
    features: Literal["raw", "unit", "standardized"] = Field(
        "raw",
        description='"raw", "unit" or "standardized": pixels as they are, scaled to 1 at most, or '
        "each less its mean and over its standard deviation",
    )
    axes: Axes = Field(alias="space", description=f"a table with the keys {', '.join(AXES)}")
    sampler: SamplerSettings = Field(
        default_factory=SamplerSettings,
        description='a table such as {name = "tpe", trials = 500}',
    )
    pruner: PrunerSettings = Field(
        default_factory=PrunerSettings,
        description='a table such as {name = "halving", interval = 5}',
    )

    @field_validator("folds")
    @classmethod
    def _none_or_several(cls, folds: int) -> int:
        if folds == 1:
            raise PydanticCustomError("one_fold", "one fold")
        return folds
