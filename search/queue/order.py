"""Which sweeps start their next links, and why the others wait."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from search.queue.rows import Queue, Snapshot, Sweep

# Cores are sums of parts: a rounding less is enough.
_ROUNDING = 1e-9


@dataclass(frozen=True, order=True)
class Rank:
    """The place of a sweep's next link in the order, factor by factor; the least is next.

    Attributes
    ----------
    borrows : bool
        Whether it takes more than the cores that are its queue's own.
    after : int
        Minus its priority.
    share : float
        Core-seconds that its person has used, by weight.
    place : int
        The number of its submission.
    """

    borrows: bool
    after: int
    share: float
    place: int


@dataclass(frozen=True)
class Start:
    """A sweep that may start one link more.

    Attributes
    ----------
    sweep : str
    rank : Rank
        Why it is this one.
    """

    sweep: str
    rank: Rank


@dataclass(frozen=True)
class Wait:
    """A sweep some of whose links wait.

    Attributes
    ----------
    sweep : str
    position : int
        Its place in the order, from 1.
    reason : str
        Why it has no more links under way, for people.
    rank : Rank
    """

    sweep: str
    position: int
    reason: str
    rank: Rank


@dataclass(frozen=True)
class Decision:
    """What is done now. Nothing that runs is ended for it.

    Attributes
    ----------
    starts : tuple of Start
        In their order; a sweep has one for each link.
    waits : tuple of Wait
    """

    starts: tuple[Start, ...]
    waits: tuple[Wait, ...]


def decide(snapshot: Snapshot) -> Decision:
    """Return which links start, until no more fit or none is left.

    A queue's own cores go to it first, then higher priorities, then people who have used less of
    their share, then what was submitted first. The first in this order that may run and does not
    fit is waited for: what needs many cores is not overtaken for ever by what needs few. Applied,
    a decision leaves nothing to decide until something happens: a link ends, a sweep comes.

    Examples
    --------
    >>> people = (Person("ann", use=5.0), Person("bob"))
    >>> sweeps = (Sweep("a", "ann", "all", 1, links=3), Sweep("b", "bob", "all", 2, links=3))
    >>> decision = decide(Snapshot(2, people, (Queue("all"),), sweeps))
    >>> [start.sweep for start in decision.starts]
    ['b', 'b']
    >>> decision.waits[1].reason
    'all 2 cores are at work, and b is before it: bob has used less of the share'
    """
    table = _Table(snapshot)
    starts: list[Start] = []
    while (first := table.first()) and table.fits(first):
        starts.append(Start(first.name, table.rank(first)))
        table.start(first)
    return Decision(tuple(starts), tuple(_waits(table)))


class _Table:
    """A snapshot in which links are started."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.cores = snapshot.cores
        self.people = {person.name: person for person in snapshot.people}
        self.queues = {queue.name: queue for queue in snapshot.queues}
        self.sweeps = {sweep.name: sweep for sweep in snapshot.sweeps if sweep.links > 0}
        self.used: dict[str, float] = dict.fromkeys(self.queues, 0.0)
        for lease in snapshot.leases:
            self.used[lease.queue] = self.used.get(lease.queue, 0.0) + lease.cores

    @property
    def free(self) -> float:
        """Cores that nobody uses."""
        return self.cores - sum(self.used.values())

    def rank(self, sweep: Sweep) -> Rank:
        """Return the rank of its next link."""
        person = self.people[sweep.person]
        borrows = self.used[sweep.queue] + sweep.cores > self._queue(sweep).cores + _ROUNDING
        return Rank(borrows, -sweep.priority, person.use / person.weight, sweep.place)

    def first(self) -> Sweep | None:
        """Return the sweep whose link is next, of those that may run at all."""
        return min(
            (s for s in self.sweeps.values() if self.may_run(s)), key=self.rank, default=None
        )

    def may_run(self, sweep: Sweep) -> bool:
        """Whether its queue lets it, and the cluster is large enough."""
        return not self.exceeds_cluster(sweep) and not self.exceeds_queue(sweep)

    def exceeds_cluster(self, sweep: Sweep) -> bool:
        return sweep.cores > self.cores + _ROUNDING

    def exceeds_queue(self, sweep: Sweep) -> bool:
        return self.used[sweep.queue] + sweep.cores > self._queue(sweep).most + _ROUNDING

    def fits(self, sweep: Sweep) -> bool:
        """Whether there are cores for its next link."""
        return sweep.cores <= self.free + _ROUNDING

    def start(self, sweep: Sweep) -> None:
        """Give it the cores of a link, and count them to its person at once."""
        self.used[sweep.queue] += sweep.cores
        person = self.people[sweep.person]
        use = person.use + sweep.cores * sweep.seconds
        self.people[person.name] = replace(person, use=use)
        if sweep.links > 1:
            self.sweeps[sweep.name] = replace(sweep, links=sweep.links - 1)
        else:
            del self.sweeps[sweep.name]

    def _queue(self, sweep: Sweep) -> Queue:
        return self.queues[sweep.queue]


def _waits(table: _Table) -> Iterator[Wait]:
    ordered = sorted(table.sweeps.values(), key=table.rank)
    able = [sweep for sweep in ordered if table.may_run(sweep)]
    for position, sweep in enumerate(ordered, start=1):
        yield Wait(sweep.name, position, _reason(table, sweep, able), table.rank(sweep))


def _reason(table: _Table, sweep: Sweep, able: list[Sweep]) -> str:
    """Say why a sweep has no more links under way."""
    cores = f"{sweep.cores:g}"
    if table.exceeds_cluster(sweep):
        return f"a link needs {cores} cores, and the cluster has {table.cores:g}"
    if table.exceeds_queue(sweep):
        most = table.queues[sweep.queue].most
        return f"the queue {sweep.queue} has {table.used[sweep.queue]:g} of the {most:g} cores " + (
            f"that it may have, and a link needs {cores}"
        )
    busy = (
        f"all {table.cores:g} cores are at work"
        if table.free < _ROUNDING
        else f"{table.free:g} of {table.cores:g} cores are free"
    )
    first = able[0]
    if first.name == sweep.name:
        return busy if table.free < _ROUNDING else f"{busy}, and a link needs {cores}"
    return f"{busy}, and {first.name} is before it: {_factor(table, first, sweep)}"


def _factor(table: _Table, first: Sweep, other: Sweep) -> str:
    """Say by which factor a sweep comes before another."""
    a, b = table.rank(first), table.rank(other)
    if a.borrows != b.borrows:
        return f"it has the cores of its own queue, {first.queue}"
    if a.after != b.after:
        return f"its priority is {first.priority}, not {other.priority}"
    if a.share != b.share:
        return f"{first.person} has used less of the share"
    return "it was submitted first"
