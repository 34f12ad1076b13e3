"""How often somebody may ask: a bucket of requests for each token, which fills steadily."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

# Tokens whose buckets are remembered; a full one is like one that was never seen.
_REMEMBERED = 10_000


@dataclass
class Rates:
    """Counts requests.

    Attributes
    ----------
    per_second : float
        Requests that somebody may send, in the long run.
    burst : int
        Requests at once.
    now : callable
        Returns seconds by a clock that nobody sets.

    Examples
    --------
    >>> time = [0.0]
    >>> rates = Rates(per_second=1.0, burst=2, now=lambda: time[0])
    >>> [rates.wait("ann") for _ in range(3)]
    [0.0, 0.0, 1.0]
    >>> time[0] = 1.0
    >>> rates.wait("ann")
    0.0
    """

    per_second: float
    burst: int
    now: Callable[[], float]
    # What is left of each bucket, and when that was counted.
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def wait(self, who: str) -> float:
        """Count a request; return the seconds after which it may come again, 0 where it may now."""
        now = self.now()
        left, at = self._left.pop(who, (float(self.burst), now))
        left = min(float(self.burst), left + (now - at) * self.per_second)
        wait = 0.0 if left >= 1 else (1 - left) / self.per_second
        self._left[who] = (left - 1 if not wait else left), now
        while len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)
        return wait
