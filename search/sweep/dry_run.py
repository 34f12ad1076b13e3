"""What a command would do, without doing it."""

from collections.abc import Sequence

import numpy as np

from cluster.executor import SerialExecutor, available_cores
from model.data.dataset import Dataset
from model.speed import CostModel
from search.config import Params, Range, SweepConfig, replicates_text
from search.engine import FirstSeen, calibrate, wave_widths
from search.plan import (
    Chain,
    LinkCutter,
    Plan,
    array_mib,
    epochs_flops,
    grid_plan,
    grid_widths,
    nothing_reached,
    open_chains,
    predict,
    refit_seconds,
    replicated,
    workers_each,
)
from search.text import duration


def dry_run(config: SweepConfig, data: Dataset, workers: int | None) -> str:
    """Return the plan of a new run, and what it should take on some workers.

    Parameters
    ----------
    config : SweepConfig
    data : Dataset
    workers : int or None
        All cores of this machine where it is None.
    """
    workers = workers or available_cores()
    plan = replicated(_first_plan(config, workers), config.replicates, config.total)
    cost = calibrate(SerialExecutor(), config.batch_sizes, data.X.shape[1], data.n_classes)
    cutter = LinkCutter.for_data(cost, config, data, plan, workers)
    none_closed = np.zeros(config.total * config.replicates + 1, bool)
    none_closed[-1] = True
    chains = open_chains(plan, none_closed, nothing_reached, cutter)
    return plan_text(plan, config, data, cost, chains, workers)


def _first_plan(config: SweepConfig, workers: int) -> Plan:
    if config.is_grid:
        return grid_plan(config, grid_widths(config, workers), rungs=config.rungs)
    # Here, because Optuna takes a second to import and a grid goes without.
    from search.tuning.tuner import make_tuner

    proposal = make_tuner(config).ask(0, config.wave_size)
    proposal.copies = FirstSeen().register(proposal)
    proposal.widths = wave_widths(proposal, workers_each(config, workers))
    return proposal.plan(config.rungs)


def plan_text(
    plan: Plan,
    config: SweepConfig,
    data: Dataset,
    cost: CostModel,
    chains: Sequence[Chain],
    workers: int,
) -> str:
    """Return the plan, and the time and memory that it should take.

    Of a search with a sampler, the plan is that of its first wave.
    """
    n, n_features = data.X.shape
    prediction = predict(chains, workers)
    waves = 1 if config.is_grid else config.total / config.wave_size
    widths = sorted({pack.width for pack in plan.packs})
    links = [link for chain in chains for link in chain]
    longest = max(link.seconds for link in links)
    final = max(refit_seconds(cost, params, n) for params in _extremes(config))
    # A wave's end leaves no worker idle: the next one is under way by then.
    training = prediction.training_s if waves == 1 else waves * prediction.compute_s / workers
    figures = [
        ("trials", f"{config.total}" + _in_waves(config)),
        ("trajectories", f"{plan.trajectories}, shared by trials that differ in epochs alone"),
        ("packs", f"{len(plan.packs)}, of {' or '.join(map(str, widths))} trajectories"),
        ("links", f"{len(links)}, the longest {longest:.1f} s"),
        ("workers", f"{workers}, busy {prediction.busy:.0%} of the training"),
        (
            "operations",
            f"{waves * epochs_flops(plan.column_epochs, config, data):.3g} in the training "
            "products",
        ),
        ("training", duration(training)),
        ("final training", f"up to {duration(final)}"),
        ("memory", f"{array_mib(n, n_features):.0f} MiB of images, once on each machine"),
        ("", f"{array_mib(n_features, widths[-1], data.n_classes - 1):.1f} MiB for a pack's state"),
    ]
    if config.replicates > 1:
        figures.insert(
            1, ("trainings", f"{config.replicates} of each, with {replicates_text(config)}")
        )
    if rungs := config.rungs:
        at = ", ".join(map(str, rungs))
        figures.insert(1, ("pruner", f"{config.pruner.name}, at epochs {at}; what it saves is not"))
        figures.insert(2, ("", "known before, and not taken off the figures below"))
    table = [f"{name:<15} {value}" for name, value in figures]
    shares = [
        f"  batch size {batch_size:<6} {seconds / prediction.compute_s:4.0%}"
        for batch_size, seconds in prediction.by_batch_size.items()
    ]
    return "\n".join([*table, "where the time goes:", *shares])


def _in_waves(config: SweepConfig) -> str:
    if config.is_grid:
        return ""
    batch = config.wave_size
    return f", asked for in {-(-config.total // batch)} waves; the first one, of {batch}:"


def _extremes(config: SweepConfig) -> list[Params]:
    """Return params among which are those that take longest: each batch size, most epochs."""
    epochs = config.axes_by_name["epochs"]
    most = epochs.high if isinstance(epochs, Range) else max(epochs)
    return [Params(batch_size, 0.0, int(most), 0.0) for batch_size in config.batch_sizes]
