"""The speed model of the machines at hand: measured once, kept for the next sweep."""

import hashlib
import json
import logging
import math
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cluster.executor import Executor
from cluster.outcomes import Finished, Lost
from model.pack import TRAINER_VERSION
from model.products import NUMPY
from model.speed import TYPICAL, Line, SpeedModel, measure, spread
from model.user_folders import cache_folder
from search.engine.stage import Stage
from search.errors import StoreError
from search.plan import patience
from search.record import versions
from search.storage import write_atomically

log = logging.getLogger(__name__)


def calibrate(  # noqa: PLR0913 - what is measured, and where
    executor: Executor,
    batch_sizes: Sequence[int],
    n_features: int,
    n_classes: int,
    interrupted: Callable[[], bool] = lambda: False,
    *,
    products: str = NUMPY.name,
) -> SpeedModel:
    """Return the speed model of the executor's workers.

    All of them measure at the same time, as they will work, and the median
    counts. Those that join meanwhile do not measure, and those that leave do not count.

    Parameters
    ----------
    executor : Executor
    batch_sizes : sequence of int
    n_features, n_classes : int
    interrupted : callable
        Tells between two waits whether the user or the system has asked to stop.
    products : str
        How the workers multiply.

    Raises
    ------
    InterruptedSweepError
        If `interrupted` says so.
    MissingProductsError
        If a worker lacks what these products need.
    ClusterError
        If the cluster cannot be reached.
    """
    shape, workers = (sorted(batch_sizes), n_features, n_classes, products), executor.workers
    path = _cache_path([*shape, workers])
    cached = _read(path, batch_sizes)
    if cached is not None:
        return cached
    measured = _measured(executor, workers, shape, interrupted)
    if not measured:
        return TYPICAL  # and the next sweep tries again
    model = _median(measured)
    _write(path, model)
    return model


def _measured(
    executor: Executor, workers: int, shape: tuple[Any, ...], interrupted: Callable[[], bool]
) -> list[SpeedModel]:
    """Return what the workers have measured; one that fails or does not answer has not."""
    ended: list[Finished | Lost] = []
    # It takes less than a second, and with the start of a worker some more.
    with Stage(executor, interrupted, lambda _: patience(1.0), _tell_late) as stage:
        for worker in range(workers):
            stage.submit(("calibrate", worker), "calibrate", measure, *shape)
        while len(stage):
            ended += stage.wait()
    for lost in ended:
        if isinstance(lost, Lost):
            log.warning("lost: a measurement of speed: %s", lost.reason)
    return [task.value for task in ended if isinstance(task, Finished)]


def _tell_late(key: tuple[str, int], how: str) -> None:
    del key
    log.warning("late: a measurement of speed: %s", how)


def _median(models: Sequence[SpeedModel]) -> SpeedModel:
    def middle(lines: Sequence[tuple[float, float]]) -> tuple[float, float]:
        fixed, column = np.median(lines, axis=0).tolist()
        return fixed, column

    return SpeedModel(
        training={n: middle([model.training[n] for model in models]) for n in models[0].training},
        scoring=middle([model.scoring for model in models]),
    )


def _cache_path(key: Sequence[Any]) -> Path:
    # Whatever else is loaded: the next sweep may find other libraries in its process.
    machine = [platform.node(), platform.machine(), versions(loaded=False), TRAINER_VERSION]
    digest = hashlib.sha256(json.dumps([*machine, *key]).encode()).hexdigest()[:16]
    return cache_folder() / f"speed-model-{digest}.json"


def _read(path: Path, batch_sizes: Sequence[int]) -> SpeedModel | None:
    """Return the model that was kept, or None where it is none for these batch sizes."""
    try:
        data = json.loads(path.read_bytes())
        model = SpeedModel(
            {int(n): _line(line) for n, line in data["training"].items()}, _line(data["scoring"])
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return model if model.training.keys() == set(spread(batch_sizes)) else None


def _line(values: Any) -> Line:
    fixed, column = map(float, values)
    if not (0 <= fixed < math.inf and 0 <= column < math.inf and fixed + column > 0):
        raise ValueError(f"{values} are not times")
    return fixed, column


def _write(path: Path, model: SpeedModel) -> None:
    """Keep the model; where that cannot be, the next sweep measures again."""
    text = json.dumps(asdict(model))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: file.write(text.encode()))
    except (OSError, StoreError):
        return
