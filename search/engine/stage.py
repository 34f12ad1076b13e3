"""The tasks of one stage of a sweep: counted as they were submitted, and not waited for in vain."""

import logging
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from cluster.errors import ClusterError
from cluster.executor import Executor
from cluster.outcomes import Finished, Lost, Running
from search.errors import InterruptedSweepError
from search.text import duration

log = logging.getLogger(__name__)

WAIT_SECONDS = 0.25
"""How long one wait may last: an interruption is noticed between two waits."""


class Stage:
    """Submits tasks and waits for them, while it is entered.

    Machines join and leave at any time, so nothing here follows from how many workers there are.
    What is left when it is given up is forgotten, and is not taken for a task of the next stage.

    Parameters
    ----------
    executor : Executor
    interrupted : callable
        Tells whether the user or the system has asked to stop.
    patience : callable
        Returns after how many seconds a task that has begun is given up, by its key.
    tell_late : callable
        Is told of a task that has had half of that: its key, and in words how long it runs where.
    """

    def __init__(
        self,
        executor: Executor,
        interrupted: Callable[[], bool],
        patience: Callable[[Any], float],
        tell_late: Callable[[Any, str], None],
    ) -> None:
        self._executor, self._interrupted = executor, interrupted
        self._patience, self._tell_late = patience, tell_late
        # The keys of what was submitted and has not ended, and those that were told of as late.
        self._under_way: set[Any] = set()
        self._late: set[Any] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Forget what is under way."""
        with suppress(ClusterError):  # a cluster that is out of reach has nothing to forget
            for key in self._under_way:
                self._executor.give_up(key)
        self._under_way.clear()

    def __len__(self) -> int:
        """Return the number of tasks under way."""
        return len(self._under_way)

    def submit(
        self,
        key: Hashable,
        name: str,
        function: Callable[..., Any],
        *args: Any,
        avoid: Sequence[str] = (),
    ) -> None:
        """Queue a task, as `Executor.submit` does."""
        self._executor.submit(key, name, function, *args, avoid=avoid)
        self._under_way.add(key)

    def wait(self) -> list[Finished | Lost]:
        """Return the tasks that have ended or were given up, waiting a moment for a first one.

        Those that have finished come first: a loss may end it all.

        Raises
        ------
        InterruptedSweepError
            If the user or the system has asked to stop.
        ClusterError
            If the cluster cannot be reached.
        """
        if self._interrupted():
            raise InterruptedSweepError
        ended = [task for task in self._executor.wait(WAIT_SECONDS) if task.key in self._under_way]
        self._under_way.difference_update(task.key for task in ended)
        return sorted(ended + self._given_up(), key=lambda task: isinstance(task, Lost))

    def _given_up(self) -> list[Finished | Lost]:
        lost: list[Finished | Lost] = []
        for task in self._executor.running():
            if task.key not in self._under_way:
                continue
            patience = self._patience(task.key)
            if task.seconds >= patience:
                lost.append(self._give_up(task))
            elif task.seconds >= patience / 2 and task.key not in self._late:
                self._late.add(task.key)
                self._tell_late(task.key, f"{_so_far(task)}, given up after {duration(patience)}")
        return lost

    def _give_up(self, task: Running) -> Lost:
        self._executor.give_up(task.key)
        self._under_way.discard(task.key)
        return Lost(task.key, f"no answer, {_so_far(task)}", task.node)


def _so_far(task: Running) -> str:
    return f"under way for {duration(task.seconds)} on {task.address}"
