"""Joins a Ray cluster by its address, or starts one on this machine."""

import atexit
import logging
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import ray

from cluster.errors import AddressError, ClusterError
from cluster.executor import available_cores
from cluster.job import is_job
from cluster.seclusion import PrivateFolder, secluded

# A pack's state is about two megabytes. Ray keeps results of more than a tenth of one where they
# were made, to be fetched, and a machine that is told to stop does not wait for that.
_INLINE_BYTES = 8_000_000

_PACKAGES = ("model", "cluster", "search")

# Of the cluster that was started here, if there is one: Ray has one to a process.
_folders: list[PrivateFolder] = []


def connect(address: str | None, workers: int | None) -> str | None:
    """Join a cluster or start one.

    Parameters
    ----------
    address : str or None
        The address of a cluster. If it is None, RAY_ADDRESS names the cluster, which Ray sets
        for every job; without it a cluster is started here.
    workers : int or None
        Cores of a cluster that is started here; None for all that this process may use.

    Returns
    -------
    str or None
        The URL of the dashboard, if there is one.

    Raises
    ------
    AddressError
        If there is no cluster at the address that this program can work with.
    ClusterError
        If none can be started here.
    """
    place = address or os.environ.get("RAY_ADDRESS")
    try:
        return _connect(place, workers)
    except AddressError as error:
        if address is not None:
            raise
        raise AddressError(f"{error} ({place} is RAY_ADDRESS; unset it to work here alone.)") from (
            error
        )


def _connect(address: str | None, workers: int | None) -> str | None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not address:
        options |= {"num_cpus": workers or available_cores(), "include_dashboard": True}
        options |= {"_temp_dir": _private_folder(), "dashboard_host": "127.0.0.1"}
    else:
        from cluster.knock import knock  # a tenth of a second that a cluster here goes without

        knock(address)
        results = {"RAY_max_direct_call_object_size": str(_INLINE_BYTES)}
        options |= {"runtime_env": {"env_vars": results, **_code()}}
    try:
        with nullcontext() if address else secluded(_folders[-1]):
            context = ray.init(address=address or "local", **options)
    except Exception as error:  # Ray raises just that where its processes are not up in time
        reason = " ".join(str(error).split())
        if not address:
            _folders.pop().remove()
            raise ClusterError(
                f"Cannot use a local Ray cluster: {reason}. Use --executor serial."
            ) from error
        raise AddressError(
            f"Cannot use the Ray cluster at {address}: {reason}. Check that it runs, can be "
            "reached, and has the versions of Ray and Python that are here."
        ) from error
    url = context.dashboard_url
    return f"http://{url}" if url else None


def _private_folder() -> str:
    try:
        _folders.append(PrivateFolder())
    except OSError as error:
        raise ClusterError(
            f"Cannot make a folder for a local Ray cluster: {error}. Name another place in TMPDIR, "
            "or use --executor serial."
        ) from error
    atexit.register(disconnect)  # for a command that ends in the middle
    return str(_folders[-1].ray)


def disconnect() -> None:
    """Leave the cluster; one that was started here ends, and nothing of it is left."""
    atexit.unregister(disconnect)
    ray.shutdown()
    while _folders:
        _folders.pop().remove()


def _code() -> dict[str, Any]:
    """Return what makes the cluster's workers run this very code.

    The driver of a job has its code from the job, as the workers have.
    """
    if is_job():
        return {}
    root = Path(__file__).parent.parent
    return {"py_modules": [str(root / name) for name in _PACKAGES]}
