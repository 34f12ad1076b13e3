"""Whether a sweep waits for another one, which trains some of its trials anyway."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Overlap:
    """What a sweep that has not begun has in common with one that is at work.

    Attributes
    ----------
    mine, theirs : int
        Trials of each.
    shared : int
        Trials of both.
    finished : int
        Trials that the other one has in its log, a part of the shared ones among them.
    """

    mine: int
    theirs: int
    shared: int
    finished: int


def ends_sooner_by_waiting(overlap: Overlap) -> bool:
    """Whether a sweep that waits for the other one, and then trains the rest, ends sooner.

    Beside each other each has half of the cluster until one ends, and the shared trials are trained
    twice. Trials are counted as equally long, and those of the other one as finished evenly: this
    decides when something starts, never what comes out. What is worth it stays so while the other
    one goes on.

    Examples
    --------
    >>> ends_sooner_by_waiting(Overlap(mine=100, theirs=100, shared=75, finished=0))
    True
    >>> ends_sooner_by_waiting(Overlap(mine=4, theirs=4096, shared=4, finished=0))
    False
    """
    left = overlap.theirs - overlap.finished
    shared_left = overlap.shared * left / overlap.theirs
    mine_left = overlap.mine - (overlap.shared - shared_left)
    return left + mine_left - shared_left < mine_left + min(left, mine_left)
