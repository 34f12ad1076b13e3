"""A Ray cluster of several nodes on this machine, which come and go as a test says.

They live in a process of their own, which does what it is told line by line.
"""

import json
import os
import socket
import subprocess
import sys
from typing import Any, Self

# What passes the lines of logs on costs seconds of a core on each node, and nobody reads them here.
LEAN = {"include_log_monitor": False}

# No worker is started before a task needs it: each takes seconds of a core.
NO_SPARE_WORKERS = {
    "RAY_prestart_worker_first_driver": "0",
    "RAY_enable_worker_prestart": "0",
}


class Nodes:
    """A cluster whose head computes nothing.

    Attributes
    ----------
    address, outside : str
        Where commands join it that run on one of its machines, and where others do.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=os.environ | NO_SPARE_WORKERS,
        )  # fmt: skip
        self.address, self.outside = self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        """End all nodes."""
        self._process.communicate()  # its standard input ends, and with it the cluster

    def join(self, cores: int) -> str:
        """Start a node, and return its id."""
        node: str = self._ask("join", cores)
        return node

    def kill(self, node: str) -> None:
        """Let a node go without a word, and with it its workers."""
        self._ask("kill", node)

    def dismiss(self) -> None:
        """Let all nodes but the head take their leave, and wait until the head knows."""
        self._ask("dismiss", None)

    def lose_head(self) -> None:
        """Let the head go without a word."""
        self._ask("lose head", None)

    def _ask(self, *command: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("answer "):
                return json.loads(line.removeprefix("answer "))
        raise RuntimeError("the cluster has ended")


def _answer(value: Any) -> None:
    sys.stdout.write(f"answer {json.dumps(value)}\n")
    sys.stdout.flush()


def _main() -> None:
    from ray.cluster_utils import Cluster

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    args = {
        "num_cpus": 0, "include_dashboard": False, "ray_client_server_port": port,
        "no_monitor": True, **LEAN,
    }  # fmt: skip
    cluster = Cluster(initialize_head=True, head_node_args=args)
    nodes: dict[str, Any] = {}
    _answer([cluster.address, f"ray://127.0.0.1:{port}"])
    for line in sys.stdin:
        command, value = json.loads(line)
        if command == "join":
            node = cluster.add_node(num_cpus=value, **LEAN)
            nodes[node.node_id] = node
            _answer(node.node_id)
        elif command == "lose head":
            cluster.remove_node(cluster.head_node, allow_graceful=False)
            _answer(None)
        elif command == "dismiss":
            while nodes:
                cluster.remove_node(nodes.popitem()[1], allow_graceful=True)
            cluster.wait_for_nodes(timeout=100)
            _answer(None)
        else:
            cluster.remove_node(nodes.pop(value), allow_graceful=False)
            _answer(None)
    cluster.shutdown()


if __name__ == "__main__":
    _main()
