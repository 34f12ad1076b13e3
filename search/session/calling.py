"""A sweep from Python: `search.sweep`."""

import shutil
import sys
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Unpack

import numpy as np
from rich.console import Console

from model.data.dataset import Dataset
from model.data.in_memory import NAME, dataset_of
from search.by_arguments import in_arguments, told_by_arguments
from search.config import SweepConfig, grid_of, read_grid, read_reading
from search.errors import ConfigError, InterruptedSweepError
from search.session.call_checks import (
    ARGUMENTS,
    FLAGS,
    SweepOptions,
    check_grid,
    check_options,
    refuse_what_is_settled,
    without_nones,
)
from search.session.call_observer import Call
from search.session.checks import check_outlives_job
from search.session.datasets import load, suited_grid
from search.session.options import Options, resolve_config, with_options
from search.session.preparation import check_executor, make_executor
from search.session.session import check, run_sweep
from search.session.surroundings import Surroundings
from search.session.sweep_result import SweepEvent, SweepResult
from search.storage import Place, RemotePath, place
from search.text import console, show

_GRID = "the grid"
"""How messages about a grid begin that is not a file."""


def sweep_from_python(
    grid: str | Path | Mapping[str, Any] | None,
    data: Any,
    folder: Place | str | None,
    on_event: Callable[[SweepEvent], object] | None,
    **given: Unpack[SweepOptions],
) -> SweepResult:
    """Run a sweep, or go on with it; see `search.sweep`."""
    with told_by_arguments(ARGUMENTS, FLAGS):
        return _in_its_folder(grid, data, folder, on_event, given)


def _in_its_folder(
    grid: str | Path | Mapping[str, Any] | None,
    data: Any,
    folder: Place | str | None,
    on_event: Callable[[SweepEvent], object] | None,
    given: SweepOptions,
) -> SweepResult:
    given = without_nones(given)
    check_options(given)
    refuse_what_is_settled(given, folder)
    check_grid(grid)
    if "code" in given:
        given = {**given, "code": Path(given["code"])}
    if on_event is not None and not callable(on_event):
        raise ConfigError(f"on_event is {on_event!r}; it must be a function that takes an event.")
    if "reuse" in given:
        named: Any = given["reuse"]
        one = isinstance(named, str | PathLike | RemotePath) or not isinstance(named, Iterable)
        runs = [named] if one else list(named)
        given = {**given, "reuse": [_place_of("reuse", run) for run in runs]}
    if folder is not None:
        return _swept(grid, data, _place_of("folder", folder), on_event, given)
    temporary = Path(mkdtemp(prefix="packsweep-"))
    try:
        result = _swept(grid, data, temporary / "run", on_event, given)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    weakref.finalize(result, shutil.rmtree, temporary, ignore_errors=True)
    return result


def _place_of(name: str, given: Any) -> Place:
    if given == "" or not isinstance(given, str | PathLike | RemotePath):
        raise ConfigError(f"{name} is {given!r}; it must be the name of a folder, or its URI.")
    return place(str(given) if isinstance(given, PathLike) else given)


def _swept(
    grid: str | Path | Mapping[str, Any] | None,
    data: Any,
    run_dir: Place,
    on_event: Callable[[SweepEvent], object] | None,
    given: SweepOptions,
) -> SweepResult:
    options = Options(**given, run_dir=run_dir)
    err = console(sys.stderr) if options.progress else Console(quiet=True)

    def say(text: str) -> None:
        show(err, in_arguments(text, ARGUMENTS, FLAGS))

    check_outlives_job(options.run_path)
    options, config, rows = _settled(grid, data, options, err)
    check(options, config, rows)
    check_executor(options, config, rows)
    call = Call(on_event, config.total)
    surroundings = Surroundings(
        executor=partial(make_executor, options, config, rows, say),
        interruption=lambda: call,
        err=err,
        observer=call,
    )
    try:
        summary = run_sweep(options, config, rows, surroundings)
    except InterruptedSweepError:
        if call.failure is not None:
            raise call.failure from None
        raise
    return SweepResult(options.run_path, summary, config)


def _settled(
    grid: str | Path | Mapping[str, Any] | None, data: Any, options: Options, err: Console
) -> tuple[Options, SweepConfig, Dataset]:
    """Return the options, the settings and the rows that a call means."""
    named = data is None or isinstance(data, str | Path)
    if named and not isinstance(grid, Mapping):
        options = replace(
            options,
            grid=None if grid is None else str(grid),
            dataset=None if data is None else str(data),
        )
        config = resolve_config(options)
        return options, config, load(config.dataset, config.reading.to_reading(), err)
    if named:
        settings = grid_of(_table_of(grid, data), NAME, _GRID, options.trainer)
        config = with_options(settings, options, _GRID)
        return options, config, load(config.dataset, config.reading.to_reading(), err)
    settings = {"reading": {}}
    if isinstance(grid, Mapping):
        settings = grid_of(_table_of(grid, NAME), NAME, _GRID, options.trainer)
    elif grid is not None:
        settings = read_grid(str(grid), options.trainer)
    of_grid = set(settings["reading"]) - set(options.reading)
    reading = read_reading({**settings["reading"], **options.reading}).to_reading()
    rows = dataset_of(data, reading, of_grid)
    if grid is None:
        settings = read_grid(suited_grid(rows), options.trainer)
    settings["dataset"] = rows.name
    # What was said of a frame's columns is done with.
    options = replace(options, target=None, weights=None, missing=None, keys=None, in_memory=True)
    return options, with_options(settings, options, _GRID), rows


def _table_of(grid: Mapping[str, Any] | Any, data: object) -> dict[str, Any]:
    """Return a grid as a file has it, with its data set; hyperparameters alone are its space."""
    table = _as_in_file(dict(grid) if "space" in grid else {"space": dict(grid)})
    return table if data is None else {**table, "dataset": str(data)}


def _as_in_file(value: Any) -> Any:
    """Return values with lists and numbers in place of numpy's and of ranges."""
    if isinstance(value, Mapping):
        return {name: _as_in_file(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | range):
        return [_as_in_file(inner) for inner in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
