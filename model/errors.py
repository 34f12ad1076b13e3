"""The root of the project's exceptions, and those that data can raise."""


class PacksweepError(Exception):
    """Something went wrong that the user can understand and fix.

    The message names the value, the rule that it breaks and the way out. The
    command line prints it without a traceback and leaves with `exit_code`.
    """

    exit_code = 1


class UsageError(PacksweepError):
    """A mistake in the input or the usage: nothing was started."""

    exit_code = 2


class DataError(UsageError):
    """A data set cannot be read, or holds what it must not."""


class TrainerError(UsageError):
    """A trainer cannot be found, imported or used as one."""


class MissingProductsError(UsageError):
    """A machine lacks the library that multiplies as is asked for."""


LONGEST = 2000
"""Characters of what is told of an error in code that is not this project's."""


def told(error: BaseException) -> str:
    """Return the kind and the text of an error that anybody's code may have raised.

    The text may have any length, and would stand in logs, answers and on terminals.

    Examples
    --------
    >>> told(ValueError("a rate is at most 100"))
    'ValueError: a rate is at most 100'
    >>> len(told(ValueError("x" * 10_000_000))) < 2100
    True
    """
    return f"{type(error).__name__}: {cut(str(error))}"


def cut(text: str) -> str:
    """Return the beginning of a text of any length, with its length where it is too long."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ... ({len(text)} characters)"
