"""The settings of a run as the file that would start it again."""

import json
from collections.abc import Mapping
from typing import Any

_TABLES = ("space", "sampler", "pruner", "reading", "reference")


def as_toml(config: Mapping[str, Any]) -> str:
    """Return the settings of a manifest as TOML.

    Parameters
    ----------
    config : mapping
        The result of `SweepConfig.to_dict`; the name is left out, because it is the file's.
    """
    plain = {k: v for k, v in config.items() if k not in (*_TABLES, "name")}
    if "trainer" in plain:
        plain["trainer"] = plain["trainer"]["name"]  # the rest it says of itself
    top = [f"{k} = {_value(v)}" for k, v in plain.items()]
    tables = [_table(name, config[name]) for name in _TABLES if name in config]
    return "\n".join([*top, *(line for table in tables for line in table)])


def _table(name: str, content: Any) -> list[str]:
    """Return the lines of a table, or of several with the same name."""
    if isinstance(content, Mapping):
        return [f"\n[{name}]", *_lines(content)]
    return [line for table in content for line in (f"\n[[{name}]]", *_lines(table))]


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{_key(k)} = {_value(v)}" for k, v in table.items() if v not in (None, {})]


def _key(key: str) -> str:
    return key if key.isidentifier() and key.isascii() else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(_lines(value))} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    # TOML writes strings, numbers, true and false as JSON does, except for one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
