"""Services for tests: a cluster that is this process, people with tokens, and grids of moments."""

import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cluster.executor import SerialExecutor
from search.ledger import Caller, Ledger, Submission
from search.service import Board, Desk, Limits, Request, Service

GRID = {
    "dataset": "digits",
    "space": {
        "batch_size": [64, 256],
        "learning_rate": [1e-6, 5e-6],
        "epochs": [2, 4],
        "alpha": [0.1, 10.0],
    },
}
ENDED = ("done", "failed", "cancelled")


def grid(**space):
    """Return the grid with other values of some hyperparameters."""
    return {**GRID, "space": {**GRID["space"], **space}}


class Gate(SerialExecutor):
    """A cluster of one core that runs a task only when a test lets it.

    Attributes
    ----------
    names : list
        What has started, in that order.
    allowed : int or None
        How many more tasks may end; None for all.
    """

    def __init__(self, allowed=None):
        super().__init__()
        self.names, self.allowed = [], allowed

    def submit(self, key, name, function, *args, **options):
        self.names.append(name)
        super().submit(key, name, function, *args, **options)

    def wait(self, timeout):
        if self.allowed is not None and self.allowed <= 0:
            time.sleep(min(timeout, 0.01))
            return []
        ended = super().wait(timeout)
        if self.allowed is not None:
            self.allowed -= len(ended)
        return ended


@dataclass
class Served:
    """A service that runs, and who may ask it.

    Attributes
    ----------
    service : Service
    desk : Desk
    people : dict of str to Caller
    """

    service: Service
    desk: Desk
    people: dict[str, Caller] = field(default_factory=dict)

    def person(self, name, role="submitter"):
        """Return somebody who has a token."""
        if name not in self.people:
            people = self.service.ledger.people
            self.people[name] = people.caller(people.add_token(name, role))
        return self.people[name]

    def submit(self, who="ann", key=None, **request):
        """Submit a sweep in somebody's name; return its identity."""
        asked = Request(**{"grid": GRID, **request})
        return self.desk.submit(self.person(who), asked, key)[0].id

    def see(self, sweep):
        """Return a sweep as people see it."""
        return self.desk.see(self.service.ledger.sweeps.get(sweep))

    def until(self, sweep, *states, seconds=240.0):
        """Wait until a sweep is in one of some states; return it."""
        return wait_for(lambda: (s := self.see(sweep)).state in states and s, seconds)

    def ended(self, sweep):
        """Wait until a sweep has ended; return it."""
        return self.until(sweep, *ENDED)

    def folder(self, sweep):
        """Return the run folder of a sweep."""
        return Path(self.service.ledger.sweeps.get(sweep).folder)


def wait_for(look, seconds=240.0, pause=0.01):
    """Return what a look gives, once that is true of it; how soon says how busy the machine is."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it has not come"
        time.sleep(pause)
    return found


@contextmanager
def serving(root, executor=SerialExecutor, **limits):
    """Give a service that runs, and that is stopped in the end."""
    service = Service(root, executor, Limits(**limits))
    desk = Desk(root, service.ledger, service.limits, service)
    service.start()
    try:
        yield Served(service, desk)
    finally:
        service.stop()


class Still:
    """A runner that runs nothing: its board is what a test says.

    Attributes
    ----------
    shown : Board
    removed : list of str
        The sweeps that it was told to delete.
    """

    def __init__(self):
        self.shown, self.removed = Board(), []

    def board(self):
        return self.shown

    def wake(self, sweep=None):
        """Notice nothing."""

    def remove(self, caller, sweep):
        self.removed.append(sweep)
        return 0


@contextmanager
def still(root, **limits):
    """Give a service in which nothing runs, as `Served`; its service has a ledger alone."""
    ledger, runner = Ledger(root / "ledger.sqlite"), Still()
    runner.ledger = ledger
    desk = Desk(root, ledger, Limits(**limits), runner)
    try:
        yield Served(runner, desk)
    finally:
        ledger.close()


def written(served, who="ann", **more):
    """Write a sweep down that was never checked; return its identity."""
    served.person(who)
    row, _ = served.service.ledger.sweeps.submit(Submission(**{
        "person": who, "queue": "all", "priority": 0, "name": "grid", "settings": {"seed": 1},
        "options": {"refits": 1}, "dataset": {"fingerprint": "f", "name": "d", "named": "d"},
        "total": 8, "folder": lambda sweep: f"/nowhere/{sweep}", "request_digest": b"1",
    } | more))  # fmt: skip
    return row.id


class Clock:
    """Seconds as a test says."""

    def __init__(self, now=1e9):
        self.now = now

    def __call__(self):
        return self.now


def in_threads(count, act):
    """Call something in many threads at once; return what each call has returned or raised."""
    results, start = deque(), threading.Barrier(count)

    def run(number):
        start.wait()
        try:
            results.append(act(number))
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return list(results)
