"""The options of a sweep from Python, and their refusals."""

import difflib
import reprlib
from collections.abc import Mapping
from math import inf, isfinite
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

from search.errors import ConfigError
from search.session.options import Options
from search.storage import Place

_EXECUTORS = ("auto", "ray", "serial")


class SweepOptions(TypedDict, total=False):
    """The further arguments of `search.sweep`; each is the option of `search.run` of that name."""

    target: str
    weights: str
    missing: Literal["refuse", "mean"]
    trainer: str
    code: Path
    seed: int
    seeds: int
    sampler: str
    trials: int
    objective: str
    metrics: tuple[str, ...]
    products: Literal["auto", "numpy", "onednn", "fixed"]
    pruner: str
    reuse: list[Place]
    refits: int
    optimum: bool
    budget: float
    target_value: float
    patience: int
    keys: Mapping[str, str]
    retry_failed: bool
    extend: bool
    fresh: bool
    executor: Literal["auto", "ray", "serial"]
    address: str
    workers: int
    progress: bool


FLAGS = frozenset({"optimum", "retry_failed", "extend", "fresh", "progress"})
"""The options that are True or False."""

_LEFT_OUT = frozenset(n for n in SweepOptions.__annotations__ if getattr(Options, n) in (None, ()))
"""The options that None leaves out."""

ARGUMENTS = {
    **{name.replace("_", "-"): name for name in SweepOptions.__annotations__},
    "grid": "grid", "dataset": "data", "run-dir": "folder",
}  # fmt: skip
"""The argument of a call that stands for an option of the command."""


def without_nones(given: SweepOptions) -> SweepOptions:
    """Return what is given but for None where it says no more than leaving the option out."""
    said = {n: value for n, value in given.items() if value is not None or n not in _LEFT_OUT}
    return cast(SweepOptions, said)


def check_options(given: Mapping[str, Any]) -> None:
    """Refuse options that there are not, and values that the command line would refuse."""
    known = list(SweepOptions.__annotations__)
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise TypeError(f"sweep() has no option {name}.{hint} It has {', '.join(known)}.")
    for name in ("seeds", "trials", "refits", "workers", "patience"):
        value = given.get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"{name} is {value!r}; it must be a whole number from 1.")
    target: Any = given.get("target_value")
    is_number = isinstance(target, Real) and not isinstance(target, bool)
    if target is not None and not (is_number and isfinite(target)):
        raise ConfigError(f"target_value is {target!r}; it must be a finite number.")
    budget = given.get("budget")
    if budget is not None and not (isinstance(budget, Real) and 0 < float(budget) < inf):
        raise ConfigError(f"budget is {budget!r}; it must be a number of seconds above 0.")
    for name in sorted(FLAGS & set(given)):
        if not isinstance(given[name], bool):
            raise ConfigError(f"{name} is {given[name]!r}; it must be True or False.")
    if not isinstance(given.get("address", ""), str):
        raise ConfigError(
            f"address is {given['address']!r}; it must be that of a Ray cluster, as text."
        )
    if not isinstance(given.get("code", ""), str | PathLike):
        raise ConfigError(
            f"code is {given['code']!r}; it must be the folder of a trainer's modules."
        )
    if (executor := given.get("executor", "auto")) not in _EXECUTORS:
        raise ConfigError(f"executor is {executor!r}; it must be 'auto', 'ray' or 'serial'.")


def refuse_what_is_settled(given: Mapping[str, Any], folder: Any) -> None:
    """Refuse options that would have no effect beside the others."""
    if given.get("retry_failed") and given.get("fresh"):
        raise ConfigError("retry_failed trains in the run that is there; leave it or fresh out.")
    if given.get("extend") and given.get("fresh"):
        raise ConfigError("extend takes over what the run has, and fresh does not; leave one out.")
    for name in ("retry_failed", "extend", "fresh"):
        if given.get(name) and folder is None:
            raise ConfigError(
                f"{name} is True, which needs an existing run, and without a folder there "
                f"is none. Give the run's folder, or leave {name} out."
            )
    for name in ("address", "workers"):
        if given.get("executor") == "serial" and name in given:
            raise ConfigError(
                f"{name} is {given[name]!r}, and executor='serial' is one process here. Leave one "
                "of them out."
            )


def check_grid(grid: Any) -> None:
    """Refuse what is not a grid by its type; what is in it is checked with the settings."""
    if isinstance(grid, Mapping):
        wrong = [name for name in grid if not isinstance(name, str)]
        if wrong:
            raise ConfigError(f"grid has the key {wrong[0]!r}; each must be the name of a setting.")
    elif not (grid is None or isinstance(grid, str | PathLike)):
        raise ConfigError(
            f"grid is {reprlib.repr(grid)}; it must be the name of a grid that comes with it, the "
            "path of a grid file, or a dict of the values of each hyperparameter."
        )
