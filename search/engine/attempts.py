"""Plain tasks, run to their end: the one loop that tries again what has lost its worker."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from cluster.errors import ClusterError
from cluster.executor import Executor, Finished, Lost
from search.errors import InterruptedSweepError

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
"""A task that has taken so many workers down will do so again."""

WAIT_SECONDS = 0.25
"""How long one wait may last: an interruption is noticed between two waits."""


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
    attempt : int
        Which attempt this is, counted from 1.
    """

    key: Any
    name: str
    subject: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    attempt: int = 1


def run_tasks(
    executor: Executor,
    tasks: Iterable[Task],
    interrupted: Callable[[], bool],
    way_out: str,
) -> Iterator[tuple[Any, Any]]:
    """Run tasks with all workers, and try again what has lost its worker.

    Parameters
    ----------
    executor : Executor
        Without other tasks.
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
        If a task has lost its worker `MAX_ATTEMPTS` times.
    """
    waiting, running = deque(tasks), 0
    while waiting or running:
        while waiting and running < executor.workers:
            task = waiting.popleft()
            executor.submit(task, task.name, task.function, *task.args)
            running += 1
        ended = executor.wait(WAIT_SECONDS)
        running -= len(ended)
        # What is there is handed out first, as a loss may end it all.
        for finished in ended:
            if isinstance(finished, Finished):
                yield finished.key.key, finished.value
        for lost in ended:
            if isinstance(lost, Lost):
                task = lost.key
                check_attempts(task.subject, task.attempt, lost.reason, way_out)
                waiting.append(replace(task, attempt=task.attempt + 1))
        if (waiting or running) and interrupted():
            raise InterruptedSweepError


def check_attempts(subject: str, attempt: int, reason: str, way_out: str) -> None:
    """Log that an attempt has lost its worker, and give up if it was the last one.

    Parameters
    ----------
    subject : str
        Beginning of a sentence about what was attempted.
    attempt : int
        Which attempt it was, counted from 1.
    reason : str
        How the worker was lost.
    way_out : str
        Sentences that say what is safe, and what the user can do.

    Raises
    ------
    ClusterError
        If there have been `MAX_ATTEMPTS`.
    """
    log.warning("lost: %s, attempt %d: %s", subject, attempt, reason)
    if attempt == MAX_ATTEMPTS:
        raise ClusterError(
            f"{subject} lost its worker {MAX_ATTEMPTS} times, the last time by {reason}. {way_out}"
        )
