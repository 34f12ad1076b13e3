"""Whether a trainer keeps its promises."""

from typing import Literal

from pydantic import Field

from search.schemas.answer import Answer, Value


class Check(Value):
    """What a check has found."""

    check: str
    passed: bool | None = Field(description="Null where it could not be tried.")
    message: str = Field(description="The error, or why it was not tested.")
    seconds: float


class TrainerCheck(Answer):
    """What is known of a trainer after its checks."""

    form: Literal["check-trainer/1"] = Field(default="check-trainer/1", alias="schema")
    trainer: str
    version: str
    findings: list[Check]
    epoch_s: float = Field(description="Seconds of an epoch on the rows of the check.")
    state_bytes: int
    epochs: int = Field(description="Epochs that were trained for each check.")
    limits: str = Field(description="Why these are fewer than usual, or nothing.")
