"""A sweep from Python: `search.sweep`, what it returns, and the events on the way."""

import difflib
import html
import reprlib
import shutil
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import inf, isfinite
from numbers import Real
from os import PathLike
from pathlib import Path
from signal import SIGINT
from tempfile import mkdtemp
from types import FrameType
from typing import Any, Literal, Self, TypedDict, Unpack, cast

import numpy as np
from rich.console import Console

from model.data.dataset import Dataset
from model.data.found import Reading
from model.data.in_memory import NAME, dataset_of
from model.softmax import SoftmaxRegression
from model.trainers import FinalState
from search.by_arguments import in_arguments, told_by_arguments
from search.command import signals_caught
from search.config import Params, SweepConfig, grid_of, read_grid, read_reading
from search.errors import ConfigError, InterruptedSweepError, NoResultError
from search.plan import Link
from search.record import RunFolder, Standings, Summary, TopTrial, load_table
from search.result import result_text, why_no_result
from search.session.checks import check_outlives_job
from search.session.datasets import load, suited_grid
from search.session.options import Options, resolve_config, with_options
from search.session.preparation import check_executor, make_executor
from search.session.session import check, run_sweep
from search.session.surroundings import Surroundings
from search.storage import Place, RemotePath, place
from search.text import console, show
from search.watch import Interruption

_EXECUTORS = ("auto", "ray", "serial")

_GRID = "the grid"
"""How messages about a grid begin that is no file."""


class SweepOptions(TypedDict, total=False):
    """What `search.sweep` takes besides; each is the option of `search.run` of that name."""

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


_FLAGS = frozenset({"optimum", "retry_failed", "extend", "fresh", "progress"})

_LEFT_OUT = frozenset(n for n in SweepOptions.__annotations__ if getattr(Options, n) in (None, ()))
"""The options that None leaves out."""

_ARGUMENTS = {
    **{name.replace("_", "-"): name for name in SweepOptions.__annotations__},
    "grid": "grid", "dataset": "data", "run-dir": "folder",
}  # fmt: skip
"""The argument of a call that stands for an option of the command."""


@dataclass(frozen=True)
class SweepEvent:
    """Something that has happened to a sweep.

    Attributes
    ----------
    kind : str
        ``started``: a task runs, or runs again; ``advanced``: what it gave is in the log;
        ``lost``: its worker was lost, and it is tried again; ``late``: it takes much too long.
    task : str
        What is trained, in words.
    finished, total : int
        Trials that have their row, and all of them.
    best_cost : float or None
        The lowest validation cost so far.
    best_params : mapping or None
        The hyperparameters that gave it.
    detail : str
        The machine where the task has ended, or why it was lost.
    """

    kind: str
    task: str
    finished: int
    total: int
    best_cost: float | None = None
    best_params: Params | None = None
    detail: str = ""


