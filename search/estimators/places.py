"""Where the trainings of a search run: in processes of this machine, or with an executor."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from joblib import Parallel, delayed

from search.estimators.evaluation import Place
from search.estimators.shared_fits import Done, Job, Work

if TYPE_CHECKING:
    from cluster.executor import Executor


@contextmanager
def place_of(  # noqa: PLR0913 - what the search was given, by name
    work: Work,
    *,
    executor: str | None,
    address: str | None,
    n_jobs: int | None,
    pre_dispatch: Any,
    safe: str,
) -> Iterator[Place]:
    """Open the place where the trainings of a search run, and close it.

    Parameters
    ----------
    work : Work
    executor : "ray", "serial" or None
        As the search has checked it. None for joblib, in this process unless `n_jobs` says
        otherwise.
    address : str or None
        The address of a Ray cluster; by default RAY_ADDRESS, or a cluster started here.
    n_jobs : int or None
        Trainings at the same time; None with Ray, or -1, for as many as there is room for.
    pre_dispatch : int or str
        As joblib takes it.
    safe : str
        Sentences that say what is kept of a search whose place has failed.

    Raises
    ------
    ValueError
        If the executor has no use for an address.
    MissingLibraryError
        If Ray is not installed.
    ClusterError
        If no cluster can be started or joined.
    """
    if executor is None and address is not None:
        executor = "ray"
    if executor is None:
        parallel = Parallel(
            n_jobs=n_jobs, pre_dispatch=pre_dispatch, return_as="generator_unordered"
        )
        yield lambda jobs: parallel(delayed(work.done)(job) for job in jobs)
        return
    if executor == "serial" and address is not None:
        raise ValueError("executor='serial' trains in this process; an address is one of Ray.")
    opened = _opened(executor, address, n_jobs)
    try:
        yield _with_executor(opened, work, safe)
    finally:
        opened.close()


def _opened(executor: str, address: str | None, n_jobs: int | None) -> "Executor":
    # Late, because most searches run in this process.
    if executor == "serial":
        from cluster.executor import SerialExecutor

        return SerialExecutor()
    from search.extras import needed

    with needed("ray", "executor='ray'", ", or leave executor out"):
        from cluster.ray_executor import RayExecutor
    return RayExecutor(address, None if n_jobs is None or n_jobs < 0 else n_jobs)


@dataclass(frozen=True)
class _Raised:
    """An exception of the estimator or the scorer, which is not trouble of the machine.

    Attributes
    ----------
    error : Exception
        What the search raises.
    """

    error: Exception


def work_done(work: Work, job: Job) -> Done | _Raised:
    """Do a job, as a worker that must not lose what the user's own code has raised."""
    try:
        return work.done(job)
    except Exception as error:
        return _Raised(error)


def _with_executor(executor: "Executor", work: Work, safe: str) -> Place:
    from search.engine import Task, run_tasks

    shared = executor.share(work)

    def place(jobs: Iterable[Job]) -> Iterator[Done]:
        tasks = (_task(Task, shared, job) for job in jobs)
        for _, value in run_tasks(executor, tasks, _never, safe):
            if isinstance(value, _Raised):
                raise value.error
            yield value

    return place


def _task(kind: Callable[..., Any], shared: Any, job: Job) -> Any:
    numbers = f"candidates {job.unit.candidates[0]} to {job.unit.candidates[-1]}"
    name = f"search: {numbers}, split {job.unit.split}"
    # Nobody knows how long a fit of somebody's estimator should take.
    return kind(
        job.unit, name, f"The training of {numbers}", work_done, (shared, job), float("inf")
    )


def _never() -> bool:
    return False
