"""The table [space] of a trainer other than the softmax trainer: names and values of any kind."""

import math
import re
from contextlib import suppress
from typing import Annotated, Any

from pydantic import PlainValidator, RootModel, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from model.trainers import Schedule, ScheduleError
from search.config.axes import (
    LIMITS,
    MAX_EPOCHS,
    WHOLE_LIMITS,
    RangeTable,
    WholeRange,
    broken,
    grid_of,
)
from search.config.space import EPOCHS, Axis, SearchSpace

RESERVED = frozenset({
    "number", "state", "replicates", "train_cost", "last_cost", "last_epoch", "reports", "seconds",
    "pack", "node", "started_at", "finished_at", "attempt", "error", "source",
})  # fmt: skip
"""Names of other columns of the log, and so of no hyperparameter."""

_WITH_POINT = "floats, such as 1.0e20, have no limit"

_VALUES = (
    "one or more numbers, texts, or true and false, all of one kind, such as [1, 2], or a range of "
    "numbers such as {low = 0.01, high = 1, log = true}, or schedules such as "
    "{schedule = [[0.1, 4], [0.01, 8]]}"
)


def _axis(given: Any) -> tuple[Any, ...] | RangeTable:
    """Return the values of a hyperparameter, of which a single one needs no list."""
    if isinstance(given, RangeTable):
        return given
    if isinstance(given, dict) and "schedule" not in given:
        return _range(given)
    values = tuple(given) if isinstance(given, list | tuple) else (given,)
    if any(isinstance(value, dict) for value in values):
        values = tuple(map(_schedule, values))
        if twice := [text for i, text in enumerate(values) if text in values[:i]]:
            raise broken(f"{twice[0]!r} is given twice, perhaps in other words: give it once")
    if not values or not _are_alike(values):
        raise broken(f"it must be {_VALUES}")
    # -0.0 and 0.0 are one number, and so are 1 and 1.0.
    if len(set(values)) < len(values):
        raise PydanticCustomError("duplicates", "duplicates")
    kinds = set(map(type, values))
    if kinds == {int}:
        _check_whole(values)
    return tuple(map(_as_float, values)) if float in kinds else values


def _check_whole(values: tuple[int, ...]) -> None:
    """Refuse whole numbers that no column of the log holds."""
    if not all(-(2**63) <= value < 2**63 for value in values):
        raise broken(f"whole numbers must be {WHOLE_LIMITS}; {_WITH_POINT}")


def _as_float(value: float) -> float:
    """Return a number as a float, which stands beside others: 1 is 1.0 there, and never rounded."""
    if isinstance(value, float):
        return value + 0.0  # -0.0 and 0.0 are one number
    with suppress(OverflowError):
        if float(value) == value:
            return float(value)
    raise broken(
        "a whole number beside one with a point is a float too, and not all above 2**53 can be; "
        "give one that can, such as 9007199254740992"
    )


def _schedule(given: Any) -> str:
    """Return a schedule as the text that stands for it in the log."""
    if isinstance(given, str):
        return given
    try:
        return str(Schedule.of(given))
    except ScheduleError as error:
        raise broken(str(error)) from error


def _are_alike(values: tuple[Any, ...]) -> bool:
    if any(isinstance(value, float) and not math.isfinite(value) for value in values):
        return False
    kinds = {type(value) for value in values}
    if kinds <= {int, float}:
        return True
    texts = kinds == {str} and all(0 < len(value) <= 1000 for value in values)
    return texts or kinds == {bool}


def _range(given: dict[str, Any]) -> RangeTable:
    ends = [given.get(key) for key in ("low", "high")]
    if not all(type(end) in (int, float) for end in ends):
        raise broken("a range needs low and high, both numbers")
    if all(type(end) is int for end in ends):
        return _checked(WholeRange, given)
    return _checked(RangeTable, given | {key: _as_float(given[key]) for key in ("low", "high")})


def _checked(kind: type[RangeTable], given: dict[str, Any]) -> RangeTable:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
    if not first["loc"]:
        raise broken(first["msg"])
    key = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        raise broken(f"unknown key {key!r}; a range has {', '.join(kind.model_fields)}")
    raise broken(f"{key} must be {_RANGE_RULES[kind][key]}")


