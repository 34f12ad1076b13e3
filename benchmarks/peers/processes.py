"""The plain way: a pool of processes, each of which trains one model after another."""

import multiprocessing
from collections.abc import Callable, Sequence
from typing import Any

from peers.task import Outcome, Task, Trial, train

_task: Task


def run(task: Task) -> list[Outcome]:
    """Run the textbook trainer in a pool of as many processes as cores."""
    return run_pool(_train, task.trials, task)


def run_pool(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    task: Task,
    prepare: Callable[[], None] | None = None,
    start: str = "fork",
) -> list[Any]:
    """Map a function over items, one at a time for each process; `held_task` is the task there."""
    # Forked, because processes then share the images without a copy; JAX has threads, which a fork
    # does not survive.
    context = multiprocessing.get_context(start)
    with context.Pool(task.cores, _hold, (task, prepare)) as pool:
        return pool.map(function, items, chunksize=1)


def held_task() -> Task:
    """Return the task inside a process of `run_pool`."""
    return _task


def _hold(task: Task, prepare: Callable[[], None] | None) -> None:
    global _task  # noqa: PLW0603  (how a pool hands data to its processes)
    _task = task
    if prepare:
        prepare()


def _train(trial: Trial) -> Outcome:
    return train(trial, _task.examples, _task.seed)