@dataclass(frozen=True, eq=False)
class SweepResult:
    """What a sweep has found, with its files.

    Attributes
    ----------
    folder : Path or RemotePath
        The run's folder, which every command reads. Where none was given it is a temporary one,
        which goes with this object.
    summary : Summary
        What ``summary.json`` says.
    config : SweepConfig
        The settings of the run.
    """

    folder: Place
    summary: Summary
    config: SweepConfig

    @property
    def best_params(self) -> dict[str, Any]:
        """The hyperparameters of the best trial.

        Raises
        ------
        NoResultError
            If every trial has failed.
        """
        return dict(self._best.params)

    @property
    def best_cost(self) -> float:
        """Its validation cost, by which it is the best.

        Raises
        ------
        NoResultError
            If every trial has failed.
        """
        return self._best.cost(self.summary.readout)

    @property
    def _best(self) -> TopTrial:
        if self.summary.best is None:
            raise NoResultError(why_no_result(self.summary, self.config.axes_by_name))
        return self.summary.best

    def log(self, kind: str = "pandas") -> Any:
        """Return the log, a row for each trial; see `search.load`."""
        return load_table(self.folder, kind)

    @cached_property
    def model(self) -> SoftmaxRegression | FinalState:
        """The best combination trained on all training rows.

        The softmax trainer's is a `SoftmaxRegression`, with predict and predict_proba; another
        trainer's is a `FinalState`, which has them too where the trainer is a `Predicts`.

        Raises
        ------
        NoResultError
            If every trial has failed.
        DataError
            If the file was changed or taken away.
        """
        _ = self._best
        folder = RunFolder(self.folder)
        if self.summary.trainer is None:
            return SoftmaxRegression.load(folder.model, folder.seal(folder.model))
        return FinalState.load(folder.model, folder.seal(folder.model))

    def export_model(
        self, *files: Place | str, form: str | None = None, force: bool = False
    ) -> None:
        """Write the final model for other tools, as ``python -m search.model`` does.

        Parameters
        ----------
        *files : str, Path or RemotePath
            Each in the format that its ending says: of the softmax trainer ``.joblib``,
            ``.skops``, ``.onnx`` and ``.safetensors``; of others that of their library; and
            ``.md`` for the card, ``.json`` for its figures.
        form : str, optional
            The ending of the format, where the files end otherwise.
        force : bool
            Whether files that are there are replaced.

        Raises
        ------
        NoResultError
            If every trial has failed.
        ModelFileError
            If a file has no format of this model, is there already, or has no folder.
        MissingLibraryError
            If a format needs a library that is not installed.
        StoreError
            If one cannot be written.
        """
        # Here, because scikit-learn takes half a second to import and a sweep goes without.
        from search.portable import export_model, load_winner

        with told_by_arguments({"format": "form", "force": "force"}, frozenset({"force"})):
            winner = load_winner(self.folder, trusted=True)  # it was made in this process
            export_model(winner, [place(f) for f in files], run=self.folder, form=form, force=force)

    @property
    def report(self) -> Place:
        """Path of the report, a page for any browser; the extra ``report`` writes it."""
        return RunFolder(self.folder).report

    def __str__(self) -> str:
        """Return the result in words, as the command prints it."""
        return result_text(self.summary, str(self.folder), self.config.axes_by_name, None)

    def _repr_html_(self) -> str:
        """Return the result as a notebook shows it."""
        return f"<pre>{html.escape(str(self))}</pre>"


def sweep_from_python(
    grid: str | Path | Mapping[str, Any] | None,
    data: Any,
    folder: Place | str | None,
    on_event: Callable[[SweepEvent], object] | None,
    **given: Unpack[SweepOptions],
) -> SweepResult:
    """Run a sweep, or go on with it; see `search.sweep`."""
    with told_by_arguments(_ARGUMENTS, _FLAGS):
        return _in_its_folder(grid, data, folder, on_event, given)


def _in_its_folder(
    grid: str | Path | Mapping[str, Any] | None,
    data: Any,
    folder: Place | str | None,
    on_event: Callable[[SweepEvent], object] | None,
    given: SweepOptions,
) -> SweepResult:
    given = _without_nones(given)
    _check_options(given)
    _refuse_what_is_settled(given, folder)
    _check_grid(grid)
    if "code" in given:
        given = {**given, "code": Path(given["code"])}
    if on_event is not None and not callable(on_event):
        raise ConfigError(f"on_event is {on_event!r}; it is a function that takes an event.")
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
        raise ConfigError(f"{name} is {given!r}; it is the name of a folder, or its URI.")
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
        show(err, in_arguments(text, _ARGUMENTS, _FLAGS))

    check_outlives_job(options.run_path)
    options, config, rows = _settled(grid, data, options, err)
    check(options, config, rows)
    check_executor(options, config, rows)
    call = _Call(on_event, config.total)
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
    rows = dataset_of(data, _reading(options))
    if isinstance(grid, Mapping):
        settings = grid_of(_table_of(grid, rows.name), NAME, _GRID, options.trainer)
    else:
        settings = read_grid(str(grid) if grid is not None else suited_grid(rows), options.trainer)
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


def _reading(options: Options) -> Reading:
    return read_reading(options.reading).to_reading()


def _without_nones(given: SweepOptions) -> SweepOptions:
    """Return what is given but for None where it says no more than leaving the option out."""
    said = {n: value for n, value in given.items() if value is not None or n not in _LEFT_OUT}
    return cast(SweepOptions, said)


