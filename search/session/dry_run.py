"""What a command would do, without doing it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cluster.executor import SerialExecutor, available_cores
from model.data.dataset import Dataset
from search.config import EPOCHS, Params, Range, SweepConfig, replicates_text, some_params
from search.engine import FirstSeen, calibrate, measure_trainer, wave_widths
from search.plan import (
    Chain,
    LinkCutter,
    Plan,
    Speed,
    array_mib,
    epochs_flops,
    grid_plan,
    grid_widths,
    link_mib,
    nothing_reached,
    open_chains,
    predict,
    refit_seconds,
    replicated,
    rows_bytes,
    workers_each,
)
from search.record import layout_of
from search.session.preparation import prepare, widest_of
from search.session.trainers import trainer_tasks
from search.text import duration


def dry_run_text(
    config: SweepConfig, data: Dataset, workers: int | None, code: Path | None = None
) -> str:
    """Return the plan of a new run, and what it should take on some workers.

    Parameters
    ----------
    config : SweepConfig
    data : Dataset
    workers : int or None
        All cores of this machine where it is None.
    code : Path, optional
        Folder with the trainer's modules.
    """
    workers = workers or max(1, int(available_cores() / config.resources.cpus))
    plan = replicated(_first_plan(config, data, workers), config.replicates, config.total)
    speed = _speed(config, data, code)
    cutter = LinkCutter.for_data(plan, speed=speed, config=config, data=data, workers=workers)
    none_closed = np.zeros(config.total * config.replicates + 1, bool)
    none_closed[-1] = True
    chains = open_chains(plan, none_closed, nothing_reached, cutter)
    return plan_text(Planned(config, data, plan, chains, speed, workers))


def _speed(config: SweepConfig, data: Dataset, code: Path | None) -> Speed:
    tasks = trainer_tasks(config, code)
    if tasks is None:
        shape = data.X.shape[1], data.n_classes
        return calibrate(SerialExecutor(), config.batch_sizes, *shape)
    examples = prepare(config, data, train_costs=False)
    return measure_trainer(SerialExecutor(), tasks, config, examples)


def _first_plan(config: SweepConfig, data: Dataset, workers: int) -> Plan:
    widest = widest_of(data)
    if config.is_grid:
        return grid_plan(config, grid_widths(config, workers, widest), rungs=config.rungs)
    # Here, because Optuna takes a second to import and a grid goes without.
    from search.tuning.tuner import make_tuner

    proposal = make_tuner(config).ask(0, config.wave_size)
    proposal.copies = FirstSeen().register(proposal)
    proposal.widths = wave_widths(proposal, workers_each(config, workers), config, widest)
    return proposal.plan(config.rungs, layout_of(config), config.pack_by, config.live)


@dataclass(frozen=True)
class Planned:
    """A new run as it would be trained.

    Attributes
    ----------
    config : SweepConfig
        The settings of the run.
    data : Dataset
        The rows that it would be trained on.
    plan : Plan
        The packs; with a sampler, those of its first wave.
    chains : sequence of Chain
        The links of each pack.
    speed : Speed
        The seconds of a row on this machine.
    workers : int
        Number of links that would run at the same time.
    """

    config: SweepConfig
    data: Dataset
    plan: Plan
    chains: Sequence[Chain]
    speed: Speed
    workers: int


def plan_text(planned: Planned) -> str:
    """Return the plan of a run, and the time and memory that it should take."""
    config, plan = planned.config, planned.plan
    n = len(planned.data.y) + (0 if planned.data.y_val is None else len(planned.data.y_val))
    prediction = predict(planned.chains, planned.workers)
    waves = 1 if config.is_grid else config.total / config.wave_size
    widths = sorted({pack.width for pack in plan.packs})
    links = [link for chain in planned.chains for link in chain]
    longest = max(link.seconds for link in links)
    final = max(
        refit_seconds(planned.speed, params, n, config.pack_by) for params in _extremes(config)
    )
    # A wave's end leaves no worker idle: the next one is under way by then.
    pooled = waves * prediction.compute_s / planned.workers
    training = prediction.training_s if waves == 1 else pooled
    figures = [
        ("trials", f"{config.total}" + _in_waves(config)),
        *_pruner_figures(config),
        *_replicate_figures(config),
        ("trajectories", f"{plan.trajectories}, shared by trials that differ in epochs alone"),
        ("epochs", f"{plan.column_epochs:,}; each trial alone would make it {plan.trial_epochs:,}"),
        ("packs", f"{len(plan.packs)}, of {' or '.join(map(str, widths))} trajectories"),
        ("links", f"{len(links)}, the longest {longest:.1f} s"),
        ("workers", f"{planned.workers}, busy {prediction.busy:.0%} of the training"),
        *_operations(planned, waves),
        ("training", duration(training)),
        ("final training", f"up to {duration(final)}"),
        (
            "memory",
            f"{rows_bytes(config, planned.data) / 2**20:.0f} MiB of {planned.data.noun}, "
            "once on each machine",
        ),
        *_state_memory(planned, widths[-1]),
    ]
    table = [f"{name:<15} {value}" for name, value in figures]
    if not config.trainer.is_softmax:
        return "\n".join(table)
    shares = [
        f"  batch size {batch_size:<6} {seconds / prediction.compute_s:4.0%}"
        for batch_size, seconds in prediction.by_kind.items()
    ]
    return "\n".join([*table, "where the time goes:", *shares])


def _operations(planned: Planned, waves: float) -> list[tuple[str, str]]:
    """Return how much is computed, where that is known."""
    if not planned.config.trainer.is_softmax:
        return []
    count = waves * epochs_flops(planned.plan.column_epochs, planned.config, planned.data)
    return [("operations", f"{count:.3g} in the training products")]


def _state_memory(planned: Planned, width: int) -> list[tuple[str, str]]:
    if not planned.config.trainer.is_softmax:
        return []
    data, stored = planned.data, planned.data.n_classes - 1
    n, n_features = data.X.shape
    state = array_mib(n_features, width, stored)
    link = max(link_mib(size, n, n_features, width, stored) for size in planned.config.batch_sizes)
    return [("", f"{state:.1f} MiB for a pack's state, {link:.0f} MiB in each worker for a link")]


def _pruner_figures(config: SweepConfig) -> list[tuple[str, str]]:
    if not config.rungs:
        return []
    at = ", ".join(map(str, config.rungs))
    return [
        ("pruner", f"{config.pruner.name}, at epochs {at}"),
        ("", "the figures below do not count what it will save"),
    ]


def _replicate_figures(config: SweepConfig) -> list[tuple[str, str]]:
    if config.replicates == 1:
        return []
    return [("trainings", f"{config.replicates} of each, with {replicates_text(config)}")]


def _in_waves(config: SweepConfig) -> str:
    if config.is_grid:
        return ""
    waves = math.ceil(config.total / config.wave_size)
    return f", asked for in {waves} waves; the first one, of {config.wave_size}:"


def _extremes(config: SweepConfig) -> list[Params]:
    """Return params among which are those that take longest: each batch size, most epochs."""
    epochs = config.axes_by_name[EPOCHS]
    most = int(epochs.high if isinstance(epochs, Range) else max(epochs))
    if not config.trainer.is_softmax:
        return [Params(params, epochs=most) for params in some_params(config)]
    return [Params(batch_size=size, epochs=most) for size in config.batch_sizes]
