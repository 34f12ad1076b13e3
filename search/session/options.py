"""From the command line to the settings of a run."""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.data.sources import KNOWN
from model.user_folders import expanded
from search.arguments import span_text
from search.command import program
from search.config import SweepConfig, read_grid
from search.engine import Limits
from search.errors import ConfigError, RunFolderError
from search.record import RunFolder
from search.session.trainers import with_trainer
from search.storage import Place

# Methods that a run is not named after: neither asked for, nor chosen against the grid's own.
_PLAIN = (None, "grid", "none", "softmax")
# What the name of a folder is better without.
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")

# What each command of a run says anew.
_OF_EACH_COMMAND = (
    "executor", "address", "workers", "refits", "budget", "target_value", "target_cost", "patience",
)  # fmt: skip

DEFAULT_GRID = "full"
"""The grid where neither the command line nor your own data set says another."""


@dataclass(frozen=True)
class Options:
    """What the command line says; None where it says nothing.

    Each field is the destination of the option of its name in `search.run`.

    Attributes
    ----------
    grid : str or None
        Name of a shipped grid, or the path of a file; None leaves it to the data set.
    dataset : str or None
        Name of a data set, or the path of one.
    target, weights, missing, keys
        As in `search.config.schema.ReadingSettings`; they come before the grid's own.
    run_dir : Path, RemotePath or None
        Folder of the run.
    resume : bool
        Whether the settings are those of the run's own manifest.
    fresh : bool
        Whether an old run is moved aside.
    trainer : str or None
        Name of the trainer in place of the grid's own.
    code : Path or None
        Folder with the modules of your own trainer, which goes to all workers.
    seed : int or None
        Seed of the split and the shuffles.
    executor : str
        ``ray``, ``serial``, or ``auto``: Ray, but for what is over before Ray has started.
    address : str or None
        Address of a Ray cluster to join.
    workers : int or None
        Number of tasks at a time.
    dry_run : bool
        Whether the plan is printed and nothing is done.
    json : bool
        Whether the plan is printed as JSON.
    progress : bool
        Whether progress is shown.
    sampler : str or None
        Name or import path of the sampler.
    trials : int or None
        Number of trials that the sampler proposes.
    objective : str or None
        The metric by which trials are compared.
    metrics : tuple of str or None
        What is kept of each trial beside cost and accuracy.
    products : str or None
        How the softmax trainer multiplies.
    pruner : str or None
        Name or import path of the pruner.
    seeds : int or None
        Number of shuffles with which every trial is trained.
    reuse : sequence of Path or RemotePath
        Folders of runs whose finished trials are taken over.
    refits : int
        Number of final trainings, each with its own seed.
    optimum : bool
        Whether the optimum of each alpha is found, and how far trials are from it.
    budget : float or None
        Seconds after which no more trials are started.
    target_value : float or None
        Value of the objective with which the best trial is good enough.
    target_cost : float or None
        The same where trials are compared by their cost, and refused where they are not.
    patience : int or None
        Trials in a row that are no better than the best one, after which no more are started.
    retry_failed : bool
        Whether trials that have failed are trained again.
    extend : bool
        Whether a run with other values or trials is gone on with: what it has is taken over.
    named_after : str or None
        Data set that the run is named after, beside a grid that was chosen for it.
    in_memory : bool
        Whether the data set is the caller's own, which no command can load.
    """

    grid: str | None = None
    dataset: str | None = None
    target: str | None = None
    weights: str | None = None
    missing: str | None = None
    keys: Mapping[str, str] | None = None
    run_dir: Place | None = None
    resume: bool = False
    fresh: bool = False
    trainer: str | None = None
    code: Path | None = None
    seed: int | None = None
    executor: str = "auto"
    address: str | None = None
    workers: int | None = None
    dry_run: bool = False
    json: bool = False
    progress: bool = True
    sampler: str | None = None
    trials: int | None = None
    objective: str | None = None
    metrics: tuple[str, ...] | None = None
    products: str | None = None
    pruner: str | None = None
    seeds: int | None = None
    reuse: Sequence[Place] = ()
    refits: int = 1
    optimum: bool = False
    budget: float | None = None
    target_value: float | None = None
    target_cost: float | None = None
    patience: int | None = None
    retry_failed: bool = False
    extend: bool = False
    named_after: str | None = None
    in_memory: bool = False

    @property
    def reading(self) -> dict[str, Any]:
        """What is said of the data set's file."""
        given = {name: getattr(self, name) for name in ("target", "weights", "missing", "keys")}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def limits(self) -> Limits:
        """What ends the sweep early."""
        target = self.target_value if self.target_cost is None else self.target_cost
        return Limits(self.budget, target, self.patience)

    @property
    def joins(self) -> bool:
        """Whether a cluster is joined, which has its own machines."""
        return self.executor != "serial" and bool(self.address or os.environ.get("RAY_ADDRESS"))

    @property
    def processes_here(self) -> int:
        """Workers that are asked for on this machine, each with memory of its own."""
        return 0 if self.joins or self.executor == "serial" else self.workers or 0

    @property
    def planned_for(self) -> int | None:
        """Workers for which packs are planned; None for as many as there are cores."""
        return 1 if self.executor == "serial" else self.workers

    @property
    def run_path(self) -> Place:
        """The run's folder: as given, or named after the grid and how it is searched.

        For ``--grid full --pruner halving`` it is runs/full-halving, beside runs/full, and for
        ``--grid full --seeds 3`` runs/full-seeds3.
        """
        if self.run_dir is not None:
            return self.run_dir
        methods = [
            method for method in (self.trainer, self.sampler, self.pruner) if method not in _PLAIN
        ]
        names = [Path(DEFAULT_GRID if self.grid is None else self.grid).name.removesuffix(".toml")]
        if self.named_after is not None:
            names.append(_UNSAFE.sub("-", Path(self.named_after).stem))
        parts = [*names, *map(_last_part, methods)]
        if self.seeds is not None and self.seeds > 1:
            parts.append(f"seeds{self.seeds}")
        return Path("runs") / "-".join(parts)

    def command_to_continue(self, run: Place) -> str:
        """Return the command that continues a run, whose folder knows its settings; empty if none.

        It says what the folder does not know, and what holds for each command of a run.

        Parameters
        ----------
        run : Path or RemotePath
            Folder of the run.
        """
        if self.in_memory:
            return ""
        command = [*program("run").split(), "--resume", str(run)]
        for name in _OF_EACH_COMMAND:
            value = getattr(self, name)
            if value != getattr(Options, name):
                text = span_text(value) if name == "budget" else value
                command.append(f"--{name.replace('_', '-')}={text}")
        if self.optimum:
            command.append("--optimum")
        return shlex.join(command)


