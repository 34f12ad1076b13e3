"""Mistakes in a config file in the user's own terms, one line each."""

import difflib
import json
import math
from collections import Counter
from collections.abc import Mapping

from pydantic_core import ErrorDetails

from search.config_schema import MAX_TRIALS, GridFile
from search.space import AXES

SETTINGS = [field.alias or name for name, field in GridFile.model_fields.items()]
_MAX_SHOWN = 60


def explain(error: ErrorDetails, rules: Mapping[str, str]) -> str:
    """Say in one line which key breaks which rule, whichever way pydantic put it."""
    loc, value, kind = error["loc"], error["input"], error["type"]
    key = next((part for part in reversed(loc) if isinstance(part, str)), None)
    if key is None:
        return f"must be a table with the keys {', '.join(SETTINGS)}, not {show(value)}"
    if kind == "extra_forbidden":
        return _unknown(key, inside=loc[0] == "space" and len(loc) > 1)
    if kind == "missing":
        return f"{_dotted(loc)} is missing: it must be {rules[key]}"
    if kind == "duplicates":
        twice = [v for v, count in Counter(value).items() if count > 1]
        return f"{_dotted(loc)} has duplicate values, {show(twice)}: give each value once"
    if kind == "too_many":
        return _too_many(value)
    return f"{_dotted(loc)} = {show(value)}: {key} must be {rules[key]}"


def _too_many(axes: dict[str, list[float]]) -> str:
    lengths = [len(axes[name]) for name in AXES]
    product = " x ".join(map(str, lengths))
    return (
        f"space has {product} = {math.prod(lengths)} combinations, more than "
        f"{MAX_TRIALS} (2**31): give fewer values"
    )


def _unknown(key: str, inside: bool) -> str:
    here, there = (list(AXES), SETTINGS) if inside else (SETTINGS, list(AXES))
    where = " in [space]" if inside else ""
    if key in there:
        hint = " Move it above [space]." if inside else " Move it below [space]."
    else:
        hint = closest(key, here) or f" The keys here are {', '.join(here)}."
    return f"unknown key {show(key)}{where}.{hint}"


def closest(word: str, words: list[str]) -> str:
    """Return a hint at the most similar of the words, or nothing."""
    close = difflib.get_close_matches(word.lower(), words, n=1)
    return f" Did you mean {close[0]}?" if close else ""


def _dotted(loc: tuple[int | str, ...]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc]
    return "".join(parts).removeprefix(".")


def show(value: object) -> str:
    """Write a value about as TOML does, on one line and cut to a bearable length."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):  # an integer of thousands of digits, for one
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
