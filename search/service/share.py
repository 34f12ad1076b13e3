"""A sweep's part of the cluster: an executor that asks before each task."""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from inspect import isgenerator
from typing import Any, Protocol

from cluster.errors import ClusterError
from cluster.metrics import Metrics
from cluster.outcomes import Finished, Lost, Running
from cluster.resources import ONE_CORE, Resources
from model.errors import PacksweepError
from model.steps import Steps


@dataclass(eq=False)
class Waiting:
    """A task that was submitted and has not started.

    Attributes
    ----------
    key : hashable
    name : str
    function : callable
    args : tuple
    avoid : sequence of str
        As `Executor.submit` takes them.
    seconds : float
        What it should take.
    context : Context
        The context of the sweep that submitted it; its log gets the executor's messages.
    """

    key: Hashable
    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    avoid: Sequence[str]
    seconds: float
    context: Context = field(default_factory=copy_context, repr=False)


@dataclass(frozen=True)
class Mistake:
    """An error for the user that the function of a task has raised.

    Attributes
    ----------
    error : PacksweepError
    """

    error: PacksweepError


def guarded(function: Callable[..., Any], *args: Any) -> Steps[Any]:
    """Run a function in steps; return what it gives, or an error for the user as a `Mistake`.

    An executor raises such an error without saying whose it is.
    """
    try:
        value = function(*args)
        if isgenerator(value):
            value = yield from value
    except PacksweepError as error:
        return Mistake(error)
    return value


class Cluster(Protocol):
    """What a `Share` asks of the one who has the cluster: a `Hub`.

    All calls may come from any thread.
    """

    def room(self, resources: Resources) -> int:
        """Return how many tasks there would be room for, were there no others; at least 1."""

    def put(self, value: Any) -> Any:
        """Hand a large value over once; see `Executor.share`."""

    def wake(self) -> None:
        """Take notice that a task waits."""

    def running(self, share: "Share") -> list[Running]:
        """Return the tasks of a share that are known to have begun; see `Executor.running`."""

    def withdraw(self, share: "Share", key: Hashable) -> None:
        """End a task that has started; return when its lease is gone."""

    def metrics(self, run: str) -> Metrics:
        """Return where the metrics of a run are recorded."""

    def leave(self, share: "Share") -> None:
        """Withdraw all tasks of a share; no other one will start."""


