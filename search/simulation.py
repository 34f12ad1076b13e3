"""Running a schedule without doing its work: for predictions and for sizes beyond the machine."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from search.links import Link
from search.schedule import Schedule


@dataclass(frozen=True)
class Simulated:
    """How a schedule ran.

    Attributes
    ----------
    makespan : float
        Seconds from the first link's start to the last one's end.
    busy : float
        Fraction of the workers' time in which they worked.
    driver : float
        Fraction of the time in which the driver was handling links.
    """

    makespan: float
    busy: float
    driver: float


def simulate(
    chains: Iterable[Sequence[Link]],
    workers: int,
    *,
    transfer: float = 0.0,
    handling: float = 0.0,
) -> Simulated:
    """Run the links of a plan on idle workers in the order of the schedule.

    A discrete-event simulation: a worker takes a link's seconds and the
    transfers, and the driver handles one finished link after the other before
    it hands out new ones.

    Parameters
    ----------
    chains : iterable of sequence of Link
    workers : int
    transfer : float
        Seconds for which a state is on its way, there and back.
    handling : float
        Seconds of the driver for one link: submitting it and logging its result.
    """
    schedule = Schedule(chains)
    running: list[tuple[float, int, Link]] = []
    driver_free = worked = handled = 0.0
    count = 0
    while len(schedule) or running:
        while len(schedule) and len(running) < workers:
            link = schedule.pop()
            count += 1
            heapq.heappush(running, (driver_free + transfer + link.seconds, count, link))
            worked += link.seconds
        ended, _, link = heapq.heappop(running)
        driver_free = max(ended, driver_free) + handling
        handled += handling
        schedule.done(link)
    makespan = driver_free or 1.0
    return Simulated(driver_free, worked / makespan / workers, handled / makespan)
