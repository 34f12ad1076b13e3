"""The token of a cluster that is started here, where Ray cannot keep one."""

import os
import secrets
from pathlib import Path

_GIVEN = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def provide_token() -> None:
    """Give the cluster to come a token of its own where the home folder takes none.

    Ray keeps one for all clusters of a user in ``~/.ray/auth_token``. Services and containers
    often have no home; their cluster ends with the command, and so may its token.
    """
    if not any(name in os.environ for name in _GIVEN) and not _home_has_one():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _home_has_one() -> bool:
    """Whether Ray finds a token in the home folder, or can put one there."""
    try:
        path = Path.home() / ".ray" / "auth_token"
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.access(path if path.exists() else path.parent, os.R_OK | os.W_OK)
    except (OSError, RuntimeError):  # the latter where the user has no home at all
        return False
