"""The exceptions that a sweep can raise, next to those of the model."""

import contextlib
import logging
from collections.abc import Iterator

from model.errors import DataError, PacksweepError, UsageError

log = logging.getLogger(__name__)

INTERRUPTED = 130
"""Exit code of what Ctrl-C has ended."""


class ConfigError(UsageError):
    """A grid cannot be found or read, or its settings break a rule."""


class RunFolderError(UsageError):
    """A run folder does not fit the command: no run, another run, other settings."""


class LockedError(UsageError):
    """Another process is writing to the run folder."""


class StoreError(PacksweepError):
    """The trial log cannot be written, or what it holds cannot be trusted."""


class ObjectStoreError(StoreError, OSError):
    """An object store does not do what it was asked; nothing is known of its objects then.

    It is an error of the system, for those who use a store as they use a disk, with the reason
    in words as its `strerror`. Where nobody has a better message, its text is one.
    """

    def __str__(self) -> str:
        return (
            f"{self.filename} cannot be used: {self.strerror}. What was logged before is safe; "
            "give the same command to continue."
        )


@contextlib.contextmanager
def system_refusals(rest: str = "", *, logged: bool = False) -> Iterator[None]:
    """Say in one message that the system refuses something, where nobody has a better one.

    Whoever runs a sweep then takes it for trouble that may be gone another time.

    Parameters
    ----------
    rest : str
        What is said after it.
    logged : bool
        Whether where it happened goes to the log: only where that is a file, and no terminal.

    Raises
    ------
    StoreError
        In place of an error of the system.
    """
    try:
        yield
    except PacksweepError:
        raise
    except OSError as error:
        if error.errno is None:  # a library's own
            raise
        if logged:
            log.error("the system refuses something", exc_info=error)
        what = f"{error.filename} cannot be used" if error.filename else "The system refuses"
        raise StoreError(f"{what}: {error.strerror}. {rest}".rstrip()) from error


class InterruptedSweepError(PacksweepError):
    """The user or the system stopped the sweep; all that was done is on disk.

    Parameters
    ----------
    done : str
        What is done, as a sentence begins.
    command : str
        Command that continues; where it is left out, the same one does.
    """

    exit_code = INTERRUPTED

    def __init__(self, done: str = "", command: str = "") -> None:
        begun = f"Interrupted. {done}" if done else "Interrupted"
        way = f"continue with:\n  {command}" if command else "the same command continues."
        super().__init__(f"{begun}; {way}")


class OutputError(PacksweepError):
    """What a command has to say cannot be printed.

    Parameters
    ----------
    reason : str
        Why the system refuses.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The result cannot be printed: standard output cannot be written ({reason}). All that "
            "is on disk is whole; give the command again with another output."
        )


class ReaderGoneError(PacksweepError):
    """Whoever reads what a command prints has seen enough."""

    exit_code = 0


class SamplerError(PacksweepError):
    """A sampler could not propose trials."""


class NoResultError(PacksweepError):
    """The sweep is finished, and no trial of it has a result."""


class ArgumentError(ConfigError, ValueError):
    """An argument of a call from Python breaks a rule."""


class GivenDataError(DataError, ValueError):
    """The data of a call from Python cannot be used."""


class TableKindError(UsageError, ValueError):
    """A table is asked for in a form that there is not."""


class MissingLibraryError(UsageError, ImportError):
    """What was asked for needs a library that is not installed."""


class ModelFileError(UsageError):
    """The final model of a run cannot be written in the way that is asked for."""
