"""What a dry run prints."""

from collections.abc import Sequence

from model.data.dataset import Dataset
from model.speed import CostModel
from search.config.config import SweepConfig
from search.config.replicates import replicates_text
from search.config.space import Params, Range
from search.plan.links import Chain
from search.plan.packs import Plan
from search.plan.prediction import array_mib, epochs_flops, predict, refit_seconds
from search.text import duration


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