def _last_part(method: str) -> str:
    return re.split("[.:]", method)[-1].lower()


def resolve_config(options: Options) -> SweepConfig:
    """Return the settings that the command means.

    Raises
    ------
    ConfigError
        If the grid cannot be read or breaks a rule.
    RunFolderError
        If a run is to be resumed that is not there.
    """
    if options.resume:
        return _resumed_config(options.run_path)
    grid = DEFAULT_GRID if options.grid is None else options.grid
    if options.grid is None and options.trainer not in _PLAIN:
        raise ConfigError(
            f"--trainer {options.trainer} needs a grid with its own hyperparameters: give "
            "--grid FILE. docs/trainers.md has examples."
        )
    settings = read_grid(grid, options.trainer)
    settings["dataset"] = _beside(grid, settings["dataset"])
    return with_options(settings, options, grid)


def with_options(settings: Mapping[str, Any], options: Options, grid: str) -> SweepConfig:
    """Return settings with what the options say on top.

    Parameters
    ----------
    settings : mapping
        As `search.config.read_grid` returns them.
    options : Options
    grid : str
        Where the settings come from, for messages.

    Raises
    ------
    ConfigError
        If they do not go together.
    """
    changed = {
        "dataset": options.dataset,
        "seed": options.seed,
        "seeds": options.seeds,
        "sampler": _changed_sampler(settings["sampler"], options),
        "objective": options.objective,
        "metrics": options.metrics,
        "products": options.products,
        "pruner": _changed_method(settings["pruner"], options.pruner, "none"),
        "reading": {**settings["reading"], **options.reading},
    }
    changed = {key: value for key, value in changed.items() if value not in (None, settings[key])}
    source = "command line" if changed else grid
    return with_trainer(
        SweepConfig.from_dict({**settings, **changed}, source), source, options.code
    )


def _beside(grid: str, dataset: str) -> str:
    """Return the data set that a grid file means: a path in it begins where the file lies."""
    if dataset in KNOWN or "~" in dataset[:1]:
        return dataset
    return str(expanded(grid).parent / dataset)


def _changed_sampler(table: dict[str, Any], options: Options) -> dict[str, Any]:
    table = _changed_method(table, options.sampler, "grid")
    return table if options.trials is None else {**table, "trials": options.trials}


def _changed_method(table: dict[str, Any], name: str | None, plain: str) -> dict[str, Any]:
    """Return the table [sampler] or [pruner] with another name, without what belongs to the old."""
    if name is None or name == table["name"]:
        return table
    if name == plain:
        return {"name": name}
    return {**table, "name": name, "options": {}}


def _resumed_config(path: Place) -> SweepConfig:
    manifest = RunFolder(path).existing_manifest()
    config = SweepConfig.from_dict(manifest.config, source=str(path / "manifest.json"))
    if config.own_methods:
        raise RunFolderError(
            f"{path}/manifest.json names code to import, {' and '.join(config.own_methods)}. "
            "--resume imports nothing but Optuna's own samplers and pruners and the trainers that "
            "come with this program, because a run folder may come from anybody. Give the command "
            "that began the run instead of --resume."
        )
    return with_trainer(config, str(path / "manifest.json"))
