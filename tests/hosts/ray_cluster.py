"""A Ray cluster on the hosts of a network, with a token, and quick to notice what is gone."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from command_line import LIMIT
from network import Host, Network, child_of

PORT = 6379
CLIENT_PORT = 10001  # of the head, for commands on machines outside

# How a node is started: the command that the documentation gives, and less than it takes.
NODE = [
    sys.executable, "-m", "ray.scripts.scripts", "start", "--block",
    "--disable-usage-stats", "--object-store-memory=100000000",
    "--include-log-monitor=false",
]  # fmt: skip

# A host that does not answer is given up after about three seconds, not a minute. No worker is
# started before it is needed.
PATIENCE = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_enable_worker_prestart": "0",
}

# Starts a command again whenever it ends, and ends it when told to, as a service manager does.
_SERVICE = """
trap 'kill $node; wait $node; exit' TERM
while :; do "$@" & node=$!; wait $node; sleep 0.5; done
"""

# Answers every line with the cores of each host that is alive and is not about to end.
_WATCH = """
import json, logging, ray, sys
from ray._private.state import state
answers, sys.stdout = sys.stdout, sys.stderr  # where Ray tells of nodes that are gone
ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)
for _ in sys.stdin:
    ending = state.get_draining_nodes()
    alive = [n for n in ray.nodes() if n["Alive"] and n["NodeID"] not in ending]
    cores = {n["NodeManagerAddress"]: int(n["Resources"].get("CPU", 0)) for n in alive}
    print(json.dumps(cores), file=answers, flush=True)
"""


class RayCluster:
    """Nodes that `ray start` has made.

    Parameters
    ----------
    network : Network
        Whose hosts see `folder`.
    folder : Path
        For the token and what the nodes print.
    head : Host
    cores : int
        Of the head.

    Attributes
    ----------
    address : str
    env : dict of str to str
        What a command needs to join.
    nodes : dict of Host to Popen
        What was started last on each host.
    """

    def __init__(self, network: Network, folder: Path, head: Host, cores: int = 0) -> None:
        self._folder, self.head = folder, head
        self.address = f"{head.address}:{PORT}"
        self.env = os.environ | PATIENCE | token(folder / "token", "a" * 64)
        self.nodes: dict[Host, subprocess.Popen[str]] = {}
        self._start(head, cores, "--head", f"--port={PORT}", "--include-dashboard=false")
        wait_for(lambda: head.reaches(head.address, PORT))
        self._watch = head.start(
            sys.executable, "-c", _WATCH, self.address,
            env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        """Stop watching; the nodes end with their hosts."""
        with self._watch:
            self._watch.kill()

    def complete(self, cores: dict[Host, int]) -> None:
        """Boot the hosts that are off, start the nodes that are missing, and wait for them."""
        alive = self.cores()
        for host, count in cores.items():
            if not host.is_on:
                host.boot()
            if host.address not in alive:
                self.join(host, count)
        self.wait_for_cores(cores)

    def join(self, host: Host, cores: int) -> None:
        """Start a node on a host."""
        self._start(host, cores, f"--address={self.address}")

    def _start(self, host: Host, cores: int, *args: str) -> None:
        command = [*NODE, f"--node-ip-address={host.address}", f"--num-cpus={cores}", *args]
        with (self._folder / f"{host.name}.log").open("a") as log:
            self.nodes[host] = host.start(
                "bash", "-c", _SERVICE, "service", *command,
                env=self.env, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def tell_to_stop(self, host: Host) -> None:
        """Tell a node to end, and wait until the cluster gives it nothing to do any more."""
        os.kill(child_of(self.nodes[host]), signal.SIGTERM)
        wait_for(lambda: host.address not in self.cores())

    def cores(self) -> dict[str, int]:
        """Return the cores of each host that is alive and takes work, by its address."""
        assert self._watch.stdin is not None
        assert self._watch.stdout is not None
        self._watch.stdin.write("\n")
        self._watch.stdin.flush()
        answer: dict[str, int] = json.loads(self._watch.stdout.readline())
        return answer

    def wait_for_cores(self, cores: dict[Host, int]) -> None:
        """Wait until just these hosts are alive, beside the head."""
        wanted = {host.address: n for host, n in cores.items()}
        wait_for(lambda: _without(self.cores(), self.head.address) == wanted)


def _without(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}


def token(path: Path, text: str) -> dict[str, str]:
    """Write a token, and return what tells Ray to use it."""
    path.write_text(text)
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(path)}


def wait_for(condition: Callable[[], bool], seconds: float = LIMIT, pause: float = 0.05) -> None:
    """Wait until something is true.

    Raises
    ------
    TimeoutError
        If it is not within so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} seconds")
        time.sleep(pause)
