"""The line between the process that runs sweeps and the one that answers people."""

import itertools
import logging
import os
import pickle
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from model.errors import PacksweepError, told
from search.errors import StoreError
from search.ledger import Caller
from search.service.board import Board
from search.service.errors import LineError
from search.service.limits import Limits
from search.service.service import Service

log = logging.getLogger(__name__)

# How often the board is looked at, and sent where it is another one.
_LOOK_SECONDS = 0.1

# What is sent: whoever answers asks (number, method, arguments) and is answered
# (number, value, error); the board comes by itself, under no number.
_BOARD = None


class NearEnd:
    """Lets another process ask the service of this one, and tells it how what is open goes.

    Parameters
    ----------
    end : socket
        One of a pair of sockets.
    runner : Service
    """

    def __init__(self, end: socket.socket, runner: Service) -> None:
        self._end, self._runner = end, runner
        self._connection = Connection(os.dup(end.fileno()))
        self._sending = threading.Lock()
        self._closed = threading.Event()
        self.was_asked = False
        """Whether the other process has come up: it asks for its surroundings then."""
        self._threads = [
            threading.Thread(target=act, name="line", daemon=True)
            for act in (self._answer, self._show)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Hang up: the other process ends then."""
        self._closed.set()
        with suppress(OSError):  # the other one has hung up before
            self._end.shutdown(socket.SHUT_RDWR)  # which wakes whoever reads, as closing does not
        for thread in self._threads:
            thread.join()
        self._connection.close()

    def _answer(self) -> None:
        while True:
            try:
                number, method, args = self._connection.recv()
            except (OSError, EOFError):
                self._closed.set()
                return
            except Exception:  # whoever asks so is hung up on, and ends
                log.exception("a request of the API process cannot be read")
                self._closed.set()
                with suppress(OSError):
                    self._end.shutdown(socket.SHUT_RDWR)
                return
            self.was_asked = True
            if method == "wake":
                self._runner.wake(*args)
            else:  # what may take long, so that nobody waits for it who wakes
                named = (number, method, args)
                threading.Thread(target=self._do, args=named, name="line", daemon=True).start()

    def _do(self, number: int, method: str, args: tuple[Any, ...]) -> None:
        try:
            value = getattr(self._runner, method)(*args)
            pickle.dumps(value)  # what cannot be sent has failed too
        except Exception as error:  # for whoever has asked
            self._send((number, None, _as_sent(error)))
        else:
            self._send((number, value, None))

    def _show(self) -> None:
        before: Board | None = None
        while not self._closed.wait(_LOOK_SECONDS if before else 0.0):
            try:
                now = self._runner.board()
            except Exception:  # the next look comes soon
                log.exception("the board cannot be looked at")
                continue
            if before is None or now.version != before.version:
                self._send((_BOARD, now, None))
                before = now

    def _send(self, message: tuple[Any, ...]) -> None:
        try:
            with self._sending:
                self._connection.send(message)
        except (OSError, ValueError):
            self._closed.set()  # the other one is gone, and asks again when it comes back


def _as_sent(error: Exception) -> Exception:
    """Return an error that arrives: one of ours as it is, where it does, and else its text."""
    if isinstance(error, PacksweepError | KeyError):
        with suppress(Exception):
            if type(pickle.loads(pickle.dumps(error))) is type(error):  # noqa: S301 - it is ours
                return error
    else:
        log.error("a request to the service has failed", exc_info=error)
    return StoreError(str(error) if isinstance(error, PacksweepError) else told(error))


class FarRunner:
    """A `Runner` in another process.

    Parameters
    ----------
    connection : Connection
    gone : callable
        Called when the other process has hung up, or is gone.
    """

    def __init__(self, connection: Connection, gone: Callable[[], None]) -> None:
        self._connection, self._gone = connection, gone
        self._sending = threading.Lock()
        self._numbers = itertools.count(1)
        # What was asked and is not answered, by its number; changed while sending is held.
        self._asked: dict[int, Future[Any]] = {}
        self._board: Future[Board] = Future()
        threading.Thread(target=self._listen, name="line", daemon=True).start()

    def board(self) -> Board:
        """Return how what is open goes; what has just happened may be missing."""
        return self._board.result()

    def wake(self, sweep: str | None = None) -> None:
        """Take notice that the ledger has changed; a sweep that was held up is tried at once."""
        self._send(0, "wake", (sweep,))

    def remove(self, caller: Caller, sweep: str) -> int:
        """Delete a sweep with its files; see `Service.remove`."""
        return int(self._ask("remove", (caller, sweep)))

    def _ask(self, method: str, args: tuple[Any, ...]) -> Any:
        answer: Future[Any] = Future()
        number = next(self._numbers)
        with self._sending:
            self._asked[number] = answer
        self._send(number, method, args)
        return answer.result()

    def surroundings(self) -> tuple[Path, Limits]:
        """Return the folder of the service and its limits."""
        found: tuple[Path, Limits] = self._ask("surroundings", ())
        return found

    def _send(self, number: int, method: str, args: tuple[Any, ...]) -> None:
        try:
            with self._sending:
                self._connection.send((number, method, args))
        except (OSError, ValueError) as error:
            raise LineError from error

    def _listen(self) -> None:
        try:
            while True:
                self._take(*self._connection.recv())
        except (OSError, EOFError):
            pass
        except Exception:  # what comes after it cannot be believed
            log.exception("the answer of the service cannot be read")
        with self._sending:
            self._connection.close()  # so that nobody asks any more
            for answer in self._asked.values():
                answer.set_exception(LineError())
        if not self._board.done():
            self._board.set_exception(LineError())
        self._gone()

    def _take(self, number: int | None, value: Any, error: Exception | None) -> None:
        if number is _BOARD:
            found: Future[Board] = Future()
            found.set_result(value)
            before, self._board = self._board, found
            if not before.done():
                before.set_result(value)
            return
        with self._sending:
            answer = self._asked.pop(number)
        if error is None:
            answer.set_result(value)
        else:
            answer.set_exception(error)
