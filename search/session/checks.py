"""Refusals before anything is started or written."""

from collections.abc import Sequence
from pathlib import Path

from cluster.executor import available_cores
from cluster.job import ends_with_job
from cluster.resources import Resources
from model.data.dataset import Dataset
from model.data.memory import gib, memory_bytes
from model.errors import DataError
from model.metrics import metric_of
from search.config import Range, SweepConfig
from search.errors import ConfigError, RunFolderError
from search.plan import rows_bytes, trials_bytes
from search.record import REUSE_KEY, Manifest, new_manifest
from search.storage import Place

# What a process of Ray with this code takes at least, and what to give less of.
_WORKER_BYTES = 64 * 2**20
_FEWER = "Give fewer values, folds or --workers, or a sampler with --trials."


def check_outlives_job(path: Place) -> None:
    """Refuse a run folder that a cluster deletes when its job has ended.

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
        if data.y_val is not None:
            raise DataError(
                f"{data.name} has its own validation rows, but folds = {config.folds} take "
                "their rows from the training part. Leave folds out, or the validation rows."
            )
        if config.folds > n:
            raise DataError(
                f"{data.name} has {n} training {data.noun}, too few for folds = {config.folds}: "
                f"each fold needs at least one. Give at most {n} folds."
            )
        return
    n_train, n_validation = data.parts(fraction)
    if not n_train or not n_validation:
        raise DataError(
            f"{data.name} has {n} training {data.noun}, of which validation_fraction = "
            f"{fraction:g} takes {n_validation} for validation; both parts need at least one."
        )


def check_memory(
    config: SweepConfig, data: Dataset, processes: int = 0, *, optimum: bool = False
) -> None:
    """Refuse what no memory of this machine can hold, before any of it is taken.

    Parameters
    ----------
    config : SweepConfig
    data : Dataset
    processes : int
        Workers that are started on this machine.
    optimum : bool
        Whether optima are wanted, which take all training rows in float64.

    Raises
    ------
    ConfigError
        With the size of what is largest.
    """
    needs = {
        f"{config.total:,} trials x {config.replicates} trainings": trials_bytes(config),
        f"{data.name}, scaled for each of {config.folds} folds": rows_bytes(config, data),
        f"{processes:,} workers": processes * _WORKER_BYTES,
    }
    if optimum:
        n_train, _ = data.parts(config.scoring_fraction)
        needs[f"{data.name}, in float64 for --optimum,"] = 8 * n_train * (data.X.shape[1] + 1)
    what = max(needs, key=lambda name: needs[name])
    if needs[what] > memory_bytes():
        raise ConfigError(
            f"{what} need {gib(needs[what])} of memory at least, and this machine has "
            f"{gib(memory_bytes())}. {_FEWER}"
        )


def check_resources(resources: Resources) -> None:
    """Refuse a training for which this machine has too few cores or too little memory.

    Raises
    ------
    ConfigError
        With both numbers.
    """
    asked = {
        "cpus": (resources.cpus, available_cores(), f"{available_cores()} cores"),
        "memory": (resources.memory, memory_bytes(), gib(memory_bytes())),
    }
    for name, (wanted, there, said) in asked.items():
        if wanted > there:
            shown = gib(int(wanted)) if name == "memory" else f"{wanted:g}"
            raise ConfigError(
                f"resources.{name} = {shown} for each training, and this machine has {said}. Give "
                "less, or --address of a cluster that has it."
            )


def check_same_settings(path: Place, old: Manifest, config: SweepConfig, data: Dataset) -> None:
    """Refuse to continue a run with other settings.

    Raises
    ------
    RunFolderError
        Naming each setting that differs, with both values.
    """
    # A manifest without a plan: only its settings are compared.
    new = new_manifest(config, data)
    differences = old.differences(new)
    if differences:
        mine, theirs = new.settings(), old.settings()
        reusable = all(mine[name] == theirs[name] for name in REUSE_KEY)
        text = "\n  ".join([f"{path} holds a run with other settings:", *differences])
        text += "\nGive the run's own settings, another --run-dir, or --fresh to move it aside."
        if reusable:
            text += f" With --reuse {path} another run takes over its finished trials."
        raise RunFolderError(text)


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
    """Refuse a sampler or a pruner that is not available, before anything is started.

    Raises
    ------
    ConfigError
        If there is no such sampler or pruner, or it does not take its options.
    """
    # Imported here, because Optuna takes a second to import and a plain grid goes without.
    if not config.is_grid:
        from search.tuning.tuner import make_tuner

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


def check_metrics(config: SweepConfig, data: Dataset) -> None:
    """Refuse metrics that say nothing of so few classes.

    Raises
    ------
    ConfigError
        With the metric, and how many classes it takes.
    """
    for name in config.asked_metrics:
        found = metric_of(name)
        if found and data.n_classes < found.least_classes:
            raise ConfigError(
                f"{name} takes {found.least_classes} classes or more, and {data.name} has "
                f"{data.n_classes}. Give a smaller number, or another metric."
            )


def check_refits(count: int, data: Dataset) -> None:
    """Refuse to repeat a final training of which there is nothing to measure.

    Raises
    ------
    RunFolderError
        If there are no test rows.
    """
    if count > 1 and data.X_test is None:
        raise RunFolderError(
            f"--refits {count} compares final trainings by their test figures, and {data.name} has "
            f"no test {data.noun}. Leave --refits out, or give a data set with X_test and y_test."
        )


def alphas_of(config: SweepConfig) -> tuple[float, ...]:
    """Return the alphas that a run tries, and refuse those without an optimum each.

    Raises
    ------
    ConfigError
        If they are a range, or trials have no training part in common.
    """
    if not config.trainer.is_softmax:
        raise ConfigError(
            f'--optimum is for the trainer "softmax", whose cost is convex, and this grid has '
            f"{config.trainer.name}. Leave --optimum out."
        )
    alphas = config.axes_by_name["alpha"]
    if isinstance(alphas, Range):
        raise ConfigError(
            f"--optimum finds the optimum of each alpha, and alpha is a range from {alphas.low:g} "
            f"to {alphas.high:g}. Give alpha as a list, or leave --optimum out."
        )
    if config.folds:
        raise ConfigError(
            f"--optimum finds optima on one training part, and with folds = {config.folds} there "
            f"are {config.folds}. Leave --optimum out, or folds."
        )
    return tuple(sorted(float(alpha) for alpha in alphas))
