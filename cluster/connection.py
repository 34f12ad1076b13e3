"""Joins a Ray cluster by its address, or starts one on this machine."""

import atexit
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
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

# Where Ray tells at length that its dashboard cannot be started, which is not a failure of ours.
_DASHBOARD = logging.getLogger("ray._private.services")

# Warnings as errors, and no docstrings: with these Ray's own processes do not start.
_FOR_US = ("PYTHONWARNINGS", "PYTHONOPTIMIZE")

# A server for machines outside starts a process for each of them, and on a busy head that fails at
# times; what it says then. The next attempt gets another process. The last one is of a cluster
# that is started here, on a machine too busy to do so in Ray's half a minute; what it left ends
# with this process.
_NOT_STARTED = (
    "Starting Ray client server failed",
    "Proxy failed to Connect to backend",
    # That process has ended just as the head looked at it.
    "psutil.ZombieProcess",
    "psutil.NoSuchProcess",
    "The current node timed out during startup",
)
_ATTEMPTS = 3

log = logging.getLogger(__name__)

_PACKAGES = ("model", "cluster", "search")
_ROOT = Path(__file__).parent.parent

# Folders of the cluster that was started here, if any: Ray has one cluster per process.
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
        raise AddressError(f"{error} ({place} is RAY_ADDRESS; unset it to work only here.)") from (
            error
        )


def _connect(address: str | None, workers: int | None) -> str | None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not address:
        options |= {"num_cpus": workers or available_cores()}
        options |= {"_temp_dir": _private_folder(), "dashboard_host": "127.0.0.1"}
    else:
        from cluster.knock import knock  # a tenth of a second that a cluster here goes without

        knock(address)
        results = {"RAY_max_direct_call_object_size": str(_INLINE_BYTES)}
        options |= {"runtime_env": {"env_vars": results}}
    try:
        with nullcontext() if address else secluded(_folders[-1]):
            context = _again(address or "local", options)
    except Exception as error:  # of many kinds, down to Exception itself
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
    if not url and not address:
        log.warning(
            "Ray's dashboard cannot be started, and the sweep runs without it; %s says why",
            context.address_info["session_dir"] + "/logs/dashboard.log",
        )
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
    if _folders:
        _end_autoscaler()
    ray.shutdown()
    while _folders:
        _folders.pop().remove()


def _end_autoscaler() -> None:
    """End the process of a cluster here that would start machines, of which there are none.

    It does not heed a request to end, and `ray.shutdown` would wait a second for that.
    """
    with suppress(Exception):  # no node here, or a Ray that has it otherwise and may wait
        node: Any = ray._private.worker._global_node
        node.kill_monitor(check_alive=False)


def _again(address: str, options: dict[str, Any]) -> Any:
    """Join, and where the head could not start a process for this machine, try that again."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return _init(address, options)
        except Exception as error:
            if not any(sentence in str(error) for sentence in _NOT_STARTED):
                raise
            log.info("Ray (%s) could not start a process in time: %s", address, error)
    return _init(address, options)


def _init(address: str, options: dict[str, Any]) -> Any:
    """Call ``ray.init`` so that workers run this very code, whatever lies where we work.

    Ray has them look for modules first where the command was started, and a model.py of the
    user's there would hide our package.
    """
    _DASHBOARD.setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="packsweep-") as empty, _apart(_ROOT):
        if "runtime_env" in options:
            options["runtime_env"] |= _code(empty)
        return ray.init(address=address, **options)


@contextmanager
def _apart(folder: Path) -> Iterator[None]:
    """Work in a folder, and without what the user tells Python of this command alone."""
    before = os.open(".", os.O_PATH)
    told = {name: os.environ.pop(name) for name in _FOR_US if name in os.environ}
    try:
        os.chdir(folder)
        yield
    finally:
        os.environ.update(told)
        os.fchdir(before)
        os.close(before)


def _code(empty: str) -> dict[str, Any]:
    """Return what brings this code to the machines of a cluster.

    The driver of a job has its code from the job, as the workers have. For others the working
    directory is an empty folder: Ray would name folders of this machine to all, and another may
    have other code there.
    """
    if is_job():
        return {}
    return {"py_modules": [str(_ROOT / name) for name in _PACKAGES], "working_dir": empty}
