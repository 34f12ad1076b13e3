"""The command, held in mid-sweep: ``python held.py FOLDER WHAT LINKS ARGUMENTS...``.

See `command_line.Hold`.
"""

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


def hold_workers(folder: Path, links: int) -> None:
    """Let Ray's workers wait at the beginning of each link but the first ones."""
    from cluster.ray_executor import RayExecutor

    submit, count = RayExecutor.submit, itertools.count(1)

    def held(
        executor: RayExecutor, key: Hashable, name: str, function: Callable[..., Any], *args: Any
    ) -> None:
        if name.startswith("advance ") and next(count) > links:
            # It travels by value, because it is a function of the main module.
            submit(executor, key, name, wait_and_call, folder, function, *args)
        else:
            submit(executor, key, name, function, *args)

    RayExecutor.submit = held  # type: ignore[method-assign]


if __name__ == "__main__":
    place, what, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    {"command": hold_command, "workers": hold_workers}[what](place, number)
    # As the fixture `quick_lease`, for a run in an object store.
    lease.BEAT, lease.PAUSE = 0.1, 0.02
    sys.exit(main(sys.argv[4:]))
