"""What the orchestrator needs of a place where work runs, and the plainest such place."""

import os
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

from cluster.blas import one_blas_thread
from cluster.metrics import Metrics, NoMetrics


@dataclass(frozen=True)
class Finished:
    """A task that returned.

    Attributes
    ----------
    key : hashable
        As given to `Executor.submit`.
    value : object
        What the function returned; arrays in it may be read-only.
    node : str
        Address of the machine it ran on.
    """

    key: Any
    value: Any
    node: str


@dataclass(frozen=True)
class Lost:
    """A task whose worker or machine went away before it returned; submit it again."""

    key: Any
    reason: str


class Executor(Protocol):
    """Runs functions somewhere, each with one BLAS thread.

    Attributes
    ----------
    dashboard_url : str or None
        Where to watch the tasks.
    """

    dashboard_url: str | None

    @property
    def workers(self) -> int:
        """Tasks that can run at the same time; machines may join and leave."""

    def share(self, value: Any) -> Any:
        """Hand over a large value once; pass what is returned as an argument to tasks."""

    def submit(self, key: Hashable, name: str, function: Callable[..., Any], *args: Any) -> None:
        """Queue ``function(*args)``; `name` is for people to read.

        Tasks of a kind have the same words before a colon, and are counted
        together where there is a dashboard.
        """

    def wait(self, timeout: float) -> list[Finished | Lost]:
        """Return what has ended since the last call, waiting up to `timeout` seconds for it.

        An exception that a function raises is raised here.
        """

    def metrics(self, run: str) -> Metrics:
        """Return where what is measured of a run can be recorded."""

    def close(self) -> None:
        """Give everything back; tasks that still run are abandoned."""


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


class SerialExecutor:
    """Runs tasks one after the other in this process, when they are waited for."""

    workers = 1
    dashboard_url: str | None = None

    def __init__(self) -> None:
        self._queue: deque[tuple[Hashable, Callable[..., Any], tuple[Any, ...]]] = deque()

    def share(self, value: Any) -> Any:
        """Return the value itself."""
        return value

    def submit(self, key: Hashable, name: str, function: Callable[..., Any], *args: Any) -> None:
        """Queue a call."""
        del name
        self._queue.append((key, function, args))

    def wait(self, timeout: float) -> list[Finished | Lost]:
        """Run the oldest call."""
        del timeout
        if not self._queue:
            return []
        key, function, args = self._queue.popleft()
        with one_blas_thread():
            return [Finished(key, function(*args), "localhost")]

    def metrics(self, run: str) -> Metrics:
        """Return a place where nothing is recorded."""
        del run
        return NoMetrics()

    def close(self) -> None:
        """Forget what is queued."""
        self._queue.clear()
