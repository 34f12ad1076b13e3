"""The optima of all alphas, found beside whatever else an executor has to do."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.errors import ClusterError
from cluster.executor import Executor, Finished, Lost
from model.optimum import AlphaOptimum, find_optimum
from search.config import Range, SweepConfig
from search.engine.orchestrator import MAX_ATTEMPTS, WAIT_SECONDS
from search.errors import ConfigError, InterruptedSweepError
from search.storage import Place, load_arrays, prepare_folder, save_arrays

log = logging.getLogger(__name__)

# One worker in so many finds optima while there are links to train: an optimum takes a gigabyte
# of memory for a minute, and they all end long before a sweep does.
_WORKERS_EACH = 4


def alphas_of(config: SweepConfig) -> tuple[float, ...]:
    """Return the alphas that a run tries.

    Raises
    ------
    ConfigError
        If they are a range, or trials have no training part in common.
    """
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


@dataclass(frozen=True)
class _Task:
    """What the executor calls the search for an optimum."""

    alpha: float
    attempt: int = 1


class Optima:
    """An executor that also finds optima, a few at a time.

    It is used in place of the one that it is given: what is submitted to it is returned by `wait`,
    and the optima are not, but written down. Those that were written down are not found again.

    Parameters
    ----------
    executor : Executor
    folder : Path or RemotePath
        Made where it is missing.
    alphas : sequence of float
        None where no optima are wanted.
    examples : object
        What the executor's `share` returned for the `Examples`.

    Attributes
    ----------
    found : dict of float to AlphaOptimum
        By alpha.
    """

    def __init__(
        self, executor: Executor, folder: Place, alphas: Sequence[float], examples: Any
    ) -> None:
        self._executor, self._folder, self._examples = executor, folder, examples
        self.dashboard_url = executor.dashboard_url
        if alphas:
            prepare_folder(folder)
        kept = [self._load(alpha) for alpha in alphas]
        self.found = {optimum.alpha: optimum for optimum in kept if optimum}
        # The smallest first: they take longest.
        self._waiting = [_Task(alpha) for alpha in sorted(alphas) if alpha not in self.found]
        self._running = 0

    @property
    def left(self) -> int:
        """How many are to be found yet."""
        return len(self._waiting) + self._running

    def _path(self, alpha: float) -> Place:
        return self._folder / f"alpha-{alpha!r}.npz"

    def _load(self, alpha: float) -> AlphaOptimum | None:
        """Return the optimum that was written down, if its file is whole and of this alpha."""
        optimum = load_arrays(self._path(alpha), AlphaOptimum)
        return optimum if optimum and optimum.alpha == alpha else None

    @property
    def workers(self) -> int:
        """Tasks that can run beside the optima."""
        return max(1, self._executor.workers - self._running)

    def share(self, value: Any) -> Any:
        """As the executor."""
        return self._executor.share(value)

    def submit(self, key: Any, name: str, function: Callable[..., Any], *args: Any) -> None:
        """As the executor."""
        self._executor.submit(key, name, function, *args)

    def wait(self, timeout: float) -> list[Finished | Lost]:
        """Return what has ended and is no optimum."""
        self._start(max(1, self._executor.workers // _WORKERS_EACH))
        ended = self._executor.wait(timeout)
        for task in ended:
            if isinstance(task.key, _Task):
                self._take(task)
        return [task for task in ended if not isinstance(task.key, _Task)]

    def metrics(self, run: str) -> Any:
        """As the executor."""
        return self._executor.metrics(run)

    def close(self) -> None:
        """As the executor."""
        self._executor.close()

    def finish(self, interrupted: Callable[[], bool]) -> list[AlphaOptimum]:
        """Find what is left, with all workers; return the optima by their alphas.

        Raises
        ------
        InterruptedSweepError
            If `interrupted` said so; what was found is written down.
        ClusterError
            If the worker of one is lost again and again.
        StoreError
            If one cannot be written.
        """
        while self.left:
            self._start(self._executor.workers)
            self.wait(WAIT_SECONDS)
            if self.left and interrupted():
                raise InterruptedSweepError("Interrupted.")
        return [self.found[alpha] for alpha in sorted(self.found)]

    def _start(self, most: int) -> None:
        while self._waiting and self._running < most:
            task = self._waiting.pop(0)
            name = f"optimum: alpha {task.alpha:g}"
            self._executor.submit(task, name, find_optimum, self._examples, task.alpha)
            self._running += 1

    def _take(self, task: Finished | Lost) -> None:
        self._running -= 1
        if isinstance(task, Lost):
            log.warning("lost: optimum of alpha %g: %s", task.key.alpha, task.reason)
            self._waiting.append(_next_attempt(task.key))
            return
        optimum: AlphaOptimum = task.value
        save_arrays(self._path(optimum.alpha), optimum)
        self.found[optimum.alpha] = optimum
        log.info("optimum of alpha %g found in %.1f s", optimum.alpha, optimum.seconds)


def _next_attempt(task: _Task) -> _Task:
    if task.attempt == MAX_ATTEMPTS:
        raise ClusterError(
            f"The optimum of alpha {task.alpha:g} lost its worker {MAX_ATTEMPTS} times. The log "
            "is safe; it needs a gigabyte of memory for 784 pixels. Give the same command to try "
            "again, or leave --optimum out."
        )
    return _Task(task.alpha, task.attempt + 1)
