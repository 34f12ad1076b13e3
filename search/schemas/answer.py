"""What all answers have in common: strict, without NaN, with the name of their schema."""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _finite(value: Any) -> Any:
    """Return null for what JSON has no number for."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _open(schema: dict[str, Any]) -> None:
    """Let readers of an answer of a later version find keys that they do not know."""
    schema.pop("additionalProperties")


Number = Annotated[float | None, BeforeValidator(_finite)]
"""A number, or null where there is none."""

Params = Mapping[str, bool | int | float | str]
"""Hyperparameters by name."""


class Value(BaseModel):
    """A table of an answer, whose keys are all made here."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra=_open,
        json_schema_serialization_defaults_required=True,
    )


class Answer(Value):
    """An answer as a whole; each has a key ``schema`` with the name and the version of its schema.

    Another version means that a key has gone, or means something else. New keys make no new one.
    """


def as_json(answer: Answer) -> str:
    """Return an answer as JSON text, in lines."""
    return answer.model_dump_json(indent=2, by_alias=True)


def schema_of(answer: type[Answer]) -> str:
    """Return the JSON Schema of an answer, as text."""
    schema = answer.model_json_schema(by_alias=True, mode="serialization")
    named = schema["properties"]["schema"]["const"]
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:packsweep:{named}",
    }
    return json.dumps(head | schema, indent=2)
