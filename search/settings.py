"""From the command line to the settings of a run, new or continued."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cluster.job import ends_with_job
from model.data.dataset import Dataset
from model.errors import DataError
from model.shuffle import validation_rows
from search.config.config import SweepConfig, read_grid
from search.errors import ConfigError, RunFolderError
from search.record.manifest import REUSE_KEY, Manifest, new_manifest
from search.record.run_folder import RunFolder
from search.storage.place import Place
from search.tuning.tuner import make_tuner


@dataclass(frozen=True)
class Options:
    """What the command line says; None where it says nothing.

    Attributes
    ----------
    grid : str
        Name of a shipped grid, or the path of a file.
    dataset : str or None
    run_dir : Path, RemotePath or None
    resume : bool
        Take the settings from the run's own manifest.
    fresh : bool
        Move an old run aside.
    seed : int or None
    executor : str
        ``ray`` or ``serial``.
    address : str or None
        Of a Ray cluster to join.
    workers : int or None
    dry_run : bool
        Print the plan and do nothing.
    progress : bool
    sampler : str or None
        Name or import path.
    trials : int or None
        For the sampler.
    pruner : str or None
        Name or import path.
    seeds : int or None
        Shuffles with which every trial is trained.
    reuse : tuple of Path or RemotePath
        Runs to take finished trials from.
    refits : int
        Final trainings, each with a seed of its own.
    optimum : bool
        Find the optimum of each alpha, and how far trials are from it.
    """

    grid: str = "full"
    dataset: str | None = None
    run_dir: Place | None = None
    resume: bool = False
    fresh: bool = False
    seed: int | None = None
    executor: str = "ray"
    address: str | None = None
    workers: int | None = None
    dry_run: bool = False
    progress: bool = True
    sampler: str | None = None
    trials: int | None = None
    pruner: str | None = None
    seeds: int | None = None
    reuse: tuple[Place, ...] = ()
    refits: int = 1
    optimum: bool = False

    @property
    def run_path(self) -> Place:
        """The run's folder: as given, or named after the grid and how it is searched.

        For ``--grid full --pruner halving`` it is runs/full-halving, beside runs/full, and for
        ``--grid full --seeds 3`` runs/full-seeds3.
        """
        name = Path(self.grid).name.removesuffix(".toml")
        methods = [method for method in (self.sampler, self.pruner) if method not in _PLAIN]
        seeds = [f"seeds{self.seeds}"] if self.seeds and self.seeds > 1 else []
        return self.run_dir or Path("runs") / "-".join([name, *map(_last_part, methods), *seeds])


_PLAIN = (None, "grid", "none")


def _last_part(method: str) -> str:
    return method.rpartition(".")[2].lower()


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
    settings = read_grid(options.grid)
    changed = {
        "dataset": options.dataset,
        "seed": options.seed,
        "seeds": options.seeds,
        "sampler": _changed_sampler(settings["sampler"], options),
        "pruner": _changed_method(settings["pruner"], options.pruner, "none"),
    }
    changed = {key: value for key, value in changed.items() if value not in (None, settings[key])}
    source = "command line" if changed else options.grid
    return SweepConfig.from_dict({**settings, **changed}, source)


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
    return SweepConfig.from_dict(manifest.config, source=str(path / "manifest.json"))


def check_outlives_job(path: Place) -> None:
    """Refuse to log a run where a cluster deletes it when its job has ended.

    Raises
    ------
    RunFolderError
        Before anything is started or written.
    """
    if isinstance(path, Path) and ends_with_job(path):
        raise RunFolderError(
            f"The run folder {path} is among the files that Ray unpacked for this job, and deletes "
            "after it. Give --run-dir a full path on the cluster's head, or of a shared store."
        )


def check_enough_images(config: SweepConfig, data: Dataset) -> None:
    """Refuse a data set that is too small to be split.

    Raises
    ------
    DataError
        Before anything is started or written.
    """
    n, fraction = len(data.y), config.validation_fraction
    if config.folds:
        if config.features == "unit" and data.X.dtype != np.uint8:
            raise DataError(
                f'folds = {config.folds} and features = "unit" go together for images of bytes '
                f"alone: the largest value of {data.name}, of {data.X.dtype}, would be that of "
                "one training part, and each fold has another. Leave folds out, or features."
            )
        if config.folds > n:
            raise DataError(
                f"{data.name} has {n} training images, too few for folds = {config.folds}: each "
                f"fold needs at least one. Give at most {n} folds."
            )
        return
    n_validation = validation_rows(n, fraction)
    if not 0 < n_validation < n:
        raise DataError(
            f"{data.name} has {n} training images, of which validation_fraction = {fraction:g} "
            f"takes {n_validation} for validation; both parts need at least one."
        )


def check_same_settings(path: Place, old: Manifest, config: SweepConfig, data: Dataset) -> None:
    """Refuse to continue a run with other settings.

    Raises
    ------
    RunFolderError
        Naming each setting that differs, with both values.
    """
    new = new_manifest(config, data)
    differences = old.differences(new)
    if differences:
        mine, theirs = new.settings(), old.settings()
        reusable = all(mine[name] == theirs[name] for name in REUSE_KEY)
        hint = f" With --reuse {path} another run takes over its finished trials."
        raise RunFolderError(
            "\n  ".join([f"{path} holds a run with other settings:", *differences])
            + "\nGive the run's own settings, another --run-dir, or --fresh to move it aside."
            + hint * reusable
        )


def check_same_reuse(path: Place, old: Manifest, reuse: Sequence[Place]) -> None:
    """Refuse to reuse other runs than those that a run began with.

    Raises
    ------
    RunFolderError
        If the command names others; it may name none.
    """
    if reuse and [str(folder) for folder in reuse] != old.reuse:
        began = ", ".join(old.reuse) or "none"
        raise RunFolderError(
            f"{path} holds a run that reuses other runs: {began}. Leave --reuse out to continue "
            "it, or choose another --run-dir."
        )


def check_methods(config: SweepConfig) -> None:
    """Refuse a sampler or a pruner that is not to be had, before anything is started.

    Raises
    ------
    ConfigError
        If there is no such sampler or pruner, or it does not take its options.
    """
    if not config.is_grid:
        make_tuner(config)
    if config.pruner.name == "none":
        return
    from search.tuning.methods import make_pruner

    rungs = config.rungs
    make_pruner(config.pruner.name, config.pruner.options, rungs or [1])
    if not rungs:
        raise ConfigError(
            f"The pruner {config.pruner.name!r} would never be asked: no trial has epochs beyond "
            "the first report. Give a smaller pruner.interval, or leave the pruner out."
        )


def check_refits(count: int, data: Dataset) -> None:
    """Refuse to repeat a final training of which there is nothing to measure.

    Raises
    ------
    RunFolderError
        If there are no test images.
    """
    if count > 1 and data.X_test is None:
        raise RunFolderError(
            f"--refits {count} compares final trainings by their test figures, and {data.name} has "
            "no test images. Leave --refits out, or give a data set with X_test and y_test."
        )
