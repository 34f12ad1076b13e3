"""The versions that a result depends on, compared where the work is done."""

import platform
from functools import cache
from importlib import metadata

from cluster.errors import ClusterError

Versions = tuple[tuple[str, str], ...]

# What computes a trial: another version of one of these may round otherwise.
_PACKAGES = ("numpy", "numba", "scipy")


@cache
def library_versions() -> Versions:
    """Return Python's version and those of the numerical packages of this process."""
    packages = tuple((name, metadata.version(name)) for name in _PACKAGES)
    return (("Python", platform.python_version()), *packages)


def check_versions(expected: Versions, node: str) -> None:
    """Refuse to compute on a machine whose results could differ from those of the others.

    Parameters
    ----------
    expected : tuple of (str, str)
        `library_versions` of the process that asks for the work.
    node : str
        Address of this machine, for the message.

    Raises
    ------
    ClusterError
        Naming what differs.
    """
    pairs = zip(expected, library_versions(), strict=True)
    differing = [(name, mine, theirs) for (name, mine), (_, theirs) in pairs if mine != theirs]
    if differing:
        there = ", ".join(f"{name} {theirs}" for name, _, theirs in differing)
        here = ", ".join(f"{name} {mine}" for name, mine, _ in differing)
        raise ClusterError(
            f"The machine {node} has {there}, this command {here}: results could differ. Install "
            "the same versions on all machines (requirements.lock names them), or take this one "
            "out of the cluster. What was logged is safe; the same command continues."
        )
