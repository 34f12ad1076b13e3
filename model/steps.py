"""Long calculations in steps: the caller may check between two of them, and leave.

A calculation is a generator that yields nothing and returns its result.
"""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]
"""A calculation whose result is of the type T."""


def run_to_end(steps: Steps[T]) -> T:
    """Take all steps of a calculation, and return its result.

    >>> def three():
    ...     yield
    ...     return 3
    >>> run_to_end(three())
    3
    """
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
