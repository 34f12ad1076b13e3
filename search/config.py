"""Read a grid from TOML, check it, and say what is wrong in the user's own terms."""

import tomllib
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import Field, ValidationError

from search.config_messages import closest, explain, show
from search.config_schema import Axes, GridFile, Strict
from search.errors import ConfigError
from search.space import SearchSpace

_MAX_LINES = 8


class SweepConfig(GridFile):
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
    grid = _validated(GridFile, _parse(path), str(path))
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
        f"There is no grid {show(name_or_path)}.{closest(name_or_path, grids)} Known grids: "
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


_Model = TypeVar("_Model", bound=Strict)


def _validated(model: type[_Model], data: object, source: str) -> _Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [explain(e, _RULES) for e in error.errors(include_url=False, include_context=False)]
    if len(lines) == 1:
        raise ConfigError(f"{source}: {lines[0]}")
    shown = [f"{source}: {len(lines)} mistakes", *lines[:_MAX_LINES]]
    if len(lines) > _MAX_LINES:
        shown.append(f"and {len(lines) - _MAX_LINES} more")
    raise ConfigError("\n  ".join(shown))


_RULES = {
    field.alias or name: field.description or ""
    for model in (SweepConfig, Axes)
    for name, field in model.model_fields.items()
}
