"""How much of the processors may go into answers while a sweep is trained, and whose they were."""

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

SHARE = 0.02
"""The part of this machine's processors that answers may have in the long run."""

BURST_SECONDS = 1.0
"""Processor seconds that may be used at once, by a token that has used little before."""

AT_ONCE_SECONDS = 0.1
"""Processor seconds that a token may owe without waiting, whatever others have used."""


def processors() -> int:
    """Return the number of processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # no Linux
        return os.cpu_count() or 1


@dataclass(frozen=True)
class Account:
    """The token that pays for requests of a kind.

    Attributes
    ----------
    who : str
        A token, or an address without one.
    kind : str
        The kind of its requests: one kind does not wait for what another has used.
    """

    who: str
    kind: str = ""


_NOBODY = Account("")
"""Pays for what is used while no request is worked on. It owes no more than can be saved: as it
never waits, more would only make others wait longer."""


@dataclass
class Allowance:
    """Counts the processor seconds of this process against what it may have, by who used them.

    What has been used is paid of what was saved. What is left then is owed by those whose requests
    were being worked on meanwhile, in equal parts. What comes in is shared equally by all who owe
    something, and saved where nobody does. So nobody waits for what another has used. Nothing that
    a request has used is forgiven while the processors are needed: all requests together have had
    no more than what was saved at first, what has come in, and what is still owed.

    Attributes
    ----------
    share : float
        Processor seconds for each second.
    burst : float
        Those that may be saved.
    is_needed : callable
        Whether the processors are needed for something else; all is allowed where they are not.
    used : callable
        Returns the processor seconds that this process has had.
    now : callable
        Returns seconds by a clock that nobody sets.

    Examples
    --------
    >>> used, time = [0.0], [0.0]
    >>> allowance = Allowance(0.1, 1.0, lambda: True, lambda: used[0], lambda: time[0])
    >>> ann, bob = Account("ann"), Account("bob")
    >>> allowance.enter(ann)
    >>> used[0] = 1.6
    >>> allowance.leave(ann)
    >>> allowance.wait(ann), allowance.wait(bob)
    (5.0, 0.0)
    >>> time[0] = 5.0
    >>> allowance.wait(ann)
    0.0
    """

    share: float
    burst: float
    is_needed: Callable[[], bool]
    used: Callable[[], float] = time.process_time
    now: Callable[[], float] = time.monotonic
    # As it was last counted: what is saved, which is 0 where somebody has come to owe something
    # since; what is owed, more than 0 each; and how many requests of whom are worked on.
    _saved: float = field(init=False)
    _owed: dict[Account, float] = field(init=False, default_factory=dict)
    _inside: Counter[Account] = field(init=False, default_factory=Counter)
    _counted: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        self._saved, self._counted = self.burst, (self.used(), self.now())

    def enter(self, account: Account) -> None:
        """Take notice that a request is worked on from now on."""
        self._count()
        self._inside[account] += 1

    def leave(self, account: Account) -> None:
        """Take notice that it no longer is: it is answered, or waits for the reader."""
        self._count()
        self._inside[account] -= 1
        self._inside += Counter()  # forget who has none

    def owes(self, account: Account) -> bool:
        """Return whether somebody has used more than what has come in since."""
        self._count()
        return account in self._owed

    def wait(self, account: Account) -> float:
        """Return the seconds until somebody owes so little that the next request may come."""
        self._count()
        over = self._owed.get(account, 0.0) - AT_ONCE_SECONDS
        if over <= 1e-9:  # what rounding leaves is nothing
            return 0.0
        return sum(min(over, owed) for owed in self._owed.values()) / self.share

    @property
    def is_short(self) -> bool:
        """Whether more was used than there is."""
        self._count()
        return not self._saved

    def _count(self) -> None:
        (used_before, before), (used, now) = self._counted, (self.used(), self.now())
        self._counted = used, now
        if not self.is_needed():
            self._saved = self.burst
            self._owed.clear()
            return
        left = self._pay((now - before) * self.share)
        self._saved = min(self.burst, self._saved + left)
        spent = used - used_before
        self._saved, spent = max(0.0, self._saved - spent), max(0.0, spent - self._saved)
        if spent:
            self._charge(spent)

    def _charge(self, spent: float) -> None:
        inside = self._inside or {_NOBODY: 1}
        each = spent / sum(inside.values())
        for account, count in inside.items():
            self._owed[account] = self._owed.get(account, 0.0) + count * each
        if _NOBODY in self._owed:
            self._owed[_NOBODY] = min(self.burst, self._owed[_NOBODY])

    def _pay(self, income: float) -> float:
        """Share what has come in by those who owe something; return what nobody needs."""
        waiting = sorted(self._owed.items(), key=lambda item: item[1])
        for done, (account, owed) in enumerate(waiting):
            part = income / (len(waiting) - done)
            if part < owed:
                self._owed[account] -= part
                income -= part
            else:
                del self._owed[account]
                income -= owed
        return max(0.0, income)
