"""How long another trainer takes, measured on the workers with some of its hyperparameters."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cluster.executor import Executor
from cluster.outcomes import Finished
from model.trainers.tasks import TrainerTasks
from search.config import SweepConfig, some_params
from search.engine.stage import Stage
from search.plan import kind_of, patience

log = logging.getLogger(__name__)

# Where nothing could be measured: a second of an epoch of 10^5 rows.
_UNKNOWN = (1e-5, 1e-6)


@dataclass(frozen=True)
class TrainerSpeed:
    """The seconds of a row, as they were measured with some hyperparameters.

    Attributes
    ----------
    measured : tuple of (object, float, float)
        A kind of pack, and the seconds in which one trajectory of it trains on a row and scores it.
    """

    measured: tuple[tuple[Any, float, float], ...]

    def training_row(self, kind: Any, width: int, /) -> float:
        """Seconds to train a pack of a kind and a width on one row, by the most similar kind."""
        return self._nearest(kind)[1] * width

    def scoring_row(self, width: int, /) -> float:
        """Seconds to score a pack of a width on one row."""
        return max(scoring for _, _, scoring in self.measured) * width

    def _nearest(self, kind: Any) -> tuple[Any, float, float]:
        return min(self.measured, key=lambda known: _distance(known[0], kind))


def _distance(a: Any, b: Any) -> int:
    """Return in how many values two kinds differ."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return sum(x != y for x, y in zip(a, b, strict=False))
    return int(a != b)


def measure_trainer(
    executor: Executor,
    tasks: TrainerTasks,
    config: SweepConfig,
    examples: Any,
    interrupted: Callable[[], bool] = lambda: False,
) -> TrainerSpeed:
    """Have the workers train an epoch or two with the first, the middle and the last values.

    Parameters
    ----------
    executor : Executor
    tasks : TrainerTasks
    config : SweepConfig
    examples : object
        The `Examples` as the executor's `share` has returned them.
    interrupted : callable

    Raises
    ------
    InterruptedSweepError
        If `interrupted` says so.
    ClusterError
        If the cluster cannot be reached.
    """
    found = []
    # An epoch may take as long as it will; a hang is told after a minute, and given up.
    with Stage(executor, interrupted, lambda _: patience(6.0), _tell_late) as stage:
        for i, params in enumerate(some_params(config)):
            stage.submit((i, kind_of(params, config.pack_by)), "measure", tasks.measure, examples,
                         [params], config.seed)  # fmt: skip
        while len(stage):
            found += stage.wait()
    measured = [
        (task.key[1], *task.value) for task in found if isinstance(task, Finished) and task.value
    ]
    return TrainerSpeed(tuple(measured) or (((), *_UNKNOWN),))


def _tell_late(key: Any, how: str) -> None:
    log.warning("late: a measurement of speed with %s: %s", key[1], how)
