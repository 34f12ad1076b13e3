"""What is known of a trainer after its checks."""

from dataclasses import dataclass, field

IT_TRAINS, IN_TIME = "it trains, and is scored", "time does not grow"
"""Checks whose failure makes no wrong results: failed rows, or a long sweep."""


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    Attributes
    ----------
    check : str
        The tested promise, in a few words.
    passed : bool or None
        None where it could not be tried.
    message : str
        What is wrong and what to do about it; why nothing was tried.
    seconds : float
        How long it took.
    """

    check: str
    passed: bool | None
    message: str = ""
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class CheckReport:
    """What is known of a trainer after its checks.

    Attributes
    ----------
    trainer, version : str
    findings : tuple of Finding
    epoch_s : float
        Seconds of an epoch on the rows of the check.
    state_bytes : int
        Size of a state, written down.
    epochs : int
        Epochs that were trained for each check.
    limits : str
        Why these are fewer than usual, and what that leaves open; empty where they are not.
    """

    trainer: str
    version: str
    findings: tuple[Finding, ...]
    epoch_s: float
    state_bytes: int
    epochs: int = 0
    limits: str = ""

    @property
    def failures(self) -> list[Finding]:
        """The checks that have failed."""
        return [found for found in self.findings if found.passed is False]

    @property
    def broken(self) -> list[Finding]:
        """The failures that would make results wrong; the others make failed rows, or take time."""
        return [found for found in self.failures if found.check not in (IT_TRAINS, IN_TIME)]


class BrokenPromiseError(Exception):
    """A check that has failed; its text is the finding's message."""
