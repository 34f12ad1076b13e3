"""Who has tokens of a service; never the tokens themselves."""

from typing import Literal

from pydantic import Field

from search.schemas.answer import Answer, Value


class Token(Value):
    """A token by its number."""

    token: int
    person: str
    role: str
    state: Literal["valid", "revoked", "expired"]


class Tokens(Answer):
    """All tokens of a service."""

    form: Literal["tokens/1"] = Field(default="tokens/1", alias="schema")
    tokens: list[Token]
