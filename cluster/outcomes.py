"""How a task goes: it is running, it has finished, or it was lost."""

import traceback
from dataclasses import dataclass
from typing import Any, Self

_LONGEST = 300


@dataclass(frozen=True)
class Running:
    """A task that has begun and not ended.

    Attributes
    ----------
    key : hashable
        The key that it was submitted under.
    seconds : float
        How long it has run at least.
    address : str
        The address of the machine that it runs on.
    node : str
        That machine, as `Executor.submit` takes it.
    """

    key: Any
    seconds: float
    address: str
    node: str


@dataclass(frozen=True)
class Finished:
    """A task that returned.

    Attributes
    ----------
    key : hashable
        The key that it was submitted under.
    value : object
        The value that its function returned; arrays in it may be read-only.
    node : str
        The address of the machine that it ran on.
    """

    key: Any
    value: Any
    node: str


@dataclass(frozen=True)
class Lost:
    """A task that ended without a value, by trouble of its worker or its machine.

    It may be submitted again: elsewhere, or later, it may go well.

    Attributes
    ----------
    key : hashable
        The key that it was submitted under.
    reason : str
        One line on what happened and where, for the log and the terminal.
    node : str or None
        The machine, as `Executor.submit` takes it; None where nobody knows.
    details : str
        More about it for the log, such as a traceback; often empty.
    """

    key: Any
    reason: str
    node: str | None = None
    details: str = ""


@dataclass(frozen=True)
class Trouble:
    """An exception that is not for the user, in words: not every one can be sent.

    Attributes
    ----------
    reason : str
        One line on it, as of `Lost`.
    details : str
        Its traceback.
    """

    reason: str
    details: str

    @classmethod
    def of(cls, error: Exception, address: str) -> Self:
        """Return the trouble that an exception is, on the machine with this address."""
        return cls(reason_of(error, address), "".join(traceback.format_exception(error)))


def reason_of(error: BaseException, address: str | None) -> str:
    """Return the first sentence of an error, and where it has happened.

    >>> reason_of(OSError(28, "No space left on device"), "10.0.0.7")
    'OSError: [Errno 28] No space left on device (on 10.0.0.7)'
    """
    lines = str(error).strip().splitlines() or [""]
    sentence = lines[0].partition(". ")[0].rstrip(".")
    text = f"{type(error).__name__}: {sentence}" if sentence else type(error).__name__
    where = f" (on {address})" if address else ""
    return text[:_LONGEST] + where
