"""The command, held in mid-sweep: ``python held.py FOLDER WHAT LINKS ARGUMENTS...``.

See `command_line.Hold`.
"""

import errno
import itertools
import os
import socket
import sys
import time
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

from search.record import TrialLog
from search.run import main
from search.storage import lease


def wait(folder: Path) -> None:
    """Say in a folder that this process waits, and wait until told there to go on."""
    (folder / f"{socket.gethostname()} {os.getpid()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)


def wait_and_call(folder: Path, function: Callable[..., Any], *args: Any) -> Any:
    """Do what a worker was asked for, but not yet."""
    wait(folder)
    return function(*args)


def hold_command(folder: Path, links: int) -> None:
    """Wait as soon as so many links are in the log; only the main thread does."""
    publish, count = TrialLog.publish, itertools.count(1)

    def held(trial_log: TrialLog, name: str) -> None:
        publish(trial_log, name)
        if next(count) >= links:
            wait(folder)

    TrialLog.publish = held  # type: ignore[method-assign]


def fail_or_call(folder: Path, function: Callable[..., Any], *args: Any) -> Any:
    """Do what a worker was asked for, unless its machine has no space left.

    It is done once the machine without space was asked too, or another could be quick enough to
    take every link.
    """
    import ray

    node = ray.get_runtime_context().get_node_id()
    with (folder / "asked").open("a") as file:
        file.write(f"{node}\n")
    bad = (folder / "bad").read_text()
    if bad in {node, "all"}:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    while bad not in (folder / "asked").read_text():
        time.sleep(0.01)
    return function(*args)


def change_tasks(change: Callable[..., Any], folder: Path, links: int, kind: str) -> None:
    """Let Ray's workers do something else than each task of a kind but the first ones."""
    from cluster.ray_executor import RayExecutor

    submit, count = RayExecutor.submit, itertools.count(1)

    def changed(
        executor: RayExecutor, key: Hashable, name: str, function: Callable[..., Any], *args: Any,
        **options: Any,
    ) -> None:  # fmt: skip
        if name.startswith(kind) and next(count) > links:
            # It travels by value, because it is a function of the main module.
            submit(executor, key, name, change, folder, function, *args, **options)
        else:
            submit(executor, key, name, function, *args, **options)

    RayExecutor.submit = changed  # type: ignore[method-assign]


def hold_workers(folder: Path, links: int, kind: str = "advance ") -> None:
    """Let Ray's workers wait at the beginning of each link but the first ones."""
    change_tasks(wait_and_call, folder, links, kind)


def fail_workers(folder: Path, links: int, kind: str = "advance ") -> None:
    """Let links fail on a machine, but the first ones."""
    change_tasks(fail_or_call, folder, links, kind)


def hold_before(folder: Path, _: int, method: str) -> None:
    """Let the command wait before it calls something of its executor."""
    from cluster.ray_executor import RayExecutor

    original = getattr(RayExecutor, method)

    def held(*args: Any, **options: Any) -> Any:
        wait(folder)
        return original(*args, **options)

    setattr(RayExecutor, method, held)


def be_impatient() -> None:
    """Give up what hangs after seconds instead of minutes."""
    from cluster import whereabouts
    from search.plan import lateness

    lateness.FLOOR, lateness.MULTIPLE, whereabouts._LOOK_SECONDS = 4.0, 3.0, 0.2


if __name__ == "__main__":
    place, number = Path(sys.argv[1]), int(sys.argv[3])
    what, *detail = sys.argv[2].split(":")
    if what == "hanging":
        be_impatient()
    {
        "command": hold_command, "workers": hold_workers, "before": hold_before,
        "failing": fail_workers, "hanging": hold_workers,
    }[what](place, number, *detail)  # fmt: skip
    # As the fixture `quick_lease`, for a run in an object store.
    lease.BEAT, lease.PAUSE = 0.1, 0.02
    sys.exit(main(sys.argv[4:]))
