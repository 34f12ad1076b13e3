"""The plan of a command, without running it."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cluster.executor import SerialExecutor, available_cores
from model.data.dataset import Dataset
from model.data.memory import own_bytes
from search.config import EPOCHS, Params, Range, SweepConfig, replicates_text, some_params
from search.engine import FirstSeen, calibrate, measure_trainer, wave_widths
from search.plan import (
    Chain,
    LinkCutter,
    Memory,
    Plan,
    Speed,
    epochs_flops,
    grid_plan,
    grid_widths,
    memory,
    nothing_reached,
    open_chains,
    predict,
    refit_seconds,
    replicated,
    rows_bytes,
    workers_each,
)
from search.record import layout_of
from search.schemas import DryRun, Pruner, Share
from search.session.options import Options
from search.session.preparation import prepare, settled_executor, widest_of
from search.session.products import chosen_products
from search.session.trainers import trainer_tasks
from search.storage import Place
from search.text import duration


def dry_run(options: Options, config: SweepConfig, data: Dataset) -> DryRun:
    """Return the plan of the run that a command would begin.

    Parameters
    ----------
    options : Options
    config : SweepConfig
    data : Dataset
    """
    here = settled_executor(options, config, data) == "serial"
    planned = planned_run(config, data, options.planned_for, options.code, here=here)
    return plan_of(planned, options.run_path)


def planned_run(
    config: SweepConfig,
    data: Dataset,
    workers: int | None,
    code: Path | None = None,
    *,
    here: bool = False,
) -> "Planned":
    """Return a new run as it would be trained, for `plan_text` and `plan_of`.

    Parameters
    ----------
    config : SweepConfig
    data : Dataset
    workers : int or None
        All cores of this machine where it is None.
    code : Path, optional
        Folder with the trainer's modules.
    here : bool
        Whether it is trained in the command's own process.
    """
    workers = workers or max(1, int(available_cores() / config.resources.cpus))
    plan = replicated(_first_plan(config, data, workers), config.replicates, config.total)
    workers = 1 if here else workers
    speed = _speed(config, data, code)
    cutter = LinkCutter.for_data(plan, speed=speed, config=config, data=data, workers=workers)
    none_closed = np.zeros(config.total * config.replicates + 1, bool)
    none_closed[-1] = True
    chains = open_chains(plan, none_closed, nothing_reached, cutter)
    return Planned(config, data, plan, chains, speed, workers, here)


def _speed(config: SweepConfig, data: Dataset, code: Path | None) -> Speed:
    tasks = trainer_tasks(config, code)
    if tasks is None:
        shape = data.X.shape[1], data.n_classes
        return calibrate(
            SerialExecutor(), config.batch_sizes, *shape, products=chosen_products(config, data)
        )
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
    here : bool
        Whether it would be trained in the command's own process.
    """

    config: SweepConfig
    data: Dataset
    plan: Plan
    chains: Sequence[Chain]
    speed: Speed
    workers: int
    here: bool = False


def plan_of(planned: Planned, run: Place = Path()) -> DryRun:
    """Return the plan of a run, and the time and memory that it should take.

    Parameters
    ----------
    planned : Planned
    run : Path or RemotePath
        The folder that it would have, for the answer alone.
    """
    config, plan, data = planned.config, planned.plan, planned.data
    prediction = predict(planned.chains, planned.workers)
    waves = 1 if config.is_grid else config.total / config.wave_size
    links = [link for chain in planned.chains for link in chain]
    widths = sorted({pack.width for pack in plan.packs})
    # A wave's end leaves no worker idle: the next one is under way by then.
    pooled = waves * prediction.compute_s / planned.workers
    is_softmax = config.trainer.is_softmax
    shares = prediction.by_kind.items() if is_softmax else ()
    taken = memory(config, data, widths[-1]) if is_softmax else None
    return DryRun(
        run=str(run),
        dataset=data.name,
        fingerprint=data.fingerprint,
        trials=config.total,
        waves=math.ceil(waves),
        first_wave=config.total if config.is_grid else config.wave_size,
        trainings=config.replicates,
        trajectories=plan.trajectories,
        epochs=plan.column_epochs,
        epochs_without_sharing=plan.trial_epochs,
        packs=len(plan.packs),
        widths=widths,
        links=len(links),
        longest_link_s=max(link.seconds for link in links),
        workers=planned.workers,
        busy=prediction.busy,
        operations=waves * epochs_flops(plan.column_epochs, config, data) if is_softmax else None,
        training_s=prediction.training_s if waves == 1 else pooled,
        final_training_s=_final_seconds(planned),
        rows_bytes=rows_bytes(config, data),
        state_bytes=taken.state if taken else None,
        link_bytes=taken.link if taken else None,
        process_bytes=_process_bytes(planned, taken) if taken else None,
        worker_bytes=_WORKER_BYTES + taken.link if taken and not planned.here else None,
        pruner=Pruner(name=config.pruner.name, epochs=list(config.rungs)) if config.rungs else None,
        shares=[Share(batch_size=n, share=s / prediction.compute_s) for n, s in shares],
    )


