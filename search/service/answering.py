"""The process that answers people, so that it never takes the time of the one that runs sweeps."""

import logging
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection

from model.errors import PacksweepError
from search.ledger import Ledger
from search.service.desk import Desk
from search.service.line import FarRunner, NearEnd
from search.service.service import Service

log = logging.getLogger(__name__)

# So many that never come up, before any has: then none will.
_FAILURES = 3

# One that ends sooner has not worked.
_WORKED_SECONDS = 10.0

# Before another one is started: so much more after each in a row that has not worked, up to a most.
_PAUSE_SECONDS, _PAUSE_MOST = 1.0, 60.0

# How long one that is to end may take.
_END_SECONDS = 5.0


class AnsweringError(PacksweepError):
    """The process that answers does not come up."""


class Answering:
    """Has a process that answers for a service, and another one where that ends.

    Parameters
    ----------
    service : Service
    listener : socket
        Where it is asked. It stays open here, so that who asks between two processes waits.
    command : sequence of str
        Starts the process; the numbers of two file descriptors follow, for `answering_desk`.
    """

    def __init__(self, service: Service, listener: socket.socket, command: Sequence[str]) -> None:
        self._service, self._listener, self._command = service, listener, command
        self._stopping = threading.Event()
        self._end: NearEnd | None = None
        self.process: subprocess.Popen[bytes] | None = None
        """The one that answers now."""

    def run(self) -> None:
        """Answer until this thread is interrupted, or another one says `stop`.

        Raises
        ------
        AnsweringError
            If the process ends before it asks anything, and no other one ever did.
        """
        failures, any_came_up = 0, False
        while True:
            began = time.monotonic()
            code, came_up = self._run_one()
            if self._stopping.is_set():
                return
            any_came_up = any_came_up or came_up
            failures = 0 if time.monotonic() - began > _WORKED_SECONDS else failures + 1
            if failures >= _FAILURES and not any_came_up:
                break
            log.error("the API process ended with exit code %s; starting another one", code)
            self._stopping.wait(min(_PAUSE_SECONDS * failures, _PAUSE_MOST))
        raise AnsweringError(
            f"The API process exits right after starting, with exit code {code}; its output is "
            "above."
        )

    def stop(self) -> None:
        """End; what is being answered may take a moment."""
        self._stopping.set()
        if self._end is not None:
            self._end.close()

    def _run_one(self) -> tuple[int, bool]:
        """Return the exit code of a process, and whether it has come up before."""
        mine, its = socket.socketpair()
        with mine, its:
            numbers = (self._listener.fileno(), its.fileno())
            process = self.process = subprocess.Popen(  # noqa: S603 - what the service itself says
                [*self._command, *map(str, numbers)], pass_fds=numbers, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
            its.close()  # or nobody notices here that the process has ended
            end = self._end = NearEnd(mine, self._service)
            try:
                return process.wait(), end.was_asked
            finally:
                end.close()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_END_SECONDS)
                process.kill()
                process.wait()


def answering_desk(line: int, gone: Callable[[], None]) -> Desk:
    """Return the desk of the process that `Answering` has started.

    Parameters
    ----------
    line : int
        The second file descriptor that the process was given.
    gone : callable
        Called in its own thread when the service has ended; nobody can be answered then.
    """
    runner = FarRunner(Connection(line), gone)
    root, limits = runner.surroundings()
    desk = Desk(root, Ledger(root / "ledger.sqlite"), limits, runner)
    # Left by a process that was killed: only this process receives uploads.
    desk.data_sets.remove_leftovers()
    return desk
