"""The table [space] of a trainer other than the softmax trainer: names and values of any kind."""

import math
import re
from typing import Annotated, Any

from pydantic import PlainValidator, RootModel, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from model.trainers import Schedule, ScheduleError
from search.config.axes import LIMITS, MAX_EPOCHS, RangeTable, broken, grid_of
from search.config.space import EPOCHS, Axis, SearchSpace

RESERVED = frozenset({
    "number", "state", "replicates", "train_cost", "last_cost", "last_epoch", "reports", "seconds",
    "pack", "node", "started_at", "finished_at", "attempt", "error", "source",
})  # fmt: skip
"""Names of other columns of the log, and so of no hyperparameter."""

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
    whole = all(isinstance(value, int) for value in values)
    mixed = not whole and isinstance(values[0], int | float)
    return tuple(float(value) + 0.0 for value in values) if mixed else values


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
        return all(-(2**63) <= value < 2**63 for value in values)
    texts = kinds == {str} and all(0 < len(value) <= 1000 for value in values)
    return texts or kinds == {bool}


def _range(given: dict[str, Any]) -> RangeTable:
    ends = [given.get(key) for key in ("low", "high")]
    if not all(type(end) in (int, float) for end in ends):
        raise broken("a range needs low and high, both numbers")
    whole = all(type(end) is int for end in ends)
    try:
        found = RangeTable.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise broken(f"{'.'.join(map(str, first['loc']))} {first['msg']}".strip()) from error
    ends_as_given = {"low": int(found.low), "high": int(found.high)} if whole else {}
    return found.model_copy(update=ends_as_given)


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
        return self

    def by_name(self) -> dict[str, Axis]:
        """Return the values or the range of each hyperparameter over all tables."""
        if len(self.root) == 1:
            return self.root[0].by_name()
        return dict(self.search_space().axes)

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
