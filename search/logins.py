"""Logins in addresses, such as ``s3://KEY:SECRET@bucket``: shown to nobody, wherever text goes."""

import re
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from types import TracebackType

# A secret may hold any character, so what is before the last @ counts as the login.
# A path has one slash in place of two.
_LOGIN = r"(?<=:/)(/?){any}*:{any}*@"
_OPTION = r"(?i)(?<=[?&;])([\w.-]*(?:password|passwd|pwd|secret|token|key)[\w.-]*=)[^&\s'\"]+"
_IN_TEXT = re.compile(_LOGIN.format(any=r"[^\s]"))
_AS_VALUE = re.compile(_LOGIN.format(any=r"[\s\S]"))
_IN_OPTION = re.compile(_OPTION)

# Which of the fields of /proc/self/stat behind the process's name say where its arguments are.
_ARGUMENTS = slice(45, 47)


def without_logins(text: str) -> str:
    """Return a text with stars for the logins of the addresses in it."""
    return _IN_OPTION.sub(r"\1***", _IN_TEXT.sub(r"\1***@", text))


def without_login(value: str) -> str:
    """Return one address, or any other single value, with stars for its login."""
    return _IN_OPTION.sub(r"\1***", _AS_VALUE.sub(r"\1***@", value))


def has_login(value: str) -> bool:
    """Whether a value is an address with a login, and so no thing for a command line."""
    return without_login(value) != value


def hide_logins_of_process() -> None:
    """Put stars over the logins in this process's arguments, as others see them.

    The list of processes shows the memory where the system has laid the arguments, and so does
    the table of jobs of a Ray cluster that is started or joined afterwards. Where there is no
    such memory to be seen, nothing is done.
    """
    with suppress(OSError, ValueError), Path("/proc/self/mem").open("r+b", buffering=0) as memory:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = map(int, fields[_ARGUMENTS])
        memory.seek(start)
        arguments = memory.read(end - start)
        memory.seek(start)
        memory.write(b"\0".join(map(_starred, arguments.split(b"\0"))))


def _starred(argument: bytes) -> bytes:
    """Return an argument of the same length."""
    text = argument.decode("latin-1")
    text = _AS_VALUE.sub(lambda login: login[1].ljust(len(login[0]) - 1, "*") + "@", text)
    text = _IN_OPTION.sub(lambda option: option[1].ljust(len(option[0]), "*"), text)
    return text.encode("latin-1")


def tell_without_logins(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print a traceback, as `sys.excepthook` does."""
    lines = traceback.format_exception(kind, error, trace)
    sys.stderr.write(without_logins("".join(lines)))
