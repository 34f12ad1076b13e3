"""What a dry run prints."""

from collections.abc import Sequence

from model.dataset import Dataset
from search.config import SweepConfig
from search.cost_model import CostModel
from search.grid_plan import training_flops
from search.planner import Plan
from search.prediction import array_mib, predict, refit_seconds
from search.progress import duration
from search.schedule import Chain


def plan_text(
    plan: Plan,
    config: SweepConfig,
    data: Dataset,
    cost: CostModel,
    chains: Sequence[Chain],
    workers: int,
) -> str:
    """Return the plan, and the time and memory that it should take."""
    n, n_features = data.X.shape
    prediction = predict(chains, workers)
    widths = sorted({pack.width for pack in plan.packs})
    links = [link for chain in chains for link in chain]
    longest = max(link.seconds for link in links)
    final = max(refit_seconds(cost, config.space[i], n) for i in _extremes(config))
    shares = [
        f"  batch size {batch_size:<6} {seconds / prediction.compute_s:4.0%}"
        for batch_size, seconds in prediction.by_batch_size.items()
    ]
    figures = [
        ("trials", f"{plan.trials}"),
        (
            "trajectories",
            f"{plan.trajectories}, shared by trials that differ in epochs alone",
        ),
        ("packs", f"{len(plan.packs)}, of {' or '.join(map(str, widths))} trajectories"),
        ("links", f"{len(links)}, the longest {longest:.1f} s"),
        ("workers", f"{workers}, busy {prediction.busy:.0%} of the training"),
        ("operations", f"{training_flops(plan, config, data):.3g} in the training products"),
        ("training", duration(prediction.training_s)),
        ("final training", f"up to {duration(final)}"),
        ("memory", f"{array_mib(n, n_features):.0f} MiB of images, once on each machine"),
        ("", f"{array_mib(n_features, widths[-1], data.n_classes - 1):.1f} MiB for a pack's state"),
    ]
    table = [f"{name:<15} {value}" for name, value in figures]
    return "\n".join([*table, "where the time goes:", *shares])


def _extremes(config: SweepConfig) -> list[int]:
    """Return trials among which is the one that takes longest: each batch size, most epochs."""
    space = config.space
    most = space.epochs.index(max(space.epochs)) * len(space.alpha)
    per_batch_size = len(space) // len(space.batch_size)
    return [i * per_batch_size + most for i in range(len(space.batch_size))]
