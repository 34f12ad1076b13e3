"""What all tables of a config file have in common."""

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

BROKEN_RULE = "broken_rule"


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
