"""A task on Ray: as it was sent, as a worker runs it, and how one is ended that cannot hear."""

import os
import signal
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray

from cluster.executor import one_blas_thread, result_of
from cluster.outcomes import Trouble
from cluster.resources import Resources
from cluster.versions import Versions, check_versions
from cluster.whereabouts import record_start
from model.errors import PacksweepError

# Seconds between two looks at a worker that is given up.
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class SentTask:
    """A task as it was submitted, to submit it again if a machine never answers.

    Attributes
    ----------
    key : hashable
        The key that it was submitted under.
    name : str
        Its kind, and after a colon what tells it from others of the kind.
    ticket : str
        Its name in the cluster's table of where tasks have started.
    call : tuple
        The function and its arguments.
    avoid : sequence of str
        The nodes where it was lost.
    resources : Resources
        What it asks of a machine.
    again : int
        How often it was queued again because what it shares was lost.
    context : Context
        That it was submitted in: what is logged of it goes where its sender's lines go.
    """

    key: Hashable
    name: str
    ticket: str
    call: tuple[Any, ...]
    avoid: Sequence[str]
    resources: Resources
    again: int = 0
    context: Context = field(default_factory=copy_context)


def on_worker(
    detail: str, ticket: str, versions: Versions, function: Callable[..., Any], *args: Any
) -> tuple[str, Any]:
    """Run a task, as the worker that has it; return the worker's address, and value or trouble."""
    record_start(ticket)
    node = _node_address()
    check_versions(versions, node)
    try:
        if detail:
            print(detail, flush=True)  # noqa: T201  (the dashboard shows it on the task's page)
        with one_blas_thread():
            return node, result_of(function, args)
    except PacksweepError:
        raise
    except Exception as error:
        return node, Trouble.of(error, node)


def _node_address() -> str:
    address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    return address


def kill_if_stopped(process: int, seconds: float = 10.0) -> None:
    """Kill a worker of this machine that is found stopped, such as by SIGSTOP, within a time.

    Ray asks a worker to end, and kills the one that does not answer. One that is stopped between
    its answer and its end stays, and with it its core. Where there is no /proc, it stays still.

    Parameters
    ----------
    process : int
        Its process id.
    seconds : float
        How long it is looked after; less if it ends.
    """
    deadline = time.monotonic() + seconds
    # A stop takes effect when the process next runs, which on a busy machine is not at once.
    while (stopped := _is_stopped(process)) is not None and time.monotonic() < deadline:
        if stopped:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(_LOOK_SECONDS)


def _is_stopped(process: int) -> bool | None:
    """Return whether a worker is stopped; None if it has ended or the number is another's now."""
    try:
        if not Path(f"/proc/{process}/cmdline").read_bytes().startswith(b"ray::"):
            return None
        state = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return None
    return state in {b"T", b"t"}
