"""What the engine needs of a trainer: the state of a pack at its start, and the task of a link."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from model.data.dataset import Dataset
from model.pack import PackState
from model.results import LinkResult
from model.tasks import run_link
from model.trainers.states import States
from model.trainers.tasks import TrainerTasks
from search.config import SweepConfig, replicates_of
from search.plan import Pack


@dataclass(frozen=True)
class LinkTasks:
    """What trains the packs of a run.

    Attributes
    ----------
    start : callable
        Returns the state of a pack before its first epoch.
    run_link : callable
        The task of a worker; see `model.tasks.run_link`.
    failed_link : callable or None
        Returns the result of a link that no worker has brought to its end; None where that is the
        fault of the machines, and not of what is trained.
    """

    start: Callable[[Pack], Any]
    run_link: Callable[..., LinkResult]
    failed_link: Callable[..., LinkResult] | None = None


def link_tasks(config: SweepConfig, data: Dataset, tasks: TrainerTasks | None) -> LinkTasks:
    """Return what trains the packs of a run.

    Parameters
    ----------
    config : SweepConfig
    data : Dataset
    tasks : TrainerTasks or None
        What workers do for another trainer than the softmax trainer.
    """
    seeds = [replicate.seed for replicate in replicates_of(config)]
    if tasks is not None:
        return LinkTasks(lambda pack: _start(pack, seeds), tasks.run_link, tasks.failed_link)

    def start(pack: Pack) -> PackState:
        named: dict[str, Any] = {**pack.shared, **pack.columns}
        return PackState.start(
            **named,
            n_features=data.X.shape[1],
            n_classes=data.n_classes,
            seed=seeds[pack.replicate],
        )

    return LinkTasks(start, run_link)


def _start(pack: Pack, seeds: list[int]) -> States:
    params = [pack.column_params(m) for m in range(pack.width)]
    return States.start(params, pack.epochs, seeds[pack.replicate])
