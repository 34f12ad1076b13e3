"""What the set-up installs: exact versions with hashes, all that `pyproject.toml` asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
# What make sweep installs beside the core.
ALL = sorted(Requirement(EXTRAS["all"][0]).extras)
RUN, DEV = "requirements.lock", "requirements-dev.lock"
INSTALL = "requirements-install.lock"


def entries(name):
    """Return the requirements of a lock, each with its hashes."""
    text = "\n" + re.sub(r"(?m)^#.*\n", "", (ROOT / name).read_text())
    blocks = [block.replace("\\\n", "").split() for block in re.split(r"\n(?=\w)", text)[1:]]
    found = {}
    for block in blocks:
        pin = Requirement(" ".join(word for word in block if not word.startswith("--hash=")))
        hashes = [word for word in block if word.startswith("--hash=")]
        found[canonicalize_name(pin.name)] = pin, hashes
    return found


@pytest.mark.parametrize("name", [RUN, DEV, INSTALL])
def test_every_package_has_one_version_and_its_hashes(name):
    for pin, hashes in entries(name).values():
        (only,) = pin.specifier
        assert only.operator == "=="
        assert hashes
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", one) for one in hashes)


def test_whoever_develops_has_the_versions_of_whoever_runs():
    run, dev = entries(RUN), entries(DEV)
    assert {name: str(dev[name][0]) for name in run} == {name: str(run[name][0]) for name in run}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (RUN, PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["build"]),
        *((RUN, EXTRAS[name]) for name in ALL),
        (DEV, EXTRAS["dev"]),
        (INSTALL, PROJECT["dependency-groups"]["install"]),
    ],
)
def test_all_that_is_asked_for_is_locked_within_its_range(name, wanted):
    locked = entries(name)
    for requirement in map(Requirement, wanted):
        (only,) = locked[canonicalize_name(requirement.name)][0].specifier
        assert requirement.specifier.contains(only.version), requirement