def _check_options(given: Mapping[str, Any]) -> None:
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
            raise ConfigError(f"{name} is {value!r}; it is a whole number from 1.")
    target: Any = given.get("target_value")
    is_number = isinstance(target, Real) and not isinstance(target, bool)
    if target is not None and not (is_number and isfinite(target)):
        raise ConfigError(f"target_value is {target!r}; it is a finite number.")
    budget = given.get("budget")
    if budget is not None and not (isinstance(budget, Real) and 0 < float(budget) < inf):
        raise ConfigError(f"budget is {budget!r}; it is a number of seconds above 0.")
    for name in sorted(_FLAGS & set(given)):
        if not isinstance(given[name], bool):
            raise ConfigError(f"{name} is {given[name]!r}; it is True or False.")
    if not isinstance(given.get("address", ""), str):
        raise ConfigError(f"address is {given['address']!r}; it is that of a Ray cluster, as text.")
    if not isinstance(given.get("code", ""), str | PathLike):
        raise ConfigError(f"code is {given['code']!r}; it is the folder of a trainer's modules.")
    if (executor := given.get("executor", "auto")) not in _EXECUTORS:
        raise ConfigError(f"executor is {executor!r}; it is 'auto', 'ray' or 'serial'.")


def _refuse_what_is_settled(given: Mapping[str, Any], folder: Any) -> None:
    """Refuse options that would have no effect beside the others."""
    if given.get("retry_failed") and given.get("fresh"):
        raise ConfigError("retry_failed trains in the run that is there; leave it or fresh out.")
    if given.get("extend") and given.get("fresh"):
        raise ConfigError("extend takes over what the run has, and fresh does not; leave one out.")
    for name in ("retry_failed", "extend", "fresh"):
        if given.get(name) and folder is None:
            raise ConfigError(
                f"{name} is True, which is about the run that is there, and without a folder there "
                f"is none. Give the run's folder, or leave {name} out."
            )
    for name in ("address", "workers"):
        if given.get("executor") == "serial" and name in given:
            raise ConfigError(
                f"{name} is {given[name]!r}, and executor='serial' is one process here. Leave one "
                "of them out."
            )


def _check_grid(grid: Any) -> None:
    if isinstance(grid, Mapping):
        wrong = [name for name in grid if not isinstance(name, str)]
        if wrong:
            raise ConfigError(f"grid has the key {wrong[0]!r}; each is the name of a setting.")
    elif not (grid is None or isinstance(grid, str | PathLike)):
        raise ConfigError(
            f"grid is {reprlib.repr(grid)}; it is the name of a grid that comes with it, the path "
            "of a grid file, or a dict of the values of each hyperparameter."
        )


class _Call(Interruption):
    """Who called: may press Ctrl-C, and is told of what happens.

    The first Ctrl-C is noted, so that the sweep stops where nothing is lost; the second one is a
    KeyboardInterrupt. What a callback raises stops the sweep too, and is raised in the end.
    """

    def __init__(self, on_event: Callable[[SweepEvent], object] | None, total: int) -> None:
        super().__init__()
        self._on_event, self._total = on_event, total
        self._standings: Standings | None = None
        self.failure: BaseException | None = None

    def __call__(self) -> bool:
        """Whether the sweep shall stop."""
        return self.failure is not None or super().__call__()

    def __enter__(self) -> Self:
        # Signals come to the main thread alone.
        if threading.current_thread() is threading.main_thread():
            self._signals.enter_context(signals_caught((SIGINT,), self._note))
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self():
            raise KeyboardInterrupt
        super()._note(number, frame)

    # --- As an observer.

    def started(self, link: Link) -> None:
        """Pass it on."""
        self._tell("started", link)

    def advanced(self, link: Link, standings: Standings, node: str) -> None:
        """Pass it on."""
        self._standings = standings
        self._tell("advanced", link, node)

    def lost(self, link: Link, reason: str) -> None:
        """Pass it on."""
        self._tell("lost", link, reason)

    def late(self, link: Link, how: str) -> None:
        """Pass it on."""
        self._tell("late", link, how)

    def idle(self) -> None:
        """Nothing has happened."""

    def _tell(self, kind: str, link: Link, detail: str = "") -> None:
        if self._on_event is None or self.failure is not None:
            return
        known = self._standings
        best = known.best_trial if known else None
        event = SweepEvent(
            kind,
            link.name,
            known.finished if known else 0,
            self._total,
            best.value if best else None,
            best.params if best else None,
            detail,
        )
        try:
            self._on_event(event)
        except BaseException as error:  # a callback may raise anything
            self.failure = error
