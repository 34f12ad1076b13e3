"""Install with uv what ``pip install`` would, in seconds, not minutes; with pip where uv fails.

    .venv/bin/python scripts/install.py --require-hashes --requirement requirements.lock

The options are those that both know. uv reads none of pip's settings (an index, a certificate), so
it is told them. Whatever was left half done by a run that was interrupted is installed again.
"""

import ast
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
UV = [str(Path(sysconfig.get_path("scripts"), "uv")), "pip", "install", "--python", sys.executable]

# What tells uv the same as a setting of pip, and what it has between several values.
NAMES = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "proxy": ("ALL_PROXY", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", " "),
    "no-cache-dir": ("UV_NO_CACHE", " "),
}
# Where pip finds a setting, the strongest last.
PLACES = ("global", "install", ":env:")


def settings_of_pip(listed: str) -> dict[str, str]:
    """Return pip's settings by their names, from what ``pip config list`` prints."""
    found: dict[str, dict[str, str]] = {place: {} for place in PLACES}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        place, _, name = key.rpartition(".")
        if place in found:
            found[place][name] = ast.literal_eval(value)
    return found["global"] | found["install"] | found[":env:"]


def environment_of_uv(settings: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which uv has these settings, and its own where they are given."""
    told = {
        variable: separator.join(settings[name].split())
        for name, (variable, separator) in NAMES.items()
        if settings.get(name)
    }
    if not told.get("UV_HTTP_TIMEOUT", "0").isdigit():  # pip takes parts of a second too
        told["UV_HTTP_TIMEOUT"] = told["UV_HTTP_TIMEOUT"].partition(".")[0] or "15"
    # An index may lack what another one has. Taking any is safe, because the hash decides.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match"} | told | dict(given)


def with_uv(arguments: list[str], redo: bool) -> bool:
    """Install with uv; return whether that went well."""
    listed = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=False)
    if listed.returncode:
        sys.stderr.write(listed.stderr)
        return False
    settings = settings_of_pip(listed.stdout)
    # Not compiled: of 22,000 files few are ever imported, and those compile as they are.
    options = ["--quiet", *["--reinstall"] * redo]
    if settings.get("no-index", "0").lower() in {"1", "y", "yes", "t", "true", "on"}:
        options.append("--no-index")  # has no variable
    environment = environment_of_uv(settings, os.environ)
    try:
        return not subprocess.run(
            [*UV, *options, *arguments], check=False, env=environment
        ).returncode  # fmt: skip
    except OSError as error:
        sys.stderr.write(f"uv cannot be started: {error}\n")
        return False


def with_pip(arguments: list[str], redo: bool) -> bool:
    """Install with pip; return whether that went well."""
    options = ["--quiet", *["--force-reinstall"] * redo]
    return not subprocess.run([*PIP, "install", *options, *arguments], check=False).returncode


def main(arguments: list[str]) -> int:
    """Install with one or the other; return the exit code."""
    begun = Path(sys.prefix, "install-begun")
    redo = begun.exists()
    begun.touch()
    if not with_uv(arguments, redo):
        sys.stderr.write("uv has not installed this; pip does, which takes longer\n")
        if not with_pip(arguments, redo):
            return 1
    begun.unlink()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
