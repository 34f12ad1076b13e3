"""The optimum of each alpha: found once, and kept in its own file."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from cluster.executor import Executor
from model.optima import AlphaOptimum, find_optimum
from search.engine.attempts import Task, run_tasks
from search.storage import Place, load_arrays, prepare_folder, save_arrays, seal_of
from search.text import duration

log = logging.getLogger(__name__)

_WAY_OUT = (
    "The log is safe; it needs a gigabyte of memory for 784 features. Give the same command to try "
    "again, or leave --optimum out."
)


class Optima:
    """The optima of some alphas, of which those that a folder holds are not found again.

    Parameters
    ----------
    folder : Path or RemotePath
        Folder of their files; made where there are alphas.
    alphas : sequence of float
        Alphas whose optimum is wanted; empty where --optimum is not given.
    run : str
        Identity of the run, for the seals.
    seconds : float
        Seconds that one should take; 0 where nobody knows.
    """

    def __init__(
        self, folder: Place, alphas: Sequence[float], run: str = "", seconds: float = 0.0
    ) -> None:
        self._folder, self._alphas, self._run = folder, sorted(alphas), run
        self._seconds = seconds
        if alphas:
            prepare_folder(folder)
        kept = {alpha: self._load(alpha) for alpha in self._alphas}
        # Those that are on disk, by their alpha.
        self._found = {alpha: optimum for alpha, optimum in kept.items() if optimum}

    @property
    def missing(self) -> list[float]:
        """Alphas whose optimum is not on disk; the smallest first, because they take longest."""
        return [alpha for alpha in self._alphas if alpha not in self._found]

    def find_missing(
        self,
        examples: Any,
        executor: Executor,
        interrupted: Callable[[], bool],
        say: Callable[[str], None] | None = None,
    ) -> list[AlphaOptimum]:
        """Find the optima that are missing, with all workers; return all by their alphas.

        Each is on disk as soon as it is found.

        Parameters
        ----------
        examples : object
            The `Examples` as the executor's `share` has returned them.
        executor : Executor
        interrupted : callable
            Whether the user or the system has asked to stop.
        say : callable, optional
            Is told of each that is found: some take minutes, and silence looks like a halt.

        Raises
        ------
        InterruptedSweepError
            If `interrupted` says so; what is found is kept.
        ClusterError
            If one is lost again and again.
        StoreError
            If one cannot be written.
        """
        tasks = [self._task(examples, alpha) for alpha in self.missing]
        for alpha, optimum in run_tasks(executor, tasks, interrupted, _WAY_OUT):
            save_arrays(self._path(alpha), optimum, seal_of(self._path(alpha), self._run))
            self._found[alpha] = optimum
            log.info("optimum of alpha %g found in %.1f s", alpha, optimum.seconds)
            if say:
                say(f"Optimum of alpha {alpha:g} found in {duration(optimum.seconds)}")
        return [self._found[alpha] for alpha in self._alphas]

    def _task(self, examples: Any, alpha: float) -> Task:
        name, subject = f"optimum: alpha {alpha:g}", f"The optimum of alpha {alpha:g}"
        return Task(alpha, name, subject, find_optimum, (examples, alpha), self._seconds)

    def _load(self, alpha: float) -> AlphaOptimum | None:
        """Return the optimum that was written down, if its file is whole and of this alpha."""
        optimum = load_arrays(
            self._path(alpha), AlphaOptimum, seal_of(self._path(alpha), self._run)
        )
        return optimum if optimum and optimum.alpha == alpha and _fits(optimum) else None

    def _path(self, alpha: float) -> Place:
        return self._folder / f"alpha-{alpha!r}.npz"


def _fits(optimum: AlphaOptimum) -> bool:
    """Whether its arrays fit each other."""
    D, c = optimum.W.shape if optimum.W.ndim == 2 else (0, 0)
    sizes = optimum.shift.shape, optimum.scale.shape
    return optimum.b.shape == (c,) and all(size in ((1,), (D,)) for size in sizes)
