"""Where tasks run, and which machines are gone.

Ray learns within about a minute that a machine is silent, but what its driver has asked of that
machine waits for an answer for many minutes: nothing closes the connection when power or network
fail. So every task writes down where it has started, in the cluster's own table, and whoever waits
for tasks looks which machines the cluster has given up.
"""

import math
import time
import uuid
from typing import Any

import ray
from ray.experimental.internal_kv import (
    _internal_kv_del,
    _internal_kv_get,
    _internal_kv_put,
)

_NAMESPACE = "packsweep"

# How long the list of machines is believed.
_SECONDS = 1.0


def started(ticket: str) -> None:
    """Write down, as the task with this ticket, on which node it runs."""
    node = ray.get_runtime_context().get_node_id()
    _internal_kv_put(ticket, node, namespace=_NAMESPACE)


class Whereabouts:
    """Follows the tasks of one driver and the nodes of its cluster."""

    def __init__(self) -> None:
        self._name, self._count = uuid.uuid4().hex, 0
        self._alive: set[str] = set()
        self._asked = -math.inf

    def ticket(self) -> str:
        """Return a name for a task that is new in the whole cluster."""
        self._count += 1
        return f"{self._name}-{self._count}"

    def node_of(self, ticket: str) -> str | None:
        """Return the node where a task has started; None where it has not."""
        node: bytes | None = _internal_kv_get(ticket, namespace=_NAMESPACE)
        return node.decode() if node else None

    def forget(self, ticket: str) -> None:
        """Remove a task that has ended."""
        _internal_kv_del(ticket, namespace=_NAMESPACE)

    def gone(self) -> set[str]:
        """Return the nodes that were alive when this was asked last, and are not any more."""
        now = time.monotonic()
        if now < self._asked + _SECONDS:
            return set()
        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        before, self._asked = self._alive, now
        self._alive = {node["NodeID"] for node in nodes if node["Alive"]}
        return before - self._alive
