"""Read a grid from TOML, check it, and say what is wrong in the user's own terms."""

import difflib
import json
import math
import tomllib
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from search.errors import ConfigError
from search.space import AXES, SearchSpace

MAX_TRIALS = 2**31
MAX_EPOCHS = 100_000
_MAX_LINES = 8
_MAX_SHOWN = 60

_INT32_MAX = 2**31 - 1  # the log keeps batch_size and epochs as int32
_BatchSize = Annotated[int, Field(ge=1, le=_INT32_MAX)]
_Epochs = Annotated[int, Field(ge=1, le=MAX_EPOCHS)]
_LearningRate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
# -0.0 passes as >= 0; adding 0.0 drops the sign, which would show in the log.
_Alpha = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(lambda a: a + 0.0)]


class _Strict(BaseModel):
    """Nothing converted, nothing unknown, nothing changed afterwards.

    A field's description is the rule that the user reads when a value breaks it,
    whatever the way it does so: "KEY must be ...".
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Axes(_Strict):
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
        return SearchSpace(**{name: getattr(self, name) for name in AXES})


class _GridFile(_Strict):
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
    axes: _Axes = Field(alias="space", description=f"a table with the keys {', '.join(AXES)}")


class SweepConfig(_GridFile):
    """The settings of a sweep: made by `load_config` or `from_dict`, then fixed.

    Attributes
    ----------
    name : str
        The grid's name, safe as the name of a folder.
    dataset : str
        ``auto``, ``fashion-mnist``, ``digits`` or a path.
    seed : int
        From it follow the split, the shuffling and the sampler.
    validation_fraction : float
        The part of the training images that scores the trials.
    space : SearchSpace
        The grid.
    """

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="up to 100 of A-Z, a-z, 0-9, '.', '_' and '-', a letter or digit first, "
        "because the run's folder is called after it; rename the grid's file",
    )

    @property
    def space(self) -> SearchSpace:
        """The grid of all combinations."""
        return self.axes.search_space()

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, ready for JSON; see `from_dict`."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def from_dict(cls, data: object, source: str = "manifest") -> Self:
        """Make a config from what `to_dict` returned, perhaps with settings replaced.

        Parameters
        ----------
        data : object
            The dictionary; anything else is refused like any other mistake.
        source : str
            Where it comes from, for the message.

        Returns
        -------
        SweepConfig

        Raises
        ------
        ConfigError
            If a setting is missing, unknown or breaks a rule.
        """
        return _validated(cls, data, source)


def load_config(name_or_path: str) -> SweepConfig:
    """Read and check a grid.

    Parameters
    ----------
    name_or_path : str
        The name of a shipped grid, or the path of a file: whatever holds a "/"
        or ends in ".toml".

    Returns
    -------
    SweepConfig
        Its name is that of the file, without the ending.

    Raises
    ------
    ConfigError
        If there is no such grid, or its file cannot be read or breaks a rule.
        One message tells all mistakes of a file.
    """
    path = _locate(name_or_path)
    # Without the name at first: it is the file's, so a key "name" in the file is unknown.
    grid = _validated(_GridFile, _parse(path), str(path))
    settings = {**grid.model_dump(by_alias=True), "name": path.name.removesuffix(".toml")}
    return _validated(SweepConfig, settings, str(path))


def known_grids() -> list[str]:
    """Return the names of the shipped grids, sorted."""
    return sorted(path.stem for path in _shipped().glob("*.toml"))


def _shipped() -> Path:
    """Return the folder of the shipped grids: in the package, or in the repository."""
    package = Path(__file__).resolve().parent
    installed = package / "configs"
    # Beside an installed package, a folder "configs" could be anybody's: look inside first.
    return installed if installed.is_dir() else package.parent / "configs"


def _locate(name_or_path: str) -> Path:
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        return Path(name_or_path)
    grids = known_grids()
    if name_or_path in grids:
        return _shipped() / f"{name_or_path}.toml"
    raise ConfigError(
        f"There is no grid {_show(name_or_path)}.{_closest(name_or_path, grids)} Known grids: "
        f"{', '.join(grids) or 'none'}. A file of your own needs its path, such as ./my.toml."
    )


def _parse(path: Path) -> dict[str, Any]:
    text = _read(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        last = text.rstrip().count("\n") + 1
        problem = str(error).replace("at end of document", f"at the end, line {last}")
    except (ValueError, RecursionError):
        problem = "a number is too long, or brackets are nested too deep"
    raise ConfigError(f"{path} is not valid TOML: {problem}.")


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")  # editors on Windows write a byte order mark
    except FileNotFoundError:
        known = path.stem in known_grids()
        hint = f" The shipped grid is called {path.stem}, without .toml." if known else ""
        problem = f"There is no file {path}.{hint or ' Check the path.'}"
    except IsADirectoryError:
        problem = f"{path} is a directory; give the path of a .toml file."
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problem = f"{path} is not UTF-8 text (line {line}); save it as UTF-8."
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        problem = f"{path} cannot be read: {reason}. Check the path and its permissions."
    raise ConfigError(problem)


_Model = TypeVar("_Model", bound=_Strict)


def _validated(model: type[_Model], data: object, source: str) -> _Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [_explain(e) for e in error.errors(include_url=False, include_context=False)]
    if len(lines) == 1:
        raise ConfigError(f"{source}: {lines[0]}")
    shown = [f"{source}: {len(lines)} mistakes", *lines[:_MAX_LINES]]
    if len(lines) > _MAX_LINES:
        shown.append(f"and {len(lines) - _MAX_LINES} more")
    raise ConfigError("\n  ".join(shown))


_SETTINGS = [field.alias or name for name, field in _GridFile.model_fields.items()]
_RULES = {
    field.alias or name: field.description
    for model in (SweepConfig, _Axes)
    for name, field in model.model_fields.items()
}


def _explain(error: ErrorDetails) -> str:
    """Say in one line which key breaks which rule, whichever way pydantic put it."""
    loc, value, kind = error["loc"], error["input"], error["type"]
    key = next((part for part in reversed(loc) if isinstance(part, str)), None)
    if key is None:
        return f"must be a table with the keys {', '.join(_SETTINGS)}, not {_show(value)}"
    if kind == "extra_forbidden":
        return _unknown(key, inside=loc[0] == "space" and len(loc) > 1)
    if kind == "missing":
        return f"{_dotted(loc)} is missing: it must be {_RULES[key]}"
    if kind == "duplicates":
        twice = [v for v, count in Counter(value).items() if count > 1]
        return f"{_dotted(loc)} has duplicate values, {_show(twice)}: give each value once"
    if kind == "too_many":
        return _too_many(value)
    return f"{_dotted(loc)} = {_show(value)}: {key} must be {_RULES[key]}"


def _too_many(axes: dict[str, list[float]]) -> str:
    lengths = [len(axes[name]) for name in AXES]
    product = " x ".join(map(str, lengths))
    return (
        f"space has {product} = {math.prod(lengths)} combinations, more than "
        f"{MAX_TRIALS} (2**31): give fewer values"
    )


def _unknown(key: str, inside: bool) -> str:
    here, there = (list(AXES), _SETTINGS) if inside else (_SETTINGS, list(AXES))
    where = " in [space]" if inside else ""
    if key in there:
        hint = " Move it above [space]." if inside else " Move it below [space]."
    else:
        hint = _closest(key, here) or f" The keys here are {', '.join(here)}."
    return f"unknown key {_show(key)}{where}.{hint}"


def _closest(word: str, words: list[str]) -> str:
    close = difflib.get_close_matches(word.lower(), words, n=1)
    return f" Did you mean {close[0]}?" if close else ""


def _dotted(loc: tuple[int | str, ...]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc]
    return "".join(parts).removeprefix(".")


def _show(value: object) -> str:
    """Write a value about as TOML does, on one line and cut to a bearable length."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):  # an integer of thousands of digits, for one
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
