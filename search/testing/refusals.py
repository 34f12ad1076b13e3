"""Expected exceptions, for suites that do not import a test library."""

from collections.abc import Callable
from typing import TypeVar

E = TypeVar("E", bound=BaseException)


def raised(kind: type[E], call: Callable[[], object]) -> E:
    """Return the exception that a call raises.

    Parameters
    ----------
    kind : type
        What it must be; any other passes.
    call : callable

    Raises
    ------
    AssertionError
        If the call raises nothing.
    """
    try:
        found = call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}: it has returned {found!r:.200}")
