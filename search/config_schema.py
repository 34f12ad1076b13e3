"""What may stand in a config file: types, ranges and the rule that each key follows."""

from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from search.space import AXES, SearchSpace

MAX_TRIALS = 2**31
MAX_EPOCHS = 100_000
_INT32_MAX = 2**31 - 1  # the log keeps batch_size and epochs as int32
_BatchSize = Annotated[int, Field(ge=1, le=_INT32_MAX)]
_Epochs = Annotated[int, Field(ge=1, le=MAX_EPOCHS)]
_LearningRate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
# -0.0 passes as >= 0; adding 0.0 drops the sign, which would show in the log.
_Alpha = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(lambda a: a + 0.0)]


class Strict(BaseModel):
    """Nothing converted, nothing unknown, nothing changed afterwards.

    A field's description is the rule that the user reads when a value breaks it,
    whatever the way it does so: "KEY must be ...".
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Axes(Strict):
    """The table [space]: the values of each hyperparameter."""

    batch_size: tuple[_BatchSize, ...] = Field(
        description=f"a list of one or more whole numbers from 1 to {_INT32_MAX}, such as [8, 32]"
    )
    learning_rate: tuple[_LearningRate, ...] = Field(
        description="a list of one or more finite numbers greater than 0, such as [1e-7, 1e-6]"
    )
    epochs: tuple[_Epochs, ...] = Field(
        description=f"a list of one or more whole numbers from 1 to {MAX_EPOCHS}, such as [5, 10]"
    )
    alpha: tuple[_Alpha, ...] = Field(
        description="a list of one or more finite numbers, 0 or greater, such as [0, 0.1]"
    )

    @field_validator("*", mode="before")
    @classmethod
    def _tuple(cls, values: object) -> object:
        return tuple(values) if isinstance(values, list) else values

    # Not Field(min_length=1): that one also complains of a list with a wrong value.
    @field_validator("*")
    @classmethod
    def _some_and_distinct(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if not values:
            raise PydanticCustomError("empty", "empty")
        if len(set(values)) < len(values):
            raise PydanticCustomError("duplicates", "duplicates")
        return values

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        if len(self.search_space()) > MAX_TRIALS:
            raise PydanticCustomError("too_many", "too many")
        return self

    def search_space(self) -> SearchSpace:
        """Return the grid of these values."""
        return SearchSpace(**{name: getattr(self, name) for name in AXES})


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
    axes: Axes = Field(alias="space", description=f"a table with the keys {', '.join(AXES)}")
