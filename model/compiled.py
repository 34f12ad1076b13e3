"""Compiles loops with numba, whose cache may be absent, full or damaged.

Users of a loop import its module where it is used: numba takes a quarter of a second to import,
and a look at a run, a plan or a message goes without.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from model.errors import PacksweepError

try:
    from numba import njit
    from numba.core import caching
except ValueError as error:  # of its own setting, such as NUMBA_NUM_THREADS=0
    raise PacksweepError(
        f"numba, which compiles the loops, does not start: {error} Its settings are the variables "
        "NUMBA_... in the environment; unset them, and give the same command."
    ) from error

__all__ = ["compiled", "njit"]

_FunctionCache: Any = caching.FunctionCache  # without types


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator as `numba.njit` with ``cache=True``, for which no cache is a failure.

    Parameters
    ----------
    **options
        As for `numba.njit`.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        loop = njit(**options)(function)
        # Neither our folder nor the user's takes files: each process compiles for itself.
        with suppress(RuntimeError, OSError):
            loop._cache = _Cache(function)
        return loop

    return decorate


class _Cache(_FunctionCache):  # type: ignore[misc]
    """Numba's cache, whose faults are a cache that holds nothing."""

    def load_overload(self, *args: Any) -> Any:
        """Return what is kept, or None where that cannot be read."""
        with suppress(Exception):  # what unpickling damaged bytes may raise is anything
            return super().load_overload(*args)
        return None

    def save_overload(self, *args: Any) -> None:
        """Keep what was compiled, over an index that cannot be read too."""
        try:
            super().save_overload(*args)
        except Exception:  # as above, or the disk's
            with suppress(Exception):
                self.flush()
                super().save_overload(*args)
