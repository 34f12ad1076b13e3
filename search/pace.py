"""How fast something grows, by what was counted lately."""

import time
from collections import deque
from collections.abc import Callable

# Long enough to even out links that end together, short enough to show a change.
WINDOW_SECONDS = 60.0


class Pace:
    """Remembers for a while how much had been counted when.

    Parameters
    ----------
    clock : callable, optional
        Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._sums = clock, (0.0, 0.0, 0.0)
        self._past = deque([(clock(), self._sums)])

    def add(self, trials: int = 0, flops: float = 0.0, compute_s: float = 0.0) -> None:
        """Count something."""
        before = self._sums
        self._sums = (before[0] + trials, before[1] + flops, before[2] + compute_s)
        self._past.append((self._clock(), self._sums))

    @property
    def trials_per_second(self) -> float:
        """Trials in the window by its length."""
        seconds, trials, _, _ = self._window()
        return trials / seconds if seconds > 0 else 0.0

    @property
    def gflops(self) -> float:
        """Arithmetic in the window by the compute time that it took."""
        _, _, flops, compute_s = self._window()
        return flops / 1e9 / compute_s if compute_s > 0 else 0.0

    def _window(self) -> tuple[float, float, float, float]:
        """Return the seconds since the window began, and what was counted in them."""
        now, past = self._clock(), self._past
        while len(past) > 1 and past[1][0] <= now - WINDOW_SECONDS:
            past.popleft()
        began, sums = past[0]
        trials, flops, compute_s = (new - old for new, old in zip(self._sums, sums, strict=True))
        return now - began, trials, flops, compute_s
