"""A place where work runs, as its users see it, and the plainest such place: this process."""

import os
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, suppress
from inspect import isgenerator
from typing import Any, Protocol, cast

from cluster.metrics import Metrics, NoMetrics
from cluster.outcomes import Finished, Lost, Running, Trouble
from cluster.resources import Resources
from model.errors import PacksweepError
from model.steps import Steps, run_to_end
from model.thread_limits import limited_threads

_HERE = "localhost"


class Executor(Protocol):
    """Runs functions somewhere, each with one BLAS thread.

    A command makes one, everything that it trains goes through it, and it ends
    with `close`. All calls come from one thread.

    Attributes
    ----------
    dashboard_url : str or None
        The address of a page that shows the tasks, if there is one.
    dashboard_token : str or None
        Where the token lies that this page asks for, if it does.
    """

    dashboard_url: str | None
    dashboard_token: str | None

    @property
    def workers(self) -> int:
        """Number of tasks that can run at the same time, at least 1.

        It changes as machines join and leave: whoever keeps the workers busy asks
        before each submission.

        Raises
        ------
        ClusterError
            If the cluster cannot be reached.
        """

    def share(self, value: Any) -> Any:
        """Hand over a large value once, such as the images, before the tasks that use it.

        What it reads from files, as `model.mapped.HasFiles` has it, each worker reads itself where
        all machines have them.

        Returns
        -------
        object
            What to pass to `submit` in its place: the function gets the value.
        """

    def submit(
        self,
        key: Hashable,
        name: str,
        function: Callable[..., Any],
        *args: Any,
        avoid: Sequence[str] = (),
        resources: Resources | None = None,
    ) -> None:
        """Queue ``function(*args)``.

        Parameters
        ----------
        key : hashable
            What names the task when it has ended; no other task that is under way has it.
        name : str
            What people read. Tasks of a kind have the same words before a colon, and are
            counted together on a dashboard.
        function : callable
            A function that a worker can import. One that is a generator, of `model.steps`, is run
            to its end, and what it returns is the result; an executor may let `wait` return
            between two of its steps.
        *args : object
            Its arguments, among them what `share` returned.
        avoid : sequence of str
            Machines where it was lost, as `Lost.node` names them: it runs elsewhere, unless
            there are no others.
        resources : Resources, optional
            What it needs of a machine; by default what all tasks of this executor need.

        Raises
        ------
        ClusterError
            If the cluster cannot be reached.
        """

    def wait(self, timeout: float) -> list[Finished | Lost]:
        """Return the tasks that have ended since the last call, each of them once.

        Whoever has submitted tasks calls it again and again, and looks between two calls
        whether to stop.

        Parameters
        ----------
        timeout : float
            Seconds to wait for a first task to end.

        Raises
        ------
        ClusterError
            If the cluster cannot be reached, or a machine has other versions.
        PacksweepError
            One that the function of a task raised: another attempt would raise it again. That
            task has ended; the others go on. Any other exception is trouble of the machine, and
            its task is `Lost`.
        """

    def running(self) -> list[Running]:
        """Return the tasks that are known to have begun and not to have ended.

        One that began some seconds ago may not be among them yet.

        Raises
        ------
        ClusterError
            If the cluster cannot be reached.
        """

    def give_up(self, key: Hashable) -> None:
        """Forget a task that was submitted: `wait` will not return it.

        Its worker is killed if it has begun, even one that no longer does anything.

        Raises
        ------
        ClusterError
            If the cluster cannot be reached.
        """

    def metrics(self, run: str) -> Metrics:
        """Return where the metrics of a run are recorded; recording never fails."""

    def close(self) -> None:
        """Give everything back, at the end of the command; tasks that still run are abandoned."""


def result_of(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Return what a task's function gives, with all its steps where it is a generator."""
    value: Any = function(*args)
    return run_to_end(cast(Steps[Any], value)) if isgenerator(value) else value


def available_cores() -> int:
    """Return the number of cores that this process may use.

    That is as many as it is bound to and, in a container, as its quota pays for.
    """
    from joblib import cpu_count  # a tenth of a second that workers go without

    with suppress(OSError, ValueError):  # a file of the kernel's that is none we know
        return int(cpu_count())
    return len(os.sched_getaffinity(0))


def one_blas_thread() -> AbstractContextManager[object]:
    """Limit BLAS to one thread inside the context, because tasks fill the cores already."""
    import scipy.linalg.blas  # noqa: F401  (what is loaded later has no limit)

    return limited_threads(1, "blas")


class SerialExecutor:
    """Runs tasks one after the other in this process, when they are waited for."""

    workers = 1
    dashboard_url: str | None = None
    dashboard_token: str | None = None

    def __init__(self) -> None:
        # What was submitted and has not ended, oldest first: a call, or the rest of its steps.
        self._queue: deque[tuple[Hashable, Callable[..., Any], tuple[Any, ...]]] = deque()

    def share(self, value: Any) -> Any:
        """Return the value itself."""
        return value

    def submit(
        self,
        key: Hashable,
        name: str,
        function: Callable[..., Any],
        *args: Any,
        avoid: Sequence[str] = (),
        resources: Resources | None = None,
    ) -> None:
        """Queue a call."""
        del name, avoid, resources
        self._queue.append((key, function, args))

    def wait(self, timeout: float) -> list[Finished | Lost]:
        """Run the oldest call, or its next step where it is a calculation in steps."""
        del timeout
        if not self._queue:
            return []
        # Before anything can fail: what is told as lost is not here any more.
        key, function, args = self._queue.popleft()
        try:
            with one_blas_thread():
                return self._run_on(key, function(*args))
        except PacksweepError:
            raise
        except Exception as error:
            trouble = Trouble.of(error, _HERE)
            return [Lost(key, trouble.reason, _HERE, trouble.details)]

    def _run_on(self, key: Hashable, value: Any) -> list[Finished | Lost]:
        """Return what a call has returned, or take one step of what it has begun."""
        if not isgenerator(value):
            return [Finished(key, value, _HERE)]
        steps = cast(Steps[Any], value)
        try:
            next(steps)
        except StopIteration as end:
            return [Finished(key, end.value, _HERE)]
        self._queue.appendleft((key, lambda: steps, ()))
        return []

    def running(self) -> list[Running]:
        """Return nothing: no task runs while its user looks."""
        return []

    def give_up(self, key: Hashable) -> None:
        """Forget a call."""
        self._queue = deque(call for call in self._queue if call[0] != key)

    def metrics(self, run: str) -> Metrics:
        """Return a place where nothing is recorded."""
        del run
        return NoMetrics()

    def close(self) -> None:
        """Forget what is queued and what has begun."""
        self._queue.clear()
