"""The root of the project's exceptions, and those that data can raise."""


class PacksweepError(Exception):
    """Something went wrong that the user can understand and mend.

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
