"""The token that Ray's clusters ask for: where it lies, and that its user alone reads it."""

import os
import secrets
import tempfile
from pathlib import Path

_MODE = "RAY_AUTH_MODE"
# Where Ray looks for a token, before its own file.
_GIVEN = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def token_place() -> str | None:
    """Return where the token lies that this process shows to clusters, or None if it shows none.

    Ray sets its mode in the environment when it starts a cluster here.
    """
    return place_of_a_token() if os.environ.get(_MODE, "").lower() == "token" else None


def place_of_a_token() -> str | None:
    """Return the place of a token that could be shown, or None; never the token."""
    if os.environ.get(_GIVEN[0]):
        return f"the environment variable {_GIVEN[0]}"
    if path := os.environ.get(_GIVEN[1]):
        return path
    return "~/.ray/auth_token" if _own_file().is_file() else None


def keep_token_private() -> None:
    """Make the token that a cluster here will use, or take an old one out of others' sight.

    Ray would make it readable by everybody on this machine. Services and containers often have no
    home to keep one in; their cluster ends with the command, and so may its token.
    """
    if os.environ.get(_MODE, "token").lower() != "token" or any(map(os.environ.get, _GIVEN)):
        return
    try:
        _keep(_own_file())
    except (OSError, RuntimeError):  # the latter where the user has no home at all
        os.environ[_GIVEN[0]] = secrets.token_hex(32)


def _keep(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists() or path.stat().st_size == 0:
        _make(path)
    path.read_bytes()  # Ray will, and says at length that it could not
    status = path.stat()
    if status.st_uid == os.geteuid() and status.st_mode & 0o077:
        path.chmod(0o600)


def _make(path: Path) -> None:
    """Write a token, whole or not at all; of two commands that do so, the first one counts."""
    number, name = tempfile.mkstemp(dir=path.parent)  # readable by its user alone
    try:
        with os.fdopen(number, "w") as file:
            file.write(secrets.token_hex(32))
        if path.exists():  # and empty
            path.unlink(missing_ok=True)
        os.link(name, path)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()


def _own_file() -> Path:
    return Path.home() / ".ray" / "auth_token"
