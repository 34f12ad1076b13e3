"""A cluster that is none: its machines join, leave, hang and fail as a test says, by no clock."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import chain, repeat
from random import Random
from typing import Any

from cluster.executor import SerialExecutor
from cluster.metrics import Metrics, NoMetrics
from cluster.outcomes import Finished, Lost, Running
from cluster.resources import Resources


class Machines:
    """An executor whose tasks end in any order, if they end.

    Parameters
    ----------
    workers : iterable of int
        How many workers there are, each time that somebody asks; then as many as at last.
    seed : int
        Of the order in which tasks end.
    loss : float
        How likely a machine leaves with a task.
    hangs : callable
        Whether a task hangs that was submitted under a key.
    strangers : sequence of Hashable
        Keys of an earlier stage, whose tasks end now: one before each task of this one.

    Attributes
    ----------
    keys, avoided : list
        What was submitted, and where it was not to run.
    given_up : list
        The keys of what was given up.
    seconds : float
        How long hanging tasks have run, which is what a test says.
    """

    dashboard_url = None

    def __init__(
        self, workers: Iterable[int] = (2,), *, seed: int = 0, loss: float = 0.0,
        hangs: Callable[[Any], bool] = lambda key: False, strangers: Sequence[Hashable] = (),
    ) -> None:  # fmt: skip
        counts = list(workers)
        self._counts = chain(counts, repeat(counts[-1]))
        self._random, self._loss, self._hangs = Random(seed), loss, hangs
        self._strangers = list(strangers)
        self._queue: list[tuple[Any, ...]] = []
        self._inner = SerialExecutor()
        self.keys: list[Any] = []
        self.avoided: list[Sequence[str]] = []
        self.given_up: list[Any] = []
        self.losses: Counter[Any] = Counter()
        self.seconds = 0.0

    @property
    def workers(self) -> int:
        """As many as there are this time."""
        return next(self._counts)

    def share(self, value: Any) -> Any:
        """Return the value."""
        return value

    def submit(
        self, key: Hashable, name: str, function: Callable[..., Any], *args: Any,
        avoid: Sequence[str] = (), resources: Resources | None = None,
    ) -> None:  # fmt: skip
        """Queue a call."""
        self._queue.append((key, name, function, *args))
        self.keys.append(key)
        self.avoided.append(avoid)

    def wait(self, timeout: float) -> list[Finished | Lost]:
        """End none, one or more of the tasks that do not hang."""
        free = [task for task in self._queue if not self._hangs(task[0])]
        ended = self._random.sample(free, self._random.randint(0, len(free)))
        return [outcome for task in ended for outcome in (*self._late(), self._end(task))]

    def _late(self) -> list[Finished | Lost]:
        """Return the result of a task of an earlier stage, if there is one left."""
        if not self._strangers:
            return []
        key = self._strangers.pop()
        return [Lost(key, "late") if self._random.random() < 0.5 else Finished(key, "late", "old")]

    def _end(self, task: tuple[Any, ...]) -> Finished | Lost:
        self._queue.remove(task)
        if self._random.random() < self._loss:
            self.losses[task[0]] += 1
            return Lost(task[0], "the node 10.0.0.9 is gone", "node-9")
        self._inner.submit(*task)
        (ended,) = self._inner.wait(0)
        return ended

    def running(self) -> list[Running]:
        """Return those that hang."""
        return [
            Running(task[0], self.seconds, "10.0.0.9", "node-9")
            for task in self._queue
            if self._hangs(task[0])
        ]

    def give_up(self, key: Hashable) -> None:
        """Forget a task."""
        self.given_up.append(key)
        self._queue = [task for task in self._queue if task[0] != key]

    def metrics(self, run: str) -> Metrics:
        """Return a place where nothing is recorded."""
        return NoMetrics()

    def close(self) -> None:
        """Forget all."""
        self._queue.clear()