@dataclass(eq=False)
class Share:
    """An executor for one sweep, whose tasks start when it is their turn.

    Attributes
    ----------
    cluster : Cluster
    sweep : str
    resources : Resources
        What each task asks for.
    held : bool
        Whether no task starts for now.
    failure : ClusterError or None
        Why the cluster is gone; whoever uses the share hears it.
    """

    cluster: Cluster
    sweep: str
    resources: Resources = ONE_CORE
    held: bool = False
    failure: ClusterError | None = None
    dashboard_url: str | None = None
    dashboard_token: str | None = None

    # All below is looked at and changed while it is held.
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)
    # Tasks that have not started, oldest first, and the keys of those that have.
    _waiting: deque[Waiting] = field(default_factory=deque, repr=False)
    _started: set[Hashable] = field(default_factory=set, repr=False)
    # What `wait` has still to return or to raise.
    _ended: list[Finished | Lost] = field(default_factory=list, repr=False)
    _mistakes: deque[PacksweepError] = field(default_factory=deque, repr=False)

    # --- For the sweep, in its thread.

    @property
    def workers(self) -> int:
        """Tasks that there would be room for, were there no other sweep."""
        return self.cluster.room(self.resources)

    def share(self, value: Any) -> Any:
        """Hand a large value over once."""
        self._check()
        return self.cluster.put(value)

    def submit(
        self,
        key: Hashable,
        name: str,
        function: Callable[..., Any],
        *args: Any,
        avoid: Sequence[str] = (),
        resources: Resources | None = None,
    ) -> None:
        """Let a call wait for its turn."""
        del resources  # a sweep's tasks all ask for the same
        self._check()
        seconds = getattr(key, "seconds", 0.0)
        with self._changed:
            self._waiting.append(Waiting(key, name, function, args, avoid, seconds))
        self.cluster.wake()

    def wait(self, timeout: float) -> list[Finished | Lost]:
        """Collect all tasks that have ended, waiting up to `timeout` seconds for one."""
        with self._changed:
            self._changed.wait_for(self._has_news, timeout)
            self._check()
            ended, self._ended = self._ended, []
            if self._mistakes and not ended:
                raise self._mistakes.popleft()
        return ended

    def _has_news(self) -> bool:
        idle = not (self._waiting or self._started)
        return bool(self._ended or self._mistakes or self.failure or idle)

    def _check(self) -> None:
        if self.failure:
            raise self.failure

    def running(self) -> list[Running]:
        """Return the tasks that are known to have begun."""
        self._check()
        return self.cluster.running(self)

    def give_up(self, key: Hashable) -> None:
        """Forget a task, whether it waits or runs."""
        with self._changed:
            self._waiting = deque(task for task in self._waiting if task.key != key)
            self._ended = [task for task in self._ended if task.key != key]
            started = key in self._started
        if started:
            self.cluster.withdraw(self, key)

    def metrics(self, run: str) -> Metrics:
        """Return where the metrics of a run are recorded."""
        return self.cluster.metrics(run)

    def close(self) -> None:
        """Give everything back."""
        self.cluster.leave(self)

    # --- For the cluster, in its thread.

    @property
    def links(self) -> int:
        """How many tasks could start now."""
        with self._changed:
            return 0 if self.held or self.failure else len(self._waiting)

    @property
    def seconds(self) -> float:
        """What the next task should take."""
        with self._changed:
            return self._waiting[0].seconds if self._waiting else 0.0

    @property
    def drained(self) -> bool:
        """Whether nothing of it runs, and all that has ended was collected."""
        with self._changed:
            return not (self._started or self._ended or self._mistakes)

    def next(self) -> Waiting | None:
        """Take out the task that starts now; None where it was given up meanwhile."""
        with self._changed:
            if self.held or not self._waiting:
                return None
            task = self._waiting.popleft()
            self._started.add(task.key)
            return task

    def put_back(self, task: Waiting) -> None:
        """Take back a task that could not start yet; it is the next one again."""
        with self._collected(task.key):
            self._waiting.appendleft(task)

    def deliver(self, key: Hashable, ended: Finished | Lost) -> None:
        """Let the sweep collect how one of its tasks has ended."""
        with self._collected(key):
            if isinstance(ended, Finished) and isinstance(ended.value, Mistake):
                self._mistakes.append(ended.value.error)
            else:
                self._ended.append(ended)

    def forget(self, key: Hashable) -> None:
        """Take notice that a task was withdrawn."""
        with self._collected(key):
            pass

    @contextmanager
    def _collected(self, key: Hashable) -> Iterator[None]:
        with self._changed:
            self._started.discard(key)
            yield
            self._changed.notify_all()

    def hold(self, held: bool) -> None:
        """Let no task start, or let them start again."""
        with self._changed:
            self.held = held
            self._changed.notify_all()
        self.cluster.wake()

    def drop_waiting(self) -> None:
        """Tell the sweep that what has not started was lost."""
        with self._changed:
            why = "it was withdrawn before it had started"
            self._ended += [Lost(task.key, why) for task in self._waiting]
            self._waiting.clear()
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget what waits and what has ended."""
        with self._changed:
            self._waiting.clear()
            self._ended.clear()
            self._mistakes.clear()
            self._changed.notify_all()

    def fail(self, error: ClusterError) -> None:
        """Tell the sweep that the cluster is gone, with all that ran."""
        with self._changed:
            self.failure = error
            self._started.clear()
            self._changed.notify_all()
