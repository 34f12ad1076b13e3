"""The rows of which a decision is made."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """Someone whose sweeps share the cluster with others'.

    Attributes
    ----------
    name : str
    weight : float
        Someone with twice the weight gets twice the cores while both have links to run; positive.
    use : float
        Core-seconds of the past, decayed until now; see `search.queue.use`. A link is counted in
        full when it starts.
    """

    name: str
    weight: float = 1.0
    use: float = 0.0


@dataclass(frozen=True)
class Queue:
    """What sweeps are submitted to.

    Attributes
    ----------
    name : str
    cores : float
        Those that are its own, whenever it has links to run. Others borrow them meanwhile.
    most : float
        Cores that it has at a time at most, borrowed ones among them.
    """

    name: str
    cores: float = 0.0
    most: float = math.inf


@dataclass(frozen=True)
class Sweep:
    """A sweep that has links to run.

    Attributes
    ----------
    name : str
        A unique name.
    person, queue : str
        Its owner, and the queue that it was submitted to.
    place : int
        The number of its submission; no two have the same.
    priority : int
        A higher one comes first.
    links : int
        Those that could run now.
    cores : float
        What each of them takes; positive.
    seconds : float
        What each of them should take.
    """

    name: str
    person: str
    queue: str
    place: int
    priority: int = 0
    links: int = 1
    cores: float = 1.0
    seconds: float = 1.0


@dataclass(frozen=True)
class Lease:
    """A link that runs, or that a worker may still be running.

    Attributes
    ----------
    sweep, queue : str
        The sweep that has it, and the queue that it was taken from.
    cores : float
    """

    sweep: str
    queue: str
    cores: float = 1.0


@dataclass(frozen=True)
class Snapshot:
    """All that a decision depends on; the order of the rows has no part in it.

    Attributes
    ----------
    cores : float
        Cores of the cluster, busy ones among them.
    people : tuple of Person
    queues : tuple of Queue
    sweeps : tuple of Sweep
    leases : tuple of Lease
        What of the cores and the quotas is in use is their sum, and is kept nowhere else.
    """

    cores: float
    people: tuple[Person, ...]
    queues: tuple[Queue, ...]
    sweeps: tuple[Sweep, ...]
    leases: tuple[Lease, ...] = ()
