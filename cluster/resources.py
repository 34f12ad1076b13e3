"""The resources of a machine that a task needs, as Ray counts them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Resources:
    """What a machine keeps free for each task that runs there.

    Attributes
    ----------
    cpus : float
        Cores; a part of one lets several tasks share it.
    gpus : float
        GPUs; a part of one likewise, more than one in whole numbers.
    memory : int
        Bytes. A machine gets no more tasks than have room; nothing holds a task to it.

    Examples
    --------
    >>> Resources(cpus=4, gpus=0.5).fit({"CPU": 9.0, "GPU": 1.0})
    2
    """

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int = 0

    @property
    def threads(self) -> int:
        """Threads in which a task computes: its cores, and one at least."""
        return max(1, int(self.cpus))

    def fit(self, there: Mapping[str, Any]) -> int:
        """Return how many tasks a machine can hold, of which Ray says that it has this."""
        wanted = {"CPU": self.cpus, "GPU": self.gpus, "memory": self.memory}
        # A rounding less is enough: ten tasks of 0.1 fill a core.
        return min(int(float(there.get(k, 0)) / v + 1e-9) for k, v in wanted.items() if v)

    def __str__(self) -> str:
        parts = [f"{self.cpus:g} {'core' if self.cpus == 1 else 'cores'}"]
        if self.gpus:
            parts.append(f"{self.gpus:g} {'GPU' if self.gpus == 1 else 'GPUs'}")
        if self.memory:
            parts.append(f"{self.memory / 2**30:.3g} GiB of memory")
        return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]


ONE_CORE = Resources()
"""The resources of a task by default."""
