"""Grids by name, as a file or as a table, read and checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.user_folders import expanded
from search.config.axes import Strict
from search.config.config import SweepConfig, validated
from search.config.messages import closest, show
from search.config.schema import GridFile, ReadingSettings
from search.config.toml_text import parse
from search.errors import ConfigError


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
    return validated(SweepConfig, read_grid(name_or_path), str(_locate(name_or_path)))


def read_grid(name_or_path: str, trainer: str | None = None) -> dict[str, Any]:
    """Read a grid whose settings need not go together yet: others may come on top.

    Parameters
    ----------
    name_or_path : str
        As for `load_config`.
    trainer : str, optional
        Name of the trainer in place of the file's own, on which the rules of [space] depend.

    Returns
    -------
    dict
        For `SweepConfig.from_dict`, each setting checked by itself, defaults included.

    Raises
    ------
    ConfigError
        As for `load_config`, save for settings that do not go together.
    """
    path = _locate(name_or_path)
    name = path.name.removesuffix(".toml")
    return grid_of(_parse(_read(path), str(path)), name, str(path), trainer)


def grid_of(
    given: str | Mapping[str, Any], name: str, source: str, trainer: str | None = None
) -> dict[str, Any]:
    """Check a grid that comes from elsewhere than a file, as `read_grid` does.

    Parameters
    ----------
    given : str or mapping
        The text of a grid file, or the table that it stands for.
    name : str
        The grid's name.
    source : str
        Where it comes from, for messages.
    trainer : str, optional
        As for `read_grid`.

    Raises
    ------
    ConfigError
        As for `read_grid`.
    """
    table = _parse(given, source) if isinstance(given, str) else dict(given)
    # Without the name at first: it is the file's, so a key "name" in the file is unknown.
    changed = table | ({} if trainer is None else {"trainer": trainer})
    grid = validated(GridFile, changed, source)
    return {**grid.model_dump(by_alias=True), "name": name}


def read_reading(given: Mapping[str, Any]) -> ReadingSettings:
    """Check what the command line says of a data set's file.

    Raises
    ------
    ConfigError
        If something breaks a rule.
    """
    # Under the name of its table, by which messages call it.
    return validated(_CommandLine, {"reading": dict(given)}, "command line").reading


class _CommandLine(Strict):
    reading: ReadingSettings


def known_grids() -> list[str]:
    """Return the names of the shipped grids, sorted."""
    return sorted(path.stem for path in _shipped().glob("*.toml"))


def _shipped() -> Path:
    """Return the folder of the shipped grids: in the package, or in the repository."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "configs"
    # Beside an installed package, a folder "configs" could be anybody's: look inside first.
    return installed if installed.is_dir() else package.parent / "configs"


def _locate(name_or_path: str) -> Path:
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        return expanded(name_or_path)
    grids = known_grids()
    if name_or_path in grids:
        return _shipped() / f"{name_or_path}.toml"
    raise ConfigError(
        f"There is no grid {show(name_or_path)}.{closest(name_or_path, grids)} Known grids: "
        f"{', '.join(grids) or 'none'}. Your own file needs its path, such as ./my.toml."
    )


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        return parse(text)
    except ValueError as error:
        raise ConfigError(f"{source} {error}.") from None


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
