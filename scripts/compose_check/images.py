"""Images made on this machine from Debian's packages, where no registry can be reached."""

import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from stack import ROOT, run

BASE = "packsweep-check-base:local"
PROMETHEUS = "packsweep-check-prometheus:local"
PACKSWEEP = "packsweep-check:local"

# Where Debian keeps the certificates that it trusts.
_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

_PROMETHEUS_FILE = f"""
FROM {BASE}
RUN apt-get update && apt-get install -y --no-install-recommends prometheus
ENTRYPOINT ["prometheus"]
"""


def settings() -> dict[str, str]:
    """Return the variables of docker-compose.yml, those that are set already before our own."""
    ours = {"BASE_IMAGE": BASE, "PROMETHEUS_IMAGE": PROMETHEUS, "PACKSWEEP_IMAGE": PACKSWEEP}
    # The machine's own network, because it may have settings that a bridge has not.
    ours["BUILD_NETWORK"] = "host"
    return ours | {"PIP_CERT": _BUNDLE} | _pip_settings() | _set_already(ours)


def _set_already(names: Iterable[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}


def _pip_settings() -> dict[str, str]:
    """Return where this machine's pip gets its packages, if anything is set."""
    listed = run(sys.executable, "-m", "pip", "config", "list")
    found = re.findall(
        r"^\S+\.(index-url|extra-index-url|trusted-host)='(.*)'$", listed, re.MULTILINE
    )
    return {f"PIP_{name.upper().replace('-', '_')}": value for name, value in found}


def missing(chosen: dict[str, str]) -> str | None:
    """Return why the images cannot be made, if so."""
    own = [name for name in (BASE, PROMETHEUS) if name in chosen.values() and not exists(name)]
    if own and (shutil.which("debootstrap") is None or os.geteuid() != 0):
        return f"{own[0]} is made by debootstrap, as root; or set BASE_IMAGE and PROMETHEUS_IMAGE"
    return None


def exists(image: str) -> bool:
    return subprocess.run(
        ["docker", "image", "inspect", image], capture_output=True, check=False
    ).returncode == 0  # fmt: skip


def make(chosen: dict[str, str]) -> None:
    """Make those of our own images that are asked for and are not there yet."""
    if chosen["BASE_IMAGE"] == BASE and not exists(BASE):
        _make_base()
    if chosen["PROMETHEUS_IMAGE"] == PROMETHEUS and not exists(PROMETHEUS):
        build = ("docker", "build", "--network", "host", "--tag", PROMETHEUS, "-")
        run(*build, input=_PROMETHEUS_FILE)


def _make_base() -> None:
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    mirror = _mirror(release)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        packages = "--include=ca-certificates,python3,python3-venv"
        run("debootstrap", "--variant=minbase", packages, release, root, mirror)
        # Where this machine trusts a certificate of its own, packages come through it.
        trusted = ssl.get_default_verify_paths().cafile
        if trusted:
            shutil.copy(trusted, root / _BUNDLE.lstrip("/"))
        shutil.rmtree(root / "var/cache/apt/archives")
        archive = Path(folder, "root.tar")
        run("tar", "--create", "--file", archive, "--directory", root, ".")
        run("docker", "import", archive, BASE)


def _mirror(release: str) -> str:
    """Return where this machine gets the packages of its own release."""
    form = ("--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages")
    sources = run("apt-get", "indextargets", *form).splitlines()
    return next(uri for name, uri in map(str.split, sources) if name == release)


def build(chosen: dict[str, str], compose: list[str], *, cached: bool) -> None:
    """Build the project's image by Compose."""
    options = [] if cached else ["--no-cache"]
    run(
        *compose, "--file", ROOT / "docker-compose.yml", "build", *options, "token",
        env=os.environ | chosen, cwd=ROOT,
    )  # fmt: skip


def size(image: str) -> int:
    """Return the bytes of an image, its base included."""
    return int(run("docker", "image", "inspect", "--format", "{{.Size}}", image))


def made() -> list[str]:
    """Return those of our own images that are there."""
    return [image for image in (PACKSWEEP, PROMETHEUS, BASE) if exists(image)]