def _final_seconds(planned: Planned) -> float:
    config, data = planned.config, planned.data
    n = len(data.y) + (0 if data.y_val is None else len(data.y_val))
    return max(
        refit_seconds(planned.speed, params, n, config.pack_by) for params in _extremes(config)
    )


# What a worker takes before its first link, and this process from a plan to its report, beside
# what is counted: libraries that are loaded by then.
_WORKER_BYTES, _LATER_BYTES = 120 * 2**20, 25 * 2**20

# What the trainer's loops take with their compiler, as measured: a plan need not wait for them.
_LOOPS_BYTES = 48 * 2**20

# Copies of a state in this process while one is written down.
_WRITTEN = 4


def _process_bytes(planned: Planned, taken: Memory) -> int:
    """Return what this process takes at most, if it goes on to train the plan."""
    later = _LATER_BYTES + (0 if "model.kernels" in sys.modules else _LOOPS_BYTES)
    now = own_bytes() + later
    if planned.here:
        waiting = taken.state if len(planned.plan.packs) > 1 else 0  # of the link that comes next
        return now + taken.shared + taken.link + waiting
    return now + max(taken.shared, _WRITTEN * taken.state)


def plan_text(planned: Planned) -> str:
    """Return the plan of a run in words."""
    plan, config = plan_of(planned), planned.config
    figures = [
        ("trials", f"{plan.trials}" + _in_waves(plan, config)),
        *_pruner_figures(plan),
        *_replicate_figures(config),
        ("trajectories", f"{plan.trajectories}, shared by trials that differ only in epochs"),
        (
            "epochs",
            f"{plan.epochs:,}; without sharing {plan.epochs_without_sharing:,}",
        ),
        ("packs", f"{plan.packs}, of {' or '.join(map(str, plan.widths))} trajectories"),
        ("links", f"{plan.links}, the longest {plan.longest_link_s:.1f} s"),
        ("workers", f"{plan.workers}, busy {plan.busy:.0%} of the training"),
        *(
            [("operations", f"{plan.operations:.3g} in the training products")]
            if plan.operations is not None
            else []
        ),
        ("training", duration(plan.training_s)),
        ("final training", f"up to {duration(plan.final_training_s)}"),
        ("memory", _rows_text(planned, plan.rows_bytes)),
        *_work_memory(plan),
    ]
    table = [f"{name:<15} {value}" for name, value in figures]
    if not plan.shares:
        return "\n".join(table)
    shares = [f"  batch size {row.batch_size:<6} {row.share:4.0%}" for row in plan.shares]
    return "\n".join([*table, "where the time goes:", *shares])


def _rows_text(planned: Planned, n_bytes: int) -> str:
    noun, X = planned.data.noun, planned.data.X
    if n_bytes:
        return f"{n_bytes / 2**20:.0f} MiB of {noun}, once on each machine"
    size = f"{X.nbytes / 2**20:.0f} MiB of {X.dtype.name}"
    return f"none for {noun}: {size} are read where they are"


def _pruner_figures(plan: DryRun) -> list[tuple[str, str]]:
    if plan.pruner is None:
        return []
    at = ", ".join(map(str, plan.pruner.epochs))
    return [
        ("pruner", f"{plan.pruner.name}, at epochs {at}"),
        ("", "the figures below do not count what it will save"),
    ]


def _work_memory(plan: DryRun) -> list[tuple[str, str]]:
    if plan.state_bytes is None or plan.link_bytes is None:
        return []
    state, link = plan.state_bytes / 2**20, plan.link_bytes / 2**20
    lines = [f"{state:.1f} MiB for a pack's state, {link:.0f} MiB in each worker for a link"]
    if plan.process_bytes is not None:
        each = f", {plan.worker_bytes / 2**20:.0f} MiB of each worker" if plan.worker_bytes else ""
        lines.append(f"at most {plan.process_bytes / 2**20:.0f} MiB of this process{each}")
    return [("", line) for line in lines]


def _replicate_figures(config: SweepConfig) -> list[tuple[str, str]]:
    if config.replicates == 1:
        return []
    return [("trainings", f"{config.replicates} of each, with {replicates_text(config)}")]


def _in_waves(plan: DryRun, config: SweepConfig) -> str:
    if config.is_grid:
        return ""
    return f", asked for in {plan.waves} waves; the first one, of {plan.first_wave}:"


def _extremes(config: SweepConfig) -> list[Params]:
    """Return params among which are those that take longest: each batch size, most epochs."""
    epochs = config.axes_by_name[EPOCHS]
    most = int(epochs.high if isinstance(epochs, Range) else max(epochs))
    if not config.trainer.is_softmax:
        return [Params(params, epochs=most) for params in some_params(config)]
    return [Params(batch_size=size, epochs=most) for size in config.batch_sizes]
