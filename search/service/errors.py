"""What a service refuses: each of these arrives over the line as what it is."""

from typing import Any

from model.errors import UsageError
from search.errors import StoreError


class ForbiddenError(UsageError):
    """Somebody asks for what the token does not allow.

    Parameters
    ----------
    message : str
    verb, target : str
        What was asked, for the audit.
    """

    def __init__(self, message: str, verb: str, target: str) -> None:
        super().__init__(message)
        self.verb, self.target = verb, target

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes it again where it arrives."""
        return type(self), (*self.args, self.verb, self.target)


class LineError(StoreError):
    """The process that runs the sweeps does not hear; it may be ending."""

    def __init__(self) -> None:
        super().__init__("The service is ending, or only just starting. Ask again in a moment.")

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes it again where it arrives."""
        return type(self), ()
