"""A data set as a sweep would read it."""

from typing import Literal

from pydantic import Field

from search.schemas.answer import Answer, Number, Value


class Part(Value):
    """Rows that a sweep uses for one thing."""

    part: Literal["training", "validation", "test"]
    rows: int
    origin: Literal["own", "split", "folds"] = Field(
        description="The source's own, taken from its training rows, or each row in one fold."
    )
    weighted: bool


class ClassRows(Value):
    """A class, with its rows in the source."""

    label: bool | int | float | str
    training: int
    validation: int | None = Field(description="Null if the source has no such rows.")
    test: int | None = Field(description="Null if the source has no test rows.")


class Scaling(Value):
    """What the trainer sees of a value x: (x - shift) * scale."""

    features: Literal["raw", "unit", "standardized"]
    grid: str = Field(description="The grid that says so.")
    divisor: Number = Field(description="Under unit features; null otherwise.")


class Memory(Value):
    """Bytes in memory."""

    source: int = Field(description="The rows of all parts as they are read.")
    training: int = Field(description="The rows as they are trained on, once on each machine.")


class DataSet(Answer):
    """A data set as a sweep would read it."""

    form: Literal["data/1"] = Field(default="data/1", alias="schema")
    name: str
    path: str | None = Field(description="Null of one that comes with the program.")
    kind: str = Field(description="The format of the file.")
    fingerprint: str
    features: int
    feature_names: list[str] = Field(description="Empty if the source has none.")
    dtype: str
    smallest: float = Field(description="Smallest value of the training rows.")
    largest: float
    image_shape: list[int] = Field(description="Empty if rows are not images.")
    parts: list[Part]
    classes: list[ClassRows]
    missing: int = Field(description="Missing values that are replaced by the mean.")
    scaling: Scaling
    memory: Memory
    remarks: list[str] = Field(description="Actions and remarks of the reader.")
    unused: list[str] = Field(description="Parts of the source that look like data but are unused.")
    refused: str | None = Field(description="Why a sweep cannot train on it; null if it can.")
    advice: list[str] = Field(description="Advice before training.")
