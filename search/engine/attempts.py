"""Plain tasks, run to their end: the one loop that tries again what was lost."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from cluster.errors import ClusterError
from cluster.executor import Executor
from cluster.outcomes import Finished, Lost
from search.engine.stage import Stage
from search.plan import patience

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
"""A task that was lost so often will be lost again."""


@dataclass(frozen=True, eq=False)
class Task:
    """A call that a worker makes, and that needs no other one.

    Attributes
    ----------
    key : object
        Name by which the caller knows its result.
    name : str
        Name for people to read, as `Executor.submit` takes it.
    subject : str
        Beginning of a sentence about its failure, such as "The optimum of alpha 5".
    function : callable
    args : tuple
        Arguments of the function.
    seconds : float
        Seconds that it should take; 0 where nobody knows.
    attempt : int
        Which attempt this is, counted from 1.
    avoid : tuple of str
        Machines where earlier attempts were lost.
    """

    key: Any
    name: str
    subject: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    seconds: float = 0.0
    attempt: int = 1
    avoid: tuple[str, ...] = ()

    @property
    def patience(self) -> float:
        """Seconds after which it is given up."""
        return patience(self.seconds, attempt=self.attempt)

    def again(self, lost: Lost) -> Self:
        """Return the next attempt."""
        return replace(self, attempt=self.attempt + 1, avoid=with_node(self.avoid, lost))


def run_tasks(
    executor: Executor,
    tasks: Iterable[Task],
    interrupted: Callable[[], bool],
    way_out: str,
) -> Iterator[tuple[Any, Any]]:
    """Run tasks with all workers, and try again what was lost.

    Parameters
    ----------
    executor : Executor
    tasks : iterable of Task
        In the order in which they start.
    interrupted : callable
        Tells between two waits whether the user or the system has asked to stop.
    way_out : str
        Sentences that say what is safe, and what to do, where a task has failed for good.

    Yields
    ------
    key, value : object
        The key of a task and what its function has returned, as soon as it is there.

    Raises
    ------
    InterruptedSweepError
        If `interrupted` says so while a task is left.
    ClusterError
        If a task was lost `MAX_ATTEMPTS` times.
    """
    waiting = deque(tasks)
    with Stage(executor, interrupted, lambda task: task.patience, _tell_late) as stage:
        while waiting or len(stage):
            while waiting and len(stage) < executor.workers:
                task = waiting.popleft()
                stage.submit(task, task.name, task.function, *task.args, avoid=task.avoid)
            for ended in stage.wait():
                if isinstance(ended, Finished):
                    yield ended.key.key, ended.value
                else:
                    check_attempts(ended.key.subject, ended.key.attempt, ended, way_out)
                    waiting.append(ended.key.again(ended))


def _tell_late(task: Task, how: str) -> None:
    log.warning("late: %s, attempt %d: %s", task.subject, task.attempt, how)


def with_node(avoid: tuple[str, ...], lost: Lost) -> tuple[str, ...]:
    """Return the machines where a task was lost, the last one among them if it is known."""
    return avoid if lost.node is None or lost.node in avoid else (*avoid, lost.node)


def check_attempts(subject: str, attempt: int, lost: Lost, way_out: str) -> None:
    """Log that an attempt was lost, and give up if it was the last one.

    Parameters
    ----------
    subject : str
        Beginning of a sentence about what was attempted.
    attempt : int
        Which attempt it was, counted from 1.
    lost : Lost
        How it was lost.
    way_out : str
        Sentences that say what is safe, and what the user can do.

    Raises
    ------
    ClusterError
        If there have been `MAX_ATTEMPTS`.
    """
    details = f"\n{lost.details.rstrip()}" if lost.details else ""
    log.warning("lost: %s, attempt %d: %s%s", subject, attempt, lost.reason, details)
    if attempt == MAX_ATTEMPTS:
        raise ClusterError(
            f"{subject} has failed {MAX_ATTEMPTS} times, the last time by {lost.reason}. {way_out}"
        )