_TRUE_OR_FALSE = {"log": "true or false"}
_RANGE_RULES: dict[type[RangeTable], dict[str, str]] = {
    RangeTable: _TRUE_OR_FALSE | dict.fromkeys(("low", "high", "step"), "a number"),
    WholeRange: _TRUE_OR_FALSE
    | dict.fromkeys(
        ("low", "high"),
        f"{WHOLE_LIMITS}, as whole numbers are; {_WITH_POINT}",
    )
    | {
        "step": "a whole number too where low and high are; give one, or ends with a point, "
        "such as low = 1.0"
    },
}


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


class FreeTable(RootModel[dict[str, Annotated[Any, PlainValidator(_axis)]]]):
    """One table of hyperparameters, each with its values or its range; epochs is among them."""

    @model_validator(mode="after")
    def _has_epochs(self) -> "FreeTable":
        for name in self.root:
            if not _NAME.fullmatch(name):
                raise broken(f"{name!r} is not a name; use up to 100 of A-Z, a-z, 0-9 and '_'")
            if name in RESERVED or name.startswith("val_"):
                raise broken(f"{name} is a column of the log already; give it another name")
        if EPOCHS not in self.root:
            raise broken(
                f"{EPOCHS} is missing: it must be a list of one or more whole numbers "
                f"{LIMITS[EPOCHS]}, such as [5, 10]; rounds are called epochs too"
            )
        epochs = self.root[EPOCHS]
        numbers = (epochs.low, epochs.high) if isinstance(epochs, RangeTable) else epochs
        if not all(type(n) is int and 1 <= n <= MAX_EPOCHS for n in numbers):
            raise broken(f"{EPOCHS} must be whole numbers {LIMITS[EPOCHS]}")
        return self

    def by_name(self) -> dict[str, Axis]:
        """Return the values or the range of each hyperparameter, in the order of the file."""
        return {
            name: axis.to_range() if isinstance(axis, RangeTable) else axis
            for name, axis in self.root.items()
        }


class FreeAxes(RootModel[tuple[FreeTable, ...]]):
    """One table of hyperparameters, or several, whose combinations follow each other."""

    @classmethod
    def of(cls, given: object) -> "FreeAxes":
        """Check one table or a list of them, so that a mistake is told by its place in the file.

        Raises
        ------
        ValidationError, PydanticCustomError
            If a rule is broken.
        """
        if isinstance(given, FreeAxes):
            return given
        if isinstance(given, dict):
            return cls((FreeTable.model_validate(given),))
        if not isinstance(given, list | tuple) or not given:
            raise broken("it must be a table [space], or several tables [[space]]")
        return cls.model_validate(tuple(given))

    @model_validator(mode="after")
    def _one_kind(self) -> "FreeAxes":
        kinds: dict[str, str] = {}
        for table in self.root:
            for name, axis in table.by_name().items():
                kind = _kind(axis)
                if kinds.setdefault(name, kind) != kind:
                    raise broken(f"{name} has {kinds[name]} in one table and {kind} in another")
        self._make_floats()
        return self

    def _make_floats(self) -> None:
        """Have floats in all tables where one has them: a hyperparameter has one column."""
        floats = {
            name
            for table in self.root
            for name, axis in table.by_name().items()
            if isinstance(axis, tuple) and type(axis[0]) is float
        }
        for table in self.root:
            for name in floats & table.root.keys():
                if isinstance(table.root[name], tuple):
                    table.root[name] = tuple(map(_as_float, table.root[name]))

    def by_name(self) -> dict[str, Axis]:
        """Return the values or the range of each hyperparameter over all tables."""
        if len(self.root) == 1:
            return self.root[0].by_name()
        return dict(self.search_space().axes)

    def in_order_of(self, other: "FreeAxes") -> "FreeAxes":
        """Return the same tables, with the keys in the order of another's where they are its."""
        orders = [list(table.root) for table in other.root]
        if [set(table.root) for table in self.root] != [set(order) for order in orders]:
            return self
        pairs = zip(self.root, orders, strict=True)
        return FreeAxes(
            tuple(FreeTable({name: mine.root[name] for name in order}) for mine, order in pairs)
        )

    @property
    def tables(self) -> list[dict[str, Axis]]:
        """The values or the range of each hyperparameter, of each table."""
        return [table.by_name() for table in self.root]

    def search_space(self) -> SearchSpace:
        """Return the grid of these values.

        Raises
        ------
        ValueError
            If an axis is a range: there is no list of all combinations then.
        """
        return grid_of(*self.tables)


def _kind(axis: Axis) -> str:
    first = axis.low if not isinstance(axis, tuple) else axis[0]
    if isinstance(first, bool):
        return "true and false"
    return "texts" if isinstance(first, str) else "numbers"
